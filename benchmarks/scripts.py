"""Search in any script: pages and questions of one language, for twelve languages, by the product's own search.

    .venv/bin/python benchmarks/scripts.py [--embedder hashing]

``benchmarks/data/scripts.jsonl`` has short pages of a made-up company in each language, two questions that each page
answers, and questions that none does. All pages of one language are one department's documents. Per language it prints
how many questions find their page first, how many of these are relevant enough to be answered, and how many questions
without an answer are refused.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

if Path(sys.path[0]) == Path(__file__).parent:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # a script beside this one is named like the package

from benchmarks.retrieval import DEPARTMENT, Corpus, index
from bot.config.settings import Settings
from bot.domain.documents.blocks import paragraphs
from bot.domain.documents.parsed import ParsedDocument, ParsedSection
from bot.domain.people import Audience

DATA = Path(__file__).parent / "data" / "scripts.jsonl"
KNOWN = 0.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedder", default="all-minilm-l6-v2")
    arguments = parser.parse_args()
    languages: dict[str, list[dict[str, str | list[str]]]] = defaultdict(list)
    for line in DATA.read_text(encoding="utf-8").split("\n"):
        if line:
            row = json.loads(line)
            languages[row["language"]].append(row)
    print(f"{'':<4} {'page first':>12} {'answered':>12} {'refused':>12}")
    for language, rows in languages.items():
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(home=Path(folder), model={"embedder": arguments.embedder})
            print(f"{language:<4} {_figures(settings, rows)}", flush=True)


def _figures(settings: Settings, rows: list[dict[str, str | list[str]]]) -> str:
    pages = {str(row["title"]): row for row in rows if row["title"]}
    parsed = {
        title: ParsedDocument(title, (ParsedSection((), paragraphs(str(row["text"]))),)) for title, row in pages.items()
    }
    store, retriever, _ = index(settings, Corpus(parsed, {}))
    first = answered = refused = asked = unanswerable = 0
    for row in rows:
        for question in row["questions"]:
            best = retriever.search(question, DEPARTMENT, Audience(), k=1)
            known = bool(best) and best[0].relevance >= KNOWN
            if row["title"]:
                right = bool(best) and best[0].document == row["title"]
                asked, first, answered = asked + 1, first + right, answered + (right and known)
            else:
                unanswerable, refused = unanswerable + 1, refused + (not known)
    store.close()
    return f"{first:>7} / {asked:<2} {answered:>7} / {asked:<2} {refused:>7} / {unanswerable:<2}"


if __name__ == "__main__":
    main()
