"""When may an answer be shown, and when is "I don't find this" honest? Fits the reader's `answers.known_threshold`.

    .venv/bin/python benchmarks/calibrate_known.py --data FOLDER [--rows 150]

Asks the questions about the pages that ``recipes/reader.toml`` holds out of training (never the dev or acceptance
files), notes for each what the reader did (answered, was stopped by a guard, refused) and how relevant retrieval holds
its best passage, and prints for each outcome and threshold what showing the answer would gain and cost. MENTEE_HOME
names a demo home.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if Path(sys.path[0]) == Path(__file__).parent:
    del sys.path[0]  # a script beside this one is named like a package

from bot.app import open_mentee
from bot.config.settings import load_settings
from bot.domain.people import Audience
from recipes.reader.judge import fact_question
from recipes.reader.recipe import read_recipe
from recipes.reader.rows import Sources
from tuning.evaluation.keyfacts import ask_all, score_facts

if TYPE_CHECKING:
    from tuning.evaluation.keyfacts import FactQuestion

ROOT = Path(__file__).parents[1]
RECIPE = ROOT / "recipes" / "reader.toml"
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 1.01)


def main() -> None:
    """Ask, note, print."""
    recipe = read_recipe(RECIPE)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / recipe.data)
    parser.add_argument("--rows", type=int, default=150)
    parser.add_argument("--out", type=Path, help="also write what was noted, as JSON lines")
    arguments = parser.parse_args()
    rows = Sources(recipe, RECIPE.parent, arguments.data).handbook(held_out=True)
    rows = random.Random(0).sample(rows, min(arguments.rows, len(rows)))
    noted = note([fact_question(row) for row in rows])
    if arguments.out:
        arguments.out.write_text("".join(json.dumps(row) + "\n" for row in noted), encoding="utf-8")
    for outcome in ("model", "passage", "none"):
        show(outcome, [row for row in noted if row["outcome"] == outcome])


def note(asked: list[FactQuestion]) -> list[dict[str, Any]]:
    """Ask every question and return what happened to it."""
    noted = []
    with closing(open_mentee(load_settings())) as mentee:
        answers = ask_all(mentee, asked, lambda done: print(f"\r{done} of {len(asked)}", end="", flush=True))
        for question, answer in zip(asked, answers, strict=True):
            found = mentee.retriever.search(
                question.text, question.department or "", Audience(unrestricted=True), k=3, history=question.history
            )
            row = {"question": question.text, "answerable": question.answerable, "answer": answer.text}
            row |= {"outcome": answer.provenance.source, "relevance": max(passage.relevance for passage in found)}
            noted.append(row | dict(score_facts(question, answer)))
    return noted


def show(outcome: str, rows: list[dict[str, Any]]) -> None:
    """Print what showing these answers from each relevance on would gain and cost."""
    print(f"\n{outcome}: {len(rows)} questions, {sum(row['answerable'] for row in rows)} of them answerable")
    print("shown from   answerable shown   their key facts   unanswerable shown")
    for threshold in THRESHOLDS:
        shown = [row for row in rows if row["relevance"] >= threshold]
        right = [row for row in shown if row["answerable"]]
        facts = sum(row["key_facts"] or 0 for row in right) / (len(right) or 1)
        print(f"{threshold:10.2f} {len(right):18} {facts:17.3f} {len(shown) - len(right):20}")


if __name__ == "__main__":
    main()
