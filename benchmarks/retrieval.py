"""Retrieval on the handbook's own FAQ: the product's search against BM25 alone and dense alone, in one run.

    .venv/bin/python benchmarks/retrieval.py

The index is the product's, over all pages of ``examples/handbook`` as one department, and the hybrid is the product's
``search``. Each question is a heading of the handbook, so all headings are hidden from what is indexed (page titles
stay); the section under the question's heading is the one right answer. A section counts where its best chunk stands.
``--typos`` misspells one word of each question: a letter left out, doubled in, replaced or swapped with the next.
``--dataset`` measures other questions instead: JSON lines with ``question``, ``section_ids`` (best first), optional
``history`` and ``answerable``, with ``--sections`` naming each id's ``path`` and ``heading``; nothing is hidden then.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import random
import re
import string
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

if Path(sys.path[0]) == Path(__file__).parent:
    del sys.path[0]  # this file is named like the package that it measures

from bot.config.settings import Settings
from bot.domain.people import Audience
from bot.domain.questions import Turn
from bot.language.words import find_words
from bot.storage import migrate
from bot.storage.session import Store
from bot.storage.tables.access import DepartmentRow
from retrieval.assembly import document_store
from retrieval.index.lexical import STOP_WORDS
from retrieval.ingest.changes import Change, Wanted, sha256
from retrieval.parse.dispatch import built_in_parsers, by_suffix, parse
from retrieval.parse.text import EmptyError
from retrieval.search.hybrid import HybridRetriever
from retrieval.search.query import make_query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bot.domain.documents.parsed import ParsedDocument
    from retrieval.index.snapshot import Snapshot

ROOT = Path(__file__).resolve().parents[1]
DEPARTMENT = "handbook"
K = 10
TYPO_LETTERS = 5
Section = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and its right sections, each as (document, heading); ``history`` only where the data has it."""

    question: str
    gold: tuple[tuple[str, str], ...]
    history: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Corpus:
    """The parsed pages and, for each, the innermost heading of each section as it was before any was hidden."""

    pages: Mapping[str, ParsedDocument]
    headings: Mapping[Section, str]


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    asked = faq(arguments.faq) if arguments.dataset is None else dataset(arguments.dataset, arguments.sections)
    if arguments.typos:
        rng = random.Random(arguments.typos)
        asked = [replace(each, question=misspelled(each.question, rng)) for each in asked]
    corpus = read(arguments.pages, hide_headings=arguments.dataset is None)
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.home or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        values: dict[str, Any] = {"home": home, "model": {"embedder": arguments.embedder}}
        if arguments.models_dir:
            values["models_dir"] = arguments.models_dir
        store, retriever, snapshot = index(Settings(**values), corpus)
        print(f"{len(corpus.pages)} pages, {len(snapshot.chunks)} chunks, {len(asked)} questions\n")
        print(f"{'method':<12} {'nDCG@10':>8} {'recall@10':>10} {'acc@1':>7}")
        for name, method in methods(retriever, snapshot).items():
            print(f"{name:<12} {_figures(method, asked, corpus)}")
        store.close()


def methods(retriever: HybridRetriever, snapshot: Snapshot) -> dict[str, Callable[[Asked], list[Section]]]:
    """Return the three ways of searching, each giving sections, best first."""
    everything = np.ones(len(snapshot.chunks), dtype=bool)
    of_chunk = {chunk.chunk_id: section for chunk, section in zip(snapshot.chunks, _sections(snapshot), strict=True)}

    def hybrid(item: Asked) -> list[Section]:
        found = retriever.search(item.question, DEPARTMENT, Audience(), k=3 * K, history=item.history)
        return list(dict.fromkeys(of_chunk[passage.chunk_id] for passage in found))

    def dense(item: Asked) -> list[Section]:
        vector = retriever.embed([item.question])[0]
        return _best(snapshot, snapshot.cosines(vector, np.arange(len(snapshot.chunks))))

    def bm25(item: Asked) -> list[Section]:
        terms = make_query(item.question, (), retriever.embedder).terms[-1][0]
        return _best(snapshot, snapshot.lexical.scores(terms, everything))

    return {"BM25 alone": bm25, "dense alone": dense, "hybrid": hybrid}


def index(settings: Settings, corpus: Corpus) -> tuple[Store, HybridRetriever, Snapshot]:
    """Store the pages as one department's documents and build its snapshot, as ``documents add`` does."""
    store = Store(settings.database_url)
    migrate.upgrade(store)
    with store.write() as session:
        session.merge(DepartmentRow(name=DEPARTMENT, title=DEPARTMENT))
    retriever = HybridRetriever(store, settings)
    wanted = [
        Wanted(address, address, "", sha256(repr(page).encode()), 1, parsed=page)
        for address, page in corpus.pages.items()
    ]
    with retriever.snapshots.building(DEPARTMENT):
        report = document_store(store, retriever).apply(DEPARTMENT, Change(wanted=wanted), actor="benchmark")
    return store, retriever, retriever.snapshots.serve(DEPARTMENT, str(report.snapshot))


def read(folder: Path, *, hide_headings: bool) -> Corpus:
    """Parse every page; ``hide_headings`` leaves its title as the only heading."""
    parsers = by_suffix(built_in_parsers())
    pages: dict[str, ParsedDocument] = {}
    headings: dict[Section, str] = {}
    for path in sorted(folder.rglob("*.md")):
        address = path.relative_to(folder).as_posix()
        if address in ("LICENSE.md", "README.md"):
            continue
        try:
            page = parse(path.read_bytes(), address, parsers)
        except EmptyError:
            continue
        for number, section in enumerate(page.sections):
            headings[address, number] = plain(section.headings[-1] if section.headings else page.title)
        shown = [replace(part, headings=()) for part in page.sections] if hide_headings else page.sections
        pages[address] = replace(page, sections=tuple(shown))
    return Corpus(pages, headings)


def faq(path: Path) -> list[Asked]:
    """Read FAQ rows: the question is the heading of the right section."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").strip().split("\n")]
    return [Asked(row["question"], ((row["document"], row["question"]),)) for row in rows]


def dataset(path: Path, sections: Path) -> list[Asked]:
    """Read answerable rows of questions whose gold is given as section ids."""
    pages = sections.read_text(encoding="utf-8").strip().split("\n")
    named = {row["section_id"]: row for row in map(json.loads, pages)}
    asked = []
    for row in map(json.loads, path.read_text(encoding="utf-8").strip().split("\n")):
        if row.get("answerable", True):
            gold = [named[section] for section in row["section_ids"]]
            turns = tuple(Turn(turn["question"], turn["answer"]) for turn in row.get("history", []))
            places = tuple((f"{item['department']}/{item['path']}", item["heading"]) for item in gold)
            asked.append(Asked(row["question"], places, turns))
    return asked


def misspelled(question: str, rng: random.Random) -> str:
    """Return a question with one wrong letter in one of its content words of five letters or more."""
    chosen = [word for word in find_words(question) if word.text.isalpha() and len(word.text) >= TYPO_LETTERS]
    chosen = [word for word in chosen if word.text not in STOP_WORDS]
    if not chosen:
        return question
    start, end = rng.choice(chosen)[1:]
    word, letter = question[start:end], rng.choice(string.ascii_lowercase)
    at = rng.randrange(len(word) - 1)
    wrong = rng.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
            word[:at] + letter + word[at + 1 :],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
    )
    return f"{question[:start]}{wrong}{question[end:]}"


def plain(heading: str) -> str:
    """Return a heading for comparing: lower case, letters and digits only."""
    return re.sub(r"[\W_]+", " ", heading.lower()).strip()


def _figures(method: Callable[[Asked], list[Section]], asked: Sequence[Asked], corpus: Corpus) -> str:
    gains, recalls, firsts = [], [], []
    for item in asked:
        wanted = {(document, plain(heading)) for document, heading in item.gold}
        found = list(dict.fromkeys((section[0], corpus.headings[section]) for section in method(item)))[:K]
        hits = [place in wanted for place in found]
        best = sum(1 / math.log2(rank + 2) for rank in range(min(K, len(wanted))))
        gains.append(sum(hit / math.log2(rank + 2) for rank, hit in enumerate(hits)) / best)
        recalls.append(sum(hits) / len(wanted))
        firsts.append(bool(hits) and hits[0])
    return f"{np.mean(gains):>8.3f} {np.mean(recalls):>10.3f} {np.mean(firsts):>7.3f}"


def _best(snapshot: Snapshot, scores: Iterable[float]) -> list[Section]:
    order = np.argsort(-np.asarray(scores), kind="stable")[: 20 * K]
    sections = _sections(snapshot)
    return list(dict.fromkeys(sections[row] for row in order))


def _sections(snapshot: Snapshot) -> list[Section]:
    return [(snapshot.addresses[chunk.document_id], chunk.section) for chunk in snapshot.chunks]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=Path, default=ROOT / "examples" / "handbook")
    parser.add_argument("--faq", type=Path, default=ROOT / "benchmarks" / "data" / "handbook_faq.jsonl")
    parser.add_argument("--typos", type=int, default=0, metavar="SEED", help="misspell a word of each question")
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--sections", type=Path)
    parser.add_argument("--embedder", default="all-minilm-l6-v2")
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--home", type=Path, help="keep the index there, so that a second run embeds nothing")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    return parser.parse_args()


if __name__ == "__main__":
    main()
