"""Clusters of questions that ask nearly the same: the unit in which a department's rows are split.

Two questions are near when their character shingles overlap (Jaccard, :data:`NEAR` or more) after case, numbers,
placeholders and punctuation are made equal; clusters are the connected groups. The comparison is exact, with no random
part: candidates come from an index over each text's rarest shingles, which misses no pair (prefix filtering, Chaudhuri,
Ganti and Kaushik, ICDE 2006).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

NEAR = 0.6
SHINGLE = 4

_PLACEHOLDERS = re.compile(r"\{\{[^{}]*\}\}|<[A-Z_]+>|\S*\d\S*")
_OTHER = re.compile(r"[^\w#]+")


def normalise(text: str) -> str:
    """Return the text in lower case, with placeholders and words holding digits as ``#`` and without punctuation."""
    return _OTHER.sub(" ", _PLACEHOLDERS.sub(" # ", text).lower()).strip()


def shingles(text: str) -> frozenset[str]:
    """Return the character shingles of a normalised text; a text shorter than one is its own."""
    padded = f" {text} "
    return frozenset(padded[i : i + SHINGLE] for i in range(max(1, len(padded) - SHINGLE + 1)))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of shingles that both have among those that either has."""
    both = len(one & other)
    return both / (len(one) + len(other) - both)


def cluster(texts: Iterable[str], *, near: float = NEAR) -> dict[str, str]:
    """Return each text's cluster, named after a hash of its members; the order of the texts does not matter."""
    normal = {text: normalise(text) for text in texts}
    unique = sorted(set(normal.values()))
    parents = list(range(len(unique)))
    for one, other in _near_pairs([shingles(text) for text in unique], near):
        parents[_root(parents, one)] = _root(parents, other)
    groups: dict[int, list[str]] = defaultdict(list)
    for number, text in enumerate(unique):
        groups[_root(parents, number)].append(text)
    names = {text: _name(members) for members in groups.values() for text in members}
    return {text: names[normal[text]] for text in normal}


def _near_pairs(sets: Sequence[frozenset[str]], near: float) -> Iterator[tuple[int, int]]:
    counts = Counter(shingle for shingles_ in sets for shingle in shingles_)
    index: Mapping[str, list[int]] = defaultdict(list)
    for number, own in enumerate(sets):
        rarest = sorted(own, key=lambda shingle: (counts[shingle], shingle))
        # Two sets this near share at least one of their len - ceil(near * len) + 1 rarest shingles.
        prefix = rarest[: len(own) - math.ceil(near * len(own)) + 1]
        candidates = {other for shingle in prefix for other in index[shingle]}
        for other in sorted(candidates):
            if jaccard(own, sets[other]) >= near:
                yield number, other
        for shingle in prefix:
            index[shingle].append(number)


def _root(parents: list[int], number: int) -> int:
    while parents[number] != number:
        parents[number] = parents[parents[number]]
        number = parents[number]
    return number


def _name(members: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(members).encode()).hexdigest()[:16]
