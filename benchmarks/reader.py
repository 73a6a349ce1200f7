"""The reader beside the untaught model on open questions: ``grounded_qa`` dev and ClapNQ dev.

    .venv/bin/python benchmarks/reader.py --data FOLDER [--rows 200] [--json]

Each question is asked in the served prompt with the one passage it belongs to, through the engine that serves, so this
measures reading alone: token F1 and whether the answer holds the reference span on ``grounded_qa``, ROUGE-L on ClapNQ,
and on both how often an unanswerable question is refused and an answerable one wrongly, the reader being as sure of a
refusal as its settings ask of a passage of relevance one half. The first ``--rows`` of each kind are a fair sample
(both files are in random order); they are never trained on.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

if Path(sys.path[0]) == Path(__file__).parent:
    del sys.path[0]  # a script beside this one is named like a package

from bot.answering.prompt import build_messages, unless_sure
from bot.answering.refusals import refuses
from bot.config.core import AnswerSettings
from bot.config.settings import Settings
from bot.domain.generation import AdapterRef, GenerationRequest
from bot.domain.questions import Passage
from bot.inference.local.engine import LocalEngine
from bot.inference.models.catalogue import model_path
from bot.storage.artifacts import read_manifest
from mentee_reader import ADAPTER
from recipes.reader.recipe import read_recipe
from tuning.evaluation.compare import interval
from tuning.evaluation.keyfacts import holds
from tuning.evaluation.metrics import rouge_l, token_f1

ROOT = Path(__file__).parents[1]
BASE = "smollm2-135m-instruct"
LONGEST = 2500
ANSWER_TOKENS = 80
Scores = dict[str, tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its passage; ``reference`` is empty when the passage does not answer it."""

    question: str
    passage: str
    reference: str


def main() -> None:
    """Ask both models everything and print what they score."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT / read_recipe(ROOT / "recipes" / "reader.toml").data)
    parser.add_argument("--rows", type=int, default=200, help="questions of each kind")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"Skipped: {arguments.data} is not there. Give --data, the folder of grounded_qa/ and clapnq_dev/.")
        return
    sets = {"grounded_qa": grounded(arguments.data, arguments.rows), "clapnq": clapnq(arguments.data, arguments.rows)}
    results = asyncio.run(measure(sets))
    if arguments.json:
        print(json.dumps(results))
        return
    for name, sides in results.items():
        for side, found in sides.items():
            told = (f"{metric} {value:.3f} [{low:.3f}, {high:.3f}]" for metric, (value, low, high) in found.items())
            print(f"{name:12} {side:9} {', '.join(told)}")


async def measure(sets: dict[str, list[Asked]]) -> dict[str, dict[str, Scores]]:
    """Let the base model and, where one is shipped, the reader answer every set."""
    queue = max(map(len, sets.values()))
    engine = LocalEngine(model_path(Settings(home=ROOT).models_dir, BASE), queue=queue, seconds=math.inf)
    sides: dict[str, tuple[AdapterRef | None, float]] = {"untaught": (None, 0.0)}
    if ADAPTER.is_dir():
        chance = AnswerSettings(**read_manifest(ADAPTER, "adapter").meta["answers"]).refusal_chance()
        sides["reader"] = (AdapterRef("reader", ADAPTER, BASE), chance)
    await engine.start()
    results: dict[str, dict[str, Scores]] = {name: {} for name in sets}
    for side, (adapter, chance) in sides.items():
        for name, asked in sets.items():
            requests = [
                GenerationRequest(
                    build_messages(one.question, [_passage(one.passage)], title=""),
                    adapter,
                    max_new_tokens=ANSWER_TOKENS,
                    reserved=unless_sure(chance),
                )
                for one in asked
            ]
            results[name][side] = scores(asked, await engine.answer_all(requests))
    await engine.stop()
    return results


def scores(asked: list[Asked], answers: list[str]) -> Scores:
    """Return each metric's mean and its 95 % bootstrap interval."""
    rows = []
    for one, answer in zip(asked, answers, strict=True):
        refused = refuses(answer, ())
        said = "" if refused else re.sub(r"\s?\[\d+\]", "", answer)
        if one.reference:
            row = {"token_f1": token_f1(said, one.reference), "rouge_l": rouge_l(said, one.reference)}
            rows.append(row | {"holds_it": float(holds(said, [one.reference])), "wrongly_refused": float(refused)})
        else:
            rows.append({"refused": float(refused)})
    metrics = {}
    for name in ("token_f1", "holds_it", "rouge_l", "refused", "wrongly_refused"):
        values = [row[name] for row in rows if name in row]
        low, high = interval(np.array(values), [str(number) for number in range(len(values))])
        metrics[name] = (mean(values), low, high)
    return metrics


def grounded(data: Path, rows: int) -> list[Asked]:
    """Return as many answerable and unanswerable questions of ``grounded_qa``."""
    with gzip.open(data / "grounded_qa" / "dev.jsonl.gz", "rt", encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    asked = [Asked(row["question"], row["passage"], row["answer"]) for row in found]
    return [one for one in asked if one.reference][:rows] + [one for one in asked if not one.reference][:rows]


def clapnq(data: Path, rows: int) -> list[Asked]:
    """Return as many answerable and unanswerable questions of ClapNQ."""
    asked = []
    for kind in ("answerable", "unanswerable"):
        path = data / "clapnq_dev" / f"clapnq_dev_{kind}.jsonl"
        for line in path.read_text(encoding="utf-8").strip().split("\n")[:rows]:
            row = json.loads(line)
            answer = row["output"][0]["answer"] if kind == "answerable" else ""
            asked.append(Asked(row["input"], row["passages"][0]["text"][:LONGEST], answer))
    return asked


def _passage(text: str) -> Passage:
    return Passage("p", "d", "", "", text, 1.0, "", "")


if __name__ == "__main__":
    main()
