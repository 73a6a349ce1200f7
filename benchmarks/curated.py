"""Are curated answers given to the same question, and only to that? Precision and recall on pairs nobody tuned on.

    .venv/bin/python benchmarks/curated.py --data FOLDER [--half test]

Compares each pair of ``recipes/sameness`` in the half to test on: those written by hand, and those from the
``bitext_support`` of FOLDER. Prints precision and recall with 95 % intervals (Wilson's, and a bootstrap over intents,
because pairs of one intent resemble each other), for what Mentee does, for the rules with the cosine, as with other
embedders, and for the cosine alone. Half of the pairs ask the same; the others are opposites and near misses.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if Path(sys.path[0]) == Path(__file__).parent:
    del sys.path[0]  # a script beside this one is named like a package

from bot.config.core import AnswerSettings
from bot.config.settings import Settings
from bot.feedback.sameness.comparing import Sameness
from bot.inference.models.catalogue import model_path
from recipes.sameness.pairs import pairs
from recipes.sameness.train import wilson
from retrieval.embed import SentenceEmbedder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bot.domain.ports import TokenVectors
    from bot.feedback.sameness.comparing import Likeness
    from recipes.sameness.pairs import Pair

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
EMBEDDER = "all-minilm-l6-v2"
COSINE = 0.82
RESAMPLES = 2_000
THRESHOLDS = (0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96)


def main() -> None:
    """Compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--half", choices=("tune", "test"), default="test")
    parser.add_argument("--wrong", action="store_true", help="also print the pairs that are given wrongly")
    arguments = parser.parse_args()
    embedder = SentenceEmbedder(model_path(Settings(home=ROOT).models_dir, EMBEDDER), EMBEDDER)
    found = pairs(arguments.half, arguments.data)
    texts = sorted({text for pair in found for text in (pair.first, pair.second)})
    vectors = dict(zip(texts, embedder.encode(texts), strict=True))
    cosines = np.array([float(vectors[pair.first] @ vectors[pair.second]) for pair in found])
    answers = AnswerSettings()
    judged, spent = timed(embedder, found, cosines)
    without = compare(Sameness(lambda _texts: None), found, cosines)
    given = np.array([each.certain >= answers.curated_threshold for each in judged])
    shown = np.array([e.similarity >= answers.suggestion_threshold for e in judged]) & ~given
    by_rules = np.array([each.certain >= answers.curated_threshold for each in without])
    print(f"{len(found)} pairs of the {arguments.half} half, {sum(pair.same for pair in found)} of them the same")
    for source in ("all", *sorted({pair.source for pair in found})):
        rows = np.array([source in ("all", pair.source) for pair in found])
        print(f"\n{source}: {rows.sum()} pairs")
        for name, decided in (
            ("Mentee", given),
            ("rules and cosine", by_rules),
            (f"cosine {COSINE}", cosines >= COSINE),
        ):
            report(name, [pair for pair, row in zip(found, rows, strict=True) if row], decided[rows])
    same = np.array([pair.same for pair in found])
    print(f"\nshown as a suggestion: {shown[same].mean():.3f} of the same, {shown[~same].mean():.3f} of the others")
    print(f"{spent * 1000:.1f} ms of CPU a pair, without the embedder")
    curve(judged, same)
    wrong = Counter(pair.kind for pair, each in zip(found, given, strict=True) if each and not pair.same)
    print("given wrongly:", dict(wrong) or "none")
    if arguments.wrong:
        for pair, each in zip(found, given, strict=True):
            if each and not pair.same:
                print(f"  {pair.kind}: {pair.first} | {pair.second}")


def timed(
    embedder: SentenceEmbedder, found: Sequence[Pair], cosines: NDArray[np.float64]
) -> tuple[list[Likeness], float]:
    """Return how alike the questions of each pair are, and the seconds a pair once their token vectors are known."""
    tokens: dict[str, TokenVectors] = {}

    def embed_tokens(texts: Sequence[str]) -> list[TokenVectors]:
        missing = [text for text in dict.fromkeys(texts) if text not in tokens]
        tokens.update(zip(missing, embedder.encode_tokens(missing) if missing else (), strict=True))
        return [tokens[text] for text in texts]

    compare(Sameness(embed_tokens), found, cosines)
    started = time.process_time()
    judged = compare(Sameness(embed_tokens), found, cosines)
    return judged, (time.process_time() - started) / len(found)


def curve(judged: Sequence[Likeness], same: NDArray[np.bool_]) -> None:
    """Print precision and recall at other thresholds."""
    print("\nif answers.curated_threshold were")
    for threshold in THRESHOLDS:
        given = np.array([each.certain >= threshold for each in judged])
        hits = (given & same).sum()
        print(f"  {threshold}: precision {hits / given.sum():.3f}, recall {hits / same.sum():.3f}")


def compare(sameness: Sameness, found: Sequence[Pair], cosines: NDArray[np.float64]) -> list[Likeness]:
    """Return how alike the questions of each pair are."""
    return [
        sameness.compare(pair.first, [pair.second], [float(cosine)])[0]
        for pair, cosine in zip(found, cosines, strict=True)
    ]


def report(name: str, found: Sequence[Pair], given: NDArray[np.bool_]) -> None:
    """Print precision and recall with their intervals."""
    same = np.array([pair.same for pair in found])
    intents = defaultdict(list)
    for row, pair in enumerate(found):
        intents[pair.intent].append(row)
    groups = [np.array(rows) for rows in intents.values()]
    chooser = np.random.default_rng(0)
    drawn = [
        np.concatenate([groups[each] for each in chooser.integers(0, len(groups), len(groups))])
        for _ in range(RESAMPLES)
    ]
    hits = int((given & same).sum())
    for what, number, of in (("precision", int(given.sum()), given), ("recall", int(same.sum()), same)):
        low, high = wilson(hits, number)
        again = [(given & same)[rows].sum() / max(of[rows].sum(), 1) for rows in drawn]
        least, most = np.quantile(again, (0.025, 0.975))
        share = f"{hits}/{number} = {hits / max(number, 1):.3f}"
        print(f"  {name:17} {what:9} {share:16} [{low:.3f}, {high:.3f}], over intents [{least:.3f}, {most:.3f}]")


if __name__ == "__main__":
    main()
