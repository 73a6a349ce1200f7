"""Fit the weights that decide whether two questions ask the same: ``python -m recipes.sameness --data FOLDER``.

Describes the pairs of the half to tune on with the embedder, prints how right the classifier is on intents that it has
not seen, and writes the weights of all of that half to ``bot/feedback/sameness/weights.json``. A minute on a CPU.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from bot.config.core import AnswerSettings
from bot.config.settings import Settings
from bot.feedback.sameness.comparing import WEIGHTS
from bot.inference.models.catalogue import model_path
from recipes.sameness.pairs import pairs
from recipes.sameness.train import cross_validated, described, fit, wilson
from retrieval.embed import SentenceEmbedder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recipes.sameness.train import Described

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
EMBEDDER = "all-minilm-l6-v2"
THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96)
console = Console(highlight=False)


def main() -> None:
    """Describe, print, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of bitext_support/")
    arguments = parser.parse_args()
    embedder = SentenceEmbedder(model_path(Settings(home=ROOT).models_dir, EMBEDDER), EMBEDDER)
    data = described(pairs("tune", arguments.data), embedder)
    probabilities = cross_validated(data)
    for threshold in THRESHOLDS:
        console.print(f"threshold {threshold:.2f}: {shares(data, probabilities >= threshold)}")
    given = probabilities >= AnswerSettings().curated_threshold
    console.print("given wrongly at the default threshold, by kind of difference:")
    for kind in sorted({pair.kind for pair in data.pairs if not pair.same}):
        of_kind = np.array([pair.kind == kind for pair in data.pairs])
        wrong, number = int((given & of_kind).sum()), int(of_kind.sum())
        low, high = wilson(wrong, number)
        console.print(f"  {kind}: {wrong}/{number} [{low:.3f}, {high:.3f}]")
    WEIGHTS.write_text(json.dumps({"embedder": EMBEDDER, **fit(data)}) + "\n", encoding="utf-8")


def shares(data: Described, given: NDArray[np.bool_]) -> str:
    """Return precision and recall, with 95 % intervals, if these pairs are given."""
    hits = int((given & data.same).sum())
    parts: list[str] = []
    for what, number in (("precision", int(given.sum())), ("recall", int(data.same.sum()))):
        low, high = wilson(hits, number)
        parts.append(f"{what} {hits / max(number, 1):.3f} [{low:.3f}, {high:.3f}]")
    return ", ".join(parts)


if __name__ == "__main__":
    main()
