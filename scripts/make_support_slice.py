"""Cut ``examples/support/votes.jsonl`` from Bitext's customer-support data: votes and corrections as people give.

Run as: ``.venv/bin/python scripts/make_support_slice.py SOURCE_FOLDER``, where the folder holds ``support_qa.csv`` and
``LICENSE.txt`` (CDLA-Sharing-1.0, which goes along with the rows). Nothing is held out here: a round sets its held-out
questions aside by near-duplicate cluster.
"""

from __future__ import annotations

import csv
import json
import random
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "examples" / "support"
LONGEST_WORDS = 60
PER_INTENT = 13
FEWEST = 5
CORRECTED = 0.4
AGENTS = ("agent-kim", "agent-lou")
EMPLOYEES = [f"employee-{n:02d}" for n in range(1, 31)]

Row = dict[str, Any]


def main(source: Path) -> None:
    """Write the slice and its licence."""
    rng = random.Random(0)  # noqa: S311 - an example, made the same each time
    by_intent = read(source / "support_qa.csv", rng)
    rows = [
        row for intent in sorted(by_intent) for qa in by_intent[intent] for row in votes(qa, intent, by_intent, rng)
    ]
    rng.shuffle(rows)
    TARGET.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({**row, "department": "support"}, ensure_ascii=False) for row in rows)
    (TARGET / "votes.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    shutil.copyfile(source / "LICENSE.txt", TARGET / "LICENSE.txt")
    print(f"{len(rows)} rows on {sum(map(len, by_intent.values()))} questions of {len(by_intent)} intents")


def read(path: Path, rng: random.Random) -> dict[str, list[tuple[str, str]]]:
    """Return (question, answer) pairs by intent: short answers, equally many of each intent."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if len(row["response"].split()) <= LONGEST_WORDS:
                found[row["intent"]].append((row["instruction"], row["response"]))
    kept = {intent: pairs for intent, pairs in sorted(found.items()) if len(pairs) >= FEWEST}
    return {intent: rng.sample(pairs, min(PER_INTENT, len(pairs))) for intent, pairs in kept.items()}


def votes(
    qa: tuple[str, str], intent: str, by_intent: dict[str, list[tuple[str, str]]], rng: random.Random
) -> list[Row]:
    """Return what people did about one question.

    Half of the questions were answered wrongly and corrected by an agent; of the others, most were answered rightly and
    got two thumbs up, the rest wrongly and got two thumbs down.
    """
    question, right = qa
    other = rng.choice([name for name in by_intent if name != intent])
    wrong = rng.choice(by_intent[other])[1]
    if rng.random() < CORRECTED:
        agent = rng.choice(AGENTS)
        return [
            {"question": question, "answer": wrong, "vote": "down", "correction": right, "user": agent, "role": "agent"}
        ]
    answer, vote = (right, "up") if rng.random() < 0.75 else (wrong, "down")  # noqa: PLR2004
    reason = {} if vote == "up" else {"reason": "wrong"}
    voters = rng.sample(EMPLOYEES, 2)
    return [{"question": question, "answer": answer, "vote": vote, **reason, "user": user} for user in voters]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
