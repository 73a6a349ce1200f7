"""Fit the weights that decide whether two questions ask the same: ``python -m recipes.sameness --data FOLDER``.

Describes the pairs of the half to tune on with the embedder, prints how right the classifier is on intents that it has
not seen, and writes the weights of all of that half to ``bot/feedback/sameness/weights.json``. A minute on a CPU.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from rich.console import Console

from bot.config.settings import Settings
from bot.feedback.sameness.comparing import WEIGHTS
from bot.inference.models.catalogue import model_path
from recipes.sameness.pairs import pairs
from recipes.sameness.train import cross_validated, described, fit
from retrieval.embed import SentenceEmbedder

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
EMBEDDER = "all-minilm-l6-v2"
console = Console(highlight=False)


def main() -> None:
    """Describe, print, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of bitext_support/")
    arguments = parser.parse_args()
    embedder = SentenceEmbedder(model_path(Settings(home=ROOT).models_dir, EMBEDDER), EMBEDDER)
    data = described(pairs("tune", arguments.data), embedder)
    probabilities = cross_validated(data)
    for threshold in np.arange(0.5, 1.0, 0.05):
        given = probabilities >= threshold
        hits = int((given & data.same).sum())
        precision, recall = hits / max(int(given.sum()), 1), hits / int(data.same.sum())
        console.print(f"threshold {threshold:.2f}: precision {precision:.3f}, recall {recall:.3f}")
    WEIGHTS.write_text(json.dumps({"embedder": EMBEDDER, **fit(data)}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
