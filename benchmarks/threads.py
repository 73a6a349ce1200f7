"""Threads: whether a question leans on what was said before, and whether its page is found.

    .venv/bin/python benchmarks/threads.py

``benchmarks/data/handbook_threads.jsonl`` has 60 threads over the demo handbook, half for choosing (``dev``), half for
reporting (``test``). Each turn is ``new`` (a topic of its own), ``leans`` (it needs what was said before) or
``chatter`` (it asks nothing), and names the pages that answer it. The turns go through the product's decision and
search, over all pages of the handbook as one department. A page counts if it is the first one found and relevant
enough to be answered from. ``--rule`` measures other decisions: ``alone`` searches each question by itself, ``joined``
with all turns before it. Intervals are Wilson's, at 95 %.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

if Path(sys.path[0]) == Path(__file__).parent:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # benchmarks/retrieval.py is named like a package

from benchmarks.retrieval import DEPARTMENT, ROOT, index, read
from bot.answering.threads.courtesy import courtesy
from bot.answering.threads.topic import leans_on
from bot.config.core import AnswerSettings
from bot.config.settings import Settings
from bot.domain.people import Audience
from bot.domain.questions import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bot.domain.questions import Passage

    Search = Callable[[str, Sequence[Turn]], list[Passage]]
    Rule = Callable[[str, Sequence[Turn]], Sequence[Turn]]

KNOWN = AnswerSettings().known_threshold


@dataclass(frozen=True, slots=True)
class Said:
    """A turn as it is labelled, and the turns before it."""

    split: str
    text: str
    kind: str
    pages: tuple[str, ...]
    before: tuple[Turn, ...]


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.home or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        settings = Settings(home=home, model={"embedder": arguments.embedder})  # type: ignore[arg-type] # pydantic's
        store, retriever, _ = index(settings, read(arguments.pages, hide_headings=False))

        def search(text: str, topic: Sequence[Turn]) -> list[Passage]:
            return retriever.search(text, DEPARTMENT, Audience(), history=topic)

        def product(text: str, before: Sequence[Turn]) -> Sequence[Turn]:
            return leans_on(text, before, lambda asked, topic: search(asked, topic)[0].relevance)

        rules: dict[str, Rule] = {
            "product": product,
            "alone": lambda _text, _before: (),
            "joined": lambda _text, before: before,
        }
        figures = count(turns(arguments.threads), search, rules[arguments.rule])
        store.close()
    for name, (right, n) in sorted(figures.items()):
        print(f"{name:<40} {right:>3} of {n:<3}  {_share(right, n)}")


def turns(path: Path) -> Iterator[Said]:
    """Yield the turns of all threads."""
    for thread in map(json.loads, path.read_text(encoding="utf-8").strip().split("\n")):
        before: tuple[Turn, ...] = ()
        for turn in thread["turns"]:
            yield Said(thread["split"], turn["text"], turn["kind"], tuple(turn.get("pages", ())), before)
            before = (*before, Turn(turn["text"], "An answer."))


def count(said: Iterator[Said], search: Search, rule: Rule) -> dict[str, tuple[int, int]]:
    """Return, by name of the figure, how many turns are right, and of how many."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()

    def note(name: str, *, ok: bool) -> None:
        total[name] += 1
        right[name] += ok

    for turn in said:
        note(f"{turn.split}: chatter told from questions", ok=bool(courtesy(turn.text)) == (turn.kind == "chatter"))
        if turn.kind == "chatter":
            continue
        topic = rule(turn.text, turn.before)
        if turn.before:
            note(f"{turn.split}: decision on '{turn.kind}'", ok=bool(topic) == (turn.kind == "leans"))
        best = search(turn.text, topic)[0]
        note(f"{turn.split}: right page of '{turn.kind}'", ok=best.document in turn.pages and best.relevance >= KNOWN)
        note(f"{turn.split}: right page", ok=best.document in turn.pages and best.relevance >= KNOWN)
    return {name: (right[name], total[name]) for name in total}


def _share(right: int, n: int) -> str:
    """Return a share with its interval (Wilson 1927)."""
    z = 1.96
    share, z2 = right / n, z * z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return f"{share:.3f}  [{middle - half:.3f}, {middle + half:.3f}]"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=Path, default=ROOT / "examples" / "handbook")
    parser.add_argument("--threads", type=Path, default=ROOT / "benchmarks" / "data" / "handbook_threads.jsonl")
    parser.add_argument("--embedder", default="all-minilm-l6-v2")
    parser.add_argument("--rule", choices=["product", "alone", "joined"], default="product")
    parser.add_argument("--home", type=Path, help="keep the index there, so that a second run embeds nothing")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    return parser.parse_args()


if __name__ == "__main__":
    main()
