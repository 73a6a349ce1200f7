r"""Fit the coefficients of :mod:`retrieval.search.relevance` and print how well they tell known from unknown.

    .venv/bin/python benchmarks/calibrate_relevance.py --questions train.jsonl --held-out dev.jsonl \\
        --sections sections.jsonl --clapnq FOLDER [--embedder hashing] [--home FOLDER]

``--questions`` and ``--held-out`` are rows as in ``benchmarks/retrieval.py --dataset``. Each question is asked of
corpora drawn at random, from three pages to all of them: with its page (its sections are right, others not),
without its page, and of the other corpus (nothing is right). ClapNQ's passages are the other corpus; half of its
questions are held out. Fitted by Newton's method with a small ridge; every question weighs the same.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if Path(sys.path[0]) == Path(__file__).parent:
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # a script beside this one is named like the package

from benchmarks.retrieval import ROOT, Corpus, index, plain, read
from bot.config.settings import Settings
from bot.domain.documents.blocks import paragraphs
from bot.domain.documents.parsed import ParsedDocument, ParsedSection
from bot.domain.questions import Turn
from retrieval.search.candidates import find, order
from retrieval.search.query import make_query
from retrieval.search.relevance import FEATURES, features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from retrieval.index.snapshot import Snapshot
    from retrieval.search.hybrid import HybridRetriever

SIZES = (3, 10, 50, 10_000)
TOP = 5
RIDGE = 0.01
THRESHOLD = 0.5
OTHERS_WEIGHT = 0.25
RIGHT_WEIGHT = 2.0
"""Of right passages, over 1 for a question that nothing answers: a missed answer is worse than a weak one shown."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """A corpus with its snapshot; ``places`` names each chunk by document and heading."""

    retriever: HybridRetriever
    snapshot: Snapshot
    places: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A question and the places that answer it; none when the corpus does not."""

    question: str
    gold: frozenset[tuple[str, str]]
    pages: frozenset[str]
    history: tuple[Turn, ...] = ()
    kind: str = ""


def main() -> None:
    """Fit, judge on held-out questions, print."""
    arguments = _arguments()
    handbook = _indexed(arguments, "handbook", read(ROOT / "examples" / "handbook", hide_headings=False))
    clapnq_corpus, clapnq = _clapnq(arguments.clapnq)
    other = _indexed(arguments, "clapnq", clapnq_corpus)
    fitted, held = (
        _questions(arguments.questions, arguments.sections),
        _questions(arguments.held_out, arguments.sections),
    )
    half = len(clapnq) // 2
    weights = fit(*_table([(handbook, other, fitted), (other, handbook, clapnq[:half])], random.Random(0)))
    print(f"COEFFICIENTS: {tuple(round(float(value), 3) for value in weights)}  (constant, {', '.join(FEATURES)})\n")
    for name, groups in (
        ("fitted on", [(handbook, other, fitted), (other, handbook, clapnq[:half])]),
        ("held out", [(handbook, other, held), (other, handbook, clapnq[half:])]),
    ):
        judge(name, groups, weights)


def fit(table: NDArray[np.float64], labels: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return constant and coefficients of the logistic model, by Newton's method."""
    design = np.hstack([np.ones((len(table), 1)), table])
    found = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ found))
        gradient = design.T @ (weights * (labels - chance)) - RIDGE * found
        curvature = (design * (weights * chance * (1 - chance))[:, None]).T @ design + RIDGE * np.eye(len(found))
        found += np.linalg.solve(curvature, gradient)
    return found


def judge(name: str, groups: Sequence[tuple[Indexed, Indexed, Sequence[Case]]], weights: NDArray[np.float64]) -> None:
    """Print, per kind of question, how many are called known at 0.5 and how well the scores separate."""
    heads = ("corpus pages", "answered", "own, page gone", "unanswerable", "other topic", "AUROC")
    print(f"{name:<10} " + " ".join(f"{head:>14}" for head in heads))
    for number, (home, away, cases) in enumerate(groups):
        for shown, size in (("5", 5), ("all", 10_000)):
            rng = random.Random(number)
            with_gold, without, unknown, foreign = [], [], [], []
            for case in cases:
                if not case.gold:
                    unknown.append(_best(home, case, _draw(home, case, size, rng, keep=True), weights))
                    continue
                with_gold.append(_best(home, case, _draw(home, case, size, rng, keep=True), weights))
                without.append(_best(home, case, _draw(home, case, size, rng, keep=False), weights))
                foreign.append(_best(away, case, _draw(away, case, size, rng, keep=False), weights))
            known = [
                np.mean(np.array(group) > THRESHOLD) if group else np.nan
                for group in (with_gold, without, unknown, foreign)
            ]
            print(
                f"{'':<10} {shown:>14} " + " ".join(f"{value:>14.3f}" for value in (*known, _auroc(with_gold, foreign)))
            )


def _table(
    groups: Sequence[tuple[Indexed, Indexed, Sequence[Case]]], rng: random.Random
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    rows, labels, weights = [], [], []

    def note(corpus: Indexed, case: Case, allowed: NDArray[np.int64]) -> None:
        table, hits = _features(corpus, case, allowed)
        for line, hit in zip(table[:TOP], hits[:TOP], strict=True):
            rows.append(line)
            labels.append(float(hit))
            weights.append(RIGHT_WEIGHT if hit else OTHERS_WEIGHT / TOP)
        if not any(hits):
            weights[-min(TOP, len(hits)) :] = [1.0 / TOP] * min(TOP, len(hits))

    for home, away, cases in groups:
        for case in cases:
            for size in SIZES:
                note(home, case, _draw(home, case, size, rng, keep=True))
            for size in rng.sample(SIZES, 2):
                note(away, case, _draw(away, case, size, rng, keep=False))
            note(home, case, _draw(home, case, rng.choice(SIZES), rng, keep=False))
    return np.array(rows), np.array(labels), np.array(weights)


def _features(corpus: Indexed, case: Case, allowed: NDArray[np.int64]) -> tuple[NDArray[np.float64], list[bool]]:
    query = make_query(case.question, case.history, corpus.retriever.embedder)
    candidates = find(corpus.snapshot, query, allowed)
    best = order(corpus.snapshot, candidates)[:10]
    hits = [corpus.places[int(candidates.rows[position])] in case.gold for position in best]
    return features(corpus.snapshot, query, candidates, best), hits


def _best(corpus: Indexed, case: Case, allowed: NDArray[np.int64], weights: NDArray[np.float64]) -> float:
    table, _ = _features(corpus, case, allowed)
    return float(np.max(1 / (1 + np.exp(-(table @ weights[1:] + weights[0])))))


def _draw(corpus: Indexed, case: Case, size: int, rng: random.Random, *, keep: bool) -> NDArray[np.int64]:
    """Return the rows of ``size`` pages drawn at random: with the question's pages, or without them."""
    names = dict.fromkeys(corpus.snapshot.addresses.values())
    others = [name for name in names if name not in case.pages]
    own = [name for name in names if name in case.pages] if keep else []
    chosen = {*own, *rng.sample(others, min(len(others), max(1, size - len(own))))}
    return np.concatenate(
        [rows for document, rows in corpus.snapshot.rows.items() if corpus.snapshot.addresses[document] in chosen]
    )


def _auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    wins = np.array(positive)[:, None] - np.array(negative)[None, :]
    return float(np.mean((wins > 0) + 0.5 * (wins == 0)))


def _questions(path: Path, sections: Path) -> list[Case]:
    pages = sections.read_text(encoding="utf-8").strip().split("\n")
    named = {row["section_id"]: row for row in map(json.loads, pages)}
    cases = []
    for row in map(json.loads, path.read_text(encoding="utf-8").strip().split("\n")):
        gold = [named[section] for section in row["section_ids"]]
        places = frozenset((f"{item['department']}/{item['path']}", plain(item["heading"])) for item in gold)
        turns = tuple(Turn(turn["question"], turn["answer"]) for turn in row.get("history", []))
        pages = frozenset(place[0] for place in places)
        cases.append(Case(row["question"], places if row.get("answerable", True) else frozenset(), pages, turns))
    return cases


def _clapnq(folder: Path) -> tuple[Corpus, list[Case]]:
    pages, headings, cases = {}, {}, []
    for name in ("answerable", "unanswerable"):
        for line in (folder / f"clapnq_dev_{name}.jsonl").read_text(encoding="utf-8").strip().split("\n"):
            row: dict[str, Any] = json.loads(line)
            passage, address = row["passages"][0], f"{name}/{len(pages)}"
            pages[address] = ParsedDocument(passage["title"], (ParsedSection((), paragraphs(passage["text"])),))
            headings[address, 0] = plain(passage["title"])
            gold = {(address, headings[address, 0])} if name == "answerable" else set()
            cases.append(Case(row["input"], frozenset(gold), frozenset({address})))
    random.Random(1).shuffle(cases)
    return Corpus(pages, headings), cases


def _indexed(arguments: argparse.Namespace, name: str, corpus: Corpus) -> Indexed:
    home = arguments.home / f"{name}-{arguments.embedder}"
    home.mkdir(parents=True, exist_ok=True)
    _, retriever, snapshot = index(Settings(home=home, model={"embedder": arguments.embedder}), corpus)
    places = tuple(
        (
            snapshot.addresses[chunk.document_id],
            corpus.headings[snapshot.addresses[chunk.document_id], chunk.section],
        )
        for chunk in snapshot.chunks
    )
    return Indexed(retriever, snapshot, places)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--sections", type=Path, required=True)
    parser.add_argument("--clapnq", type=Path, required=True)
    parser.add_argument("--embedder", default="all-minilm-l6-v2")
    parser.add_argument("--home", type=Path, required=True, help="folder for the two indexes; kept for the next run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
