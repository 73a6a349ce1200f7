"""Finds bursts: one person's many votes in a short time, and accounts that vote in lockstep.

Accounts are alike if they gave the same votes on at least half of the answers that either voted on, and on at least
:data:`SHARED`, within the same short time. Groups that act on the same things at the same time are how campaigns of
fake accounts are found at scale (CopyCatch, Beutel et al., WWW 2013; SynchroTrap, Cao et al., CCS 2014).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime, timedelta

SHARED = 3
OVERLAP = 0.5

Act = tuple[str, str, "datetime"]
"""Person, what they said of which answer, and when."""


def in_burst(times: Sequence[datetime], most: int, length: timedelta) -> set[datetime]:
    """Return the times that are among more than ``most`` within one burst."""
    ordered = sorted(times)
    found: set[datetime] = set()
    done = 0
    for first, last in enumerate(range(most, len(ordered))):
        if ordered[last] - ordered[first] <= length:
            found.update(ordered[max(first, done) : last + 1])
            done = last + 1
    return found


def alike(acts: Iterable[Act], accounts: int, length: timedelta) -> set[str]:
    """Return the people of groups of at least so many accounts that vote in lockstep."""
    times: dict[str, dict[str, datetime]] = defaultdict(dict)
    for person, said, at in sorted(acts, key=lambda act: act[2], reverse=True):
        times[said][person] = at
    totals = Counter(person for voters in times.values() for person in voters)
    shared: Counter[tuple[str, str]] = Counter()
    for voters in times.values():
        ordered = sorted(voters.items(), key=lambda voter: (voter[1], voter[0]))
        for number, (one, at) in enumerate(ordered):
            for other, later in ordered[number + 1 :]:
                if later - at > length:
                    break
                shared[min(one, other), max(one, other)] += 1
    friends: dict[str, set[str]] = defaultdict(set)
    for (one, other), both in shared.items():
        if both >= SHARED and both >= OVERLAP * (totals[one] + totals[other] - both):
            friends[one].add(other)
            friends[other].add(one)
    return {person for group in _groups(friends) if len(group) >= accounts for person in group}


def _groups(friends: dict[str, set[str]]) -> Iterable[set[str]]:
    left = set(friends)
    while left:
        group, next_ones = set[str](), {left.pop()}
        while next_ones:
            group |= next_ones
            next_ones = {friend for person in next_ones for friend in friends[person]} - group
        left -= group
        yield group
