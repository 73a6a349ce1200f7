"""Near-duplicates: merges ratings that say the same, and clusters questions that ask nearly the same.

Two texts are near when their character shingles overlap (Jaccard, :data:`NEAR` or more) after case, numbers,
placeholders and punctuation are made equal; clusters are the connected groups, and a department's rows are split by
them. The comparison is exact, with no random part: candidates come from an index over each text's rarest shingles,
which misses no pair (prefix filtering, Chaudhuri, Ganti and Kaushik, ICDE 2006).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import regex

from bot.language.words import UNSPACED, folded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bot.domain.questions import Turn
    from tuning.data.aggregate import Rating

NEAR = 0.6
SAME_ANSWER = 0.9
"""Overlap at which two answers to the same question count as one row."""
SHINGLE = 4

_PLACEHOLDERS = regex.compile(
    rf"\{{\{{[^{{}}]*\}}\}}|<[A-Z_]+>|[^\s\d{UNSPACED}]{{0,100}}+\d[^\s{UNSPACED}]*", regex.VERSION1
)
_OTHER = regex.compile(r"[^\w\p{M}#]+")


def normalise(text: str) -> str:
    """Return the text in lower case, with placeholders and words holding digits as ``#`` and without punctuation."""
    return str(_OTHER.sub(" ", folded(_PLACEHOLDERS.sub(" # ", text)))).strip()


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


def without_duplicates(rows: Iterable[Rating], dropped: Counter[str]) -> list[Rating]:
    """Merge rows that say the same, and drop answers rated both right and wrong.

    :param dropped: counts the removed rows, by reason.
    """
    groups: dict[tuple[str, tuple[Turn, ...]], list[Rating]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (-row.weight, row.question, row.completion, row.answer_id)):
        group = groups[normalise(row.question), row.history]
        same = next((i for i, other in enumerate(group) if _same(row, other)), None)
        if same is None:
            group.append(row)
        else:
            kept = group[same]
            strengths = {
                person: max(kept.strengths.get(person, 0), row.strengths.get(person, 0))
                for person in sorted({*kept.strengths, *row.strengths})
            }
            group[same] = replace(kept, strengths=strengths)
            dropped["duplicate"] += 1
    single = []
    for group in groups.values():
        right = {row.completion for row in group if row.kind != "down"}
        wrong = {row.completion for row in group if row.kind == "down"}
        dropped["called right and wrong"] += sum(row.completion in right & wrong for row in group)
        single += [row for row in group if row.completion not in right & wrong]
    return sorted(single, key=_order)


def _order(row: Rating) -> tuple[object, ...]:
    turns = tuple((turn.question, turn.answer) for turn in row.history)
    return row.question, turns, row.kind, row.completion


def _same(one: Rating, other: Rating) -> bool:
    if (one.kind == "down") != (other.kind == "down"):
        return False
    if one.completion == other.completion:
        return True
    return jaccard(shingles(normalise(one.completion)), shingles(normalise(other.completion))) >= SAME_ANSWER


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
