"""Decides which questions are held out, and limits everybody's share of a round."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from tuning.data.aggregate import Rating

MOST_HELD_OUT = 200
"""Most held-out questions. More take longer and show little more: a paired test on 200 detects 8 points."""

LARGEST_PART = 10
"""No cluster is more than one part in so many of the held-out questions, as long as there are others."""


def within_shares(rows: Sequence[Rating], *, person: float, agent: float) -> list[Rating]:
    """Return what is left of the rows if nobody may be behind more than their share of them.

    Whoever has used up their share counts for no further row: a row that others stand behind stays, with less weight,
    and a row of theirs alone is left out. A hash decides which rows come first, so nobody can choose. The share refers
    to the rows that are left, so the limits are lowered until the number of rows no longer changes.

    :param person: the share of an employee.
    :param agent: the share of an agent or operator.
    """
    order = sorted(range(len(rows)), key=lambda at: _hash(rows[at].question, rows[at].completion, rows[at].kind))
    people = {name for row in rows for name in row.strengths}
    agents = {name for row in rows for name, strength in row.strengths.items() if strength > 1}
    room = len(rows)
    while True:
        limits = dict.fromkeys(people, max(1, int(person * room))) | dict.fromkeys(agents, max(1, int(agent * room)))
        kept = _with_room(rows, order, limits)
        if len(kept) >= room:
            return [kept[at] for at in sorted(kept)]
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

    Clusters are taken in the order of their hash. A cluster larger than a tenth of the held-out questions is skipped:
    it would decide the comparison alone, and is more useful for training. If too few fit, the smallest of the others
    are taken. At most half of the questions are held out.

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


def _with_room(rows: Sequence[Rating], order: Iterable[int], limits: Mapping[str, int]) -> dict[int, Rating]:
    used: Counter[str] = Counter()
    kept = {}
    for at in order:
        row = rows[at].of(name for name in rows[at].strengths if used[name] < limits[name])
        if row is not None:
            used.update(row.strengths.keys())
            kept[at] = row
    return kept


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
