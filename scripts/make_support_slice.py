"""Cut the files of ``examples/support`` from Bitext's customer-support data: votes and corrections as people give them.

``votes.jsonl`` is what ``make loop`` learns from. ``history.jsonl`` says when the same questions were asked and what
became of them; ``mentee init --demo`` records it.

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
DAYS = 42
NOT_FOUND = "I found nothing about this in the documents of Support."

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
    write("votes.jsonl", [{**row, "department": "support"} for row in rows])
    write("history.jsonl", history(rows))
    shutil.copyfile(source / "LICENSE.txt", TARGET / "LICENSE.txt")
    print(f"{len(rows)} rows on {sum(map(len, by_intent.values()))} questions of {len(by_intent)} intents")


def write(name: str, rows: list[Row]) -> None:
    """Write rows as JSON lines."""
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    (TARGET / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


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


def history(rows: list[Row]) -> list[Row]:
    """Return six weeks in which these questions were asked: each week a few more than in the one before."""
    rng = random.Random(1)  # noqa: S311 - an example, made the same each time
    asked: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        asked[row["question"]].append(row)
    days = range(DAYS)
    weights = [1.0 + (DAYS - day) / DAYS for day in days]
    found = [event(given, rng, number) for number, given in enumerate(asked.values())]
    for row, day in zip(found, sorted(rng.choices(days, weights, k=len(found)), reverse=True), strict=True):
        row["hours_ago"] = round(24 * day + rng.uniform(1, 9), 2)
    return found


def event(rows: list[Row], rng: random.Random, number: int) -> Row:
    """Return what became of a question. People turn to a person, propose a correction, or don't say anything."""
    first = rows[0]
    correction = first.get("correction")
    found: Row = {"question": first["question"], "answer": first["answer"], "asker": rng.choice(EMPLOYEES), "votes": []}
    fate = number % 10
    if correction is None:
        found["votes"] = [{key: row[key] for key in ("user", "vote", "reason") if key in row} for row in rows]
        found["asker"] = rows[0]["user"]
        if fate in (3, 7) and first["vote"] == "up":
            found["votes"] = []
        return found
    if fate < 2:  # noqa: PLR2004 - a fifth of what was wrong went to a person
        reply = correction if number % 4 else ""
        found |= {"answer": NOT_FOUND, "known": False, "person": {"by": first["user"], "reply": reply}}
    elif fate < 5:  # noqa: PLR2004 - a third was corrected by who asked
        found |= {"correction": correction, "corrected_by": found["asker"], "role": "employee"}
    elif fate < 6:  # noqa: PLR2004
        found |= {"answer": NOT_FOUND, "known": False}
    else:
        found |= {"correction": correction, "corrected_by": first["user"], "role": "agent"}
        found["votes"] = [{"user": found["asker"], "vote": "down", "reason": "wrong"}]
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
