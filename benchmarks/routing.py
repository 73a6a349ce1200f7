"""Which department answers: the product's routing on questions written for the demo company's seven departments.

    .venv/bin/python benchmarks/routing.py [--home FOLDER]

``benchmarks/data/routing.jsonl`` has questions as colleagues would ask them, none of them a department's example. The
weights were chosen on the half marked ``dev``. Beside the product's routing it prints the department with the most
relevant passages, and 95 % intervals (Wilson 1927).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if Path(sys.path[0]) == Path(__file__).parent:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # a script beside this one is named like the package

from bot.answering.routing import Router
from bot.app import Mentee
from bot.config.settings import Settings
from bot.domain.people import Audience, Person
from bot.domain.questions import Question
from bot.storage import migrate
from bot.storage.session import Store
from plugins.departments.handbook import CHECKOUT
from retrieval.assembly import open_documents

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.domain.ports import Retriever

DATA = Path(__file__).parent / "data" / "routing.jsonl"
WIDTH = 1.96
ASKER = Person("cli:benchmark", "benchmark")


class Plain:
    """A retriever that doesn't rate departments."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever
        self.search = retriever.search


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="keep the indexes there, so that a second run embeds nothing")
    parser.add_argument("--embedder", default="all-minilm-l6-v2")
    arguments = parser.parse_args()
    rows = [json.loads(line) for line in DATA.read_text(encoding="utf-8").split("\n") if line]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=arguments.home or Path(folder), model={"embedder": arguments.embedder})
        mentee = _open(settings)
        plain: Any = Plain(mentee.retriever)
        routers = {
            "most relevant passages": Router(mentee.departments, mentee.plugins, lambda: plain, mentee.history),
            "routing": Router(mentee.departments, mentee.plugins, lambda: mentee.retriever, mentee.history),
        }
        for name, router in routers.items():
            chosen = asyncio.run(_route(router, rows))
            for split in ("dev", "test"):
                print(f"{name:<24} {split:<5} {_figures(rows, chosen, split)}", flush=True)
        mentee.close()


async def _route(router: Router, rows: Sequence[Mapping[str, str]]) -> list[str]:
    return [
        (await router.route(Question(row["question"], ASKER, Audience()), set(), ())).department.name for row in rows
    ]


def _open(settings: Settings) -> Mentee:
    fresh = not settings.home.exists() or not any(settings.home.iterdir())
    settings.home.mkdir(parents=True, exist_ok=True)
    store = Store(settings.database_url)
    migrate.upgrade(store)
    store.close()
    mentee = Mentee(settings, discover=False)
    if fresh:
        documents = open_documents(mentee, actor="benchmark")
        for spec in mentee.plugins.register_departments():
            if (CHECKOUT / spec.name).is_dir():
                mentee.departments.add(spec, actor="benchmark")
                documents.add([str(CHECKOUT / spec.name)], spec.name)
    return mentee


def _figures(rows: Sequence[Mapping[str, str]], chosen: Sequence[str], split: str) -> str:
    hits = [row["department"] == name for row, name in zip(rows, chosen, strict=True) if row["split"] == split]
    low, high = _interval(sum(hits), len(hits))
    wrong = Counter(
        f"{row['department']} for {name}"
        for row, name in zip(rows, chosen, strict=True)
        if row["split"] == split and row["department"] != name
    )
    most = ", ".join(f"{pair} {count}" for pair, count in wrong.most_common(3))
    return f"{sum(hits):>3} / {len(hits)} = {sum(hits) / len(hits):.3f} [{low:.3f}, {high:.3f}]  missed: {most}"


def _interval(hits: int, n: int) -> tuple[float, float]:
    share, scale = hits / n, 1 + WIDTH**2 / n
    middle = (share + WIDTH**2 / (2 * n)) / scale
    half = WIDTH * math.sqrt(share * (1 - share) / n + WIDTH**2 / (4 * n**2)) / scale
    return middle - half, middle + half


if __name__ == "__main__":
    main()
