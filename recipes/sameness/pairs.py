"""Pairs of questions that ask the same or don't, split by intent into a half to tune on and a half to test on."""

from __future__ import annotations

import csv
import json
import random
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Half = Literal["tune", "test"]

WRITTEN = Path(__file__).with_name("pairs.jsonl")
SLOTS = Path(__file__).with_name("slots.jsonl")
PER_SLOT = 16
"""Pairs of either kind from the wordings and values of one line."""

BITEXT = Path("bitext_support/support_qa.csv")
GROUPS: dict[str, tuple[Half, str]] = {
    "order": ("tune", "cancel_order change_order place_order track_order"),
    "address": ("tune", "set_up_shipping_address change_shipping_address"),
    "payment": ("tune", "check_payment_methods payment_issue registration_problems"),
    "account": ("test", "create_account delete_account edit_account switch_account"),
    "refund": ("test", "get_refund track_refund check_refund_policy"),
    "newsletter": ("test", "newsletter_subscription"),
    "password": ("test", "recover_password"),
}
"""Intents of the support questions that are near each other: a pair that differs is of one group."""

COMPLAINT = re.compile(r"problem|issue|error|troubl|question about|difficult|probl|valid|afford")
SAME = ("paraphrase", "typo")
PER_GROUP = 25
SEED = 7


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions.

    :param intent: what the first asks; all pairs of an intent are in one half.
    :param kind: in what they differ, or how the second words the first (``paraphrase``, ``typo``).
    :param source: ``hand``, ``handbook`` or ``bitext``.
    """

    first: str
    second: str
    kind: str
    intent: str
    half: Half
    source: str

    @property
    def same(self) -> bool:
        """Whether they ask the same."""
        return self.kind in SAME


def pairs(half: Half, data: Path | None = None) -> list[Pair]:
    """Return a half of the pairs.

    :param data: the folder of ``bitext_support``; without it, only those written by hand are returned.
    """
    found = [pair for pair in _written() if pair.half == half]
    if half == "tune":
        found += _filled()
    if data is not None:
        found += [pair for pair in _support(data / BITEXT) if pair.half == half]
    return found


def _written() -> Iterator[Pair]:
    for line in WRITTEN.read_text(encoding="utf-8").strip().split("\n"):
        row = json.loads(line)
        intent, same, source = row["intent"], row["same"], row["source"]
        half: Half = row["half"]
        for first, second in combinations(same, 2):
            yield Pair(first, second, "paraphrase", intent, half, source)
        for number, (kind, other) in enumerate(row["other"]):
            for turn in range(2 if half == "tune" else 1):
                yield Pair(same[(number + turn) % len(same)], other, kind, intent, half, source)
        yield Pair(same[0], misspelt(same[-1], intent), "typo", intent, half, source)


def _filled() -> Iterator[Pair]:
    """Yield pairs of questions with slots: filled with the same thing in other words, or with another thing."""
    for line in SLOTS.read_text(encoding="utf-8").strip().split("\n"):
        row = json.loads(line)
        intent, kind, wordings, values = row["intent"], row["kind"], row["wordings"], row["values"]
        chooser = random.Random(intent)  # noqa: S311 - an order, not a secret
        same: list[tuple[str, str]] = []
        other: list[tuple[str, str]] = []
        for one, another in product(wordings, repeat=2):
            for a, b in product(values, repeat=2):
                if kind != "direction":
                    (same if a is b else other).append((one.format(a[0]), another.format(b[-1])))
                elif a is b:
                    same.append((one.format(*a), another.format(*a)))
                    other.append((one.format(*a), another.format(*reversed(a))))
        kinds = ((same, "paraphrase"), (other, kind))
        for found, named in kinds:
            reworded = [pair for pair in found if pair[0] != pair[1]]
            for first, second in chooser.sample(reworded, min(PER_SLOT, len(reworded))):
                yield Pair(first, second, named, intent, "tune", "slots")


def misspelt(question: str, seed: str) -> str:
    """Return the question with two neighbouring letters of its longest word in lower case swapped."""
    word = max(re.findall(r"[a-z]{5,}", question) or [""], key=len)
    if not word:
        return question
    at = random.Random(seed).randrange(1, len(word) - 2)  # noqa: S311 - no secret
    return question.replace(word, word[:at] + word[at + 1] + word[at] + word[at + 2 :], 1)


def _support(path: Path) -> Iterator[Pair]:
    """Yield as many pairs that ask the same as pairs that don't, from the questions of a support desk."""
    chooser = random.Random(SEED)  # noqa: S311 - an order, not a secret
    questions = _by_intent(path)
    for group, (half, intents) in GROUPS.items():
        asked = {key: rows for key, rows in questions.items() if key[0] in intents.split()}
        keys = sorted(key for key, rows in asked.items() if len(rows) > 1)
        for _ in range(PER_GROUP):
            first, second = chooser.sample(asked[chooser.choice(keys)], 2)
            yield Pair(first, second, "paraphrase", group, half, "bitext")
        for _ in range(PER_GROUP):
            one, other = chooser.sample(keys, 2)
            first, second = chooser.choice(asked[one]), chooser.choice(asked[other])
            yield Pair(first, second, "opposite" if one[0] != other[0] else "named", group, half, "bitext")


def _by_intent(path: Path) -> dict[tuple[str, str], list[str]]:
    """Return the questions by intent and by what they are about, without complaints."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            question, intent = row["instruction"], row["intent"]
            if COMPLAINT.search(question.lower()) and intent not in ("payment_issue", "registration_problems"):
                continue
            found[intent, _about(intent, question.lower(), row["entity_value"])].add(question)
    return {key: sorted(questions) for key, questions in found.items()}


def _about(intent: str, question: str, value: str) -> str:
    if intent == "newsletter_subscription":
        return "out" if re.search(r"unsub|cancel|stop|withdraw|sign off|opt out", question) else "in"
    if intent == "recover_password":
        return next((word for word in ("pin", "key", "code") if word in question), "password")
    number = re.search(r"\d{2,}", question)
    return number.group() if number else value.strip().lower()
