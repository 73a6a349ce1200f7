"""Which questions are held out, and whose rows there is room for: the two rules that keep a round honest."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tuning.evidence import Evidence

MOST_HELD_OUT = 200
"""Held-out questions beyond which evaluation takes longer and hardly sees more (a paired test at 200 sees 8 points)."""

LARGEST_PART = 10
"""No cluster is more than one part in so many of the held-out questions, as long as there are others."""


def within_shares(rows: Sequence[Evidence], share: float) -> list[Evidence]:
    """Return the rows left when no employee may stand for more than ``share`` of them.

    A row needs one person with room: an agent or operator always has, an employee until the share is used up. Which of
    an employee's rows stay is decided by hash, so nobody can choose. The share is of what is left, so it is found by
    going down from all rows until the number no longer changes.
    """
    ordered = sorted(rows, key=lambda row: _hash(row.question, row.completion, row.kind))
    room = len(ordered)
    while True:
        kept = _with_room(ordered, max(1, int(share * room)))
        if len(kept) == room:
            chosen = set(map(id, kept))
            return [row for row in rows if id(row) in chosen]
        room = len(kept)


def choose_held_out(  # noqa: PLR0913 - the numbers of the rule
    questions: Mapping[str, str],
    answered: Collection[str],
    frozen: int,
    *,
    share: float,
    least: int,
    least_rows: int,
) -> set[str]:
    """Return the clusters to freeze as held out, whole ones only.

    Clusters come in the order of their hash. One that would be more than a tenth of the held-out questions is passed
    over: a large group of near-equal questions would decide the comparison alone, and is better trained on. If too few
    fit, the smallest of the others are taken. Never more than half of the questions go.

    :param questions: the cluster of each question that is not near a frozen one.
    :param answered: questions with a right answer to compare with.
    :param frozen: questions held out already; they count towards the share.
    :param share: share of all questions wanted.
    :param least: questions that a round needs at least, where :paramref:`least_rows` still stay for training.
    """
    sizes = Counter(questions.values())
    usable = sorted({questions[text] for text in answered}, key=_hash)
    total = len(questions) + frozen
    wanted = max(round(share * total), min(least, total - least_rows))
    target = min(min(wanted, MOST_HELD_OUT) - frozen, len(questions) // 2)
    chosen: set[str] = set()
    held = 0
    for name in usable:
        if sizes[name] <= max(2, target // LARGEST_PART) and held + sizes[name] <= target:
            chosen.add(name)
            held += sizes[name]
    for name in sorted(set(usable) - chosen, key=lambda name: (sizes[name], _hash(name))):
        if held < target and held + sizes[name] <= len(questions) // 2:
            chosen.add(name)
            held += sizes[name]
    return chosen


def _with_room(rows: Sequence[Evidence], limit: int) -> list[Evidence]:
    used: dict[str, int] = defaultdict(int)
    kept = []
    for row in rows:
        if not row.trusted:
            person = min(row.people, key=lambda person: (used[person], person))
            if used[person] >= limit:
                continue
            used[person] += 1
        kept.append(row)
    return kept


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
