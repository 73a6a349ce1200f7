"""Finds the word of a vocabulary that somebody meant: the nearest by edit distance of those that share letter pairs.

Looking up the letter pairs costs as much as their lists are long, and only :data:`COMPARED` words are then compared
letter by letter, so that the cost stays bounded however many words a department uses.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

SHORTEST, SURE, LONG = 4, 6, 8
"""Letters of a word that may have one wrong letter, also its first, and two. A short word is as near to many others."""
LONGEST = 40
COMPARED = 40


class SimilarWords:
    """The words of a vocabulary by their letter pairs.

    :param vocabulary: words of which :func:`may_be_meant` is true.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._words = vocabulary
        self._sizes = np.array([len(word) + 1 for word in vocabulary], dtype=np.int32)
        found: dict[str, list[int]] = defaultdict(list)
        for number, word in enumerate(vocabulary):
            for pair in _pairs(word):
                found[pair].append(number)
        self._holding = {pair: np.array(numbers, dtype=np.int32) for pair, numbers in found.items()}

    def near(self, word: str, frequency: Callable[[str], int]) -> list[str]:
        """Return the words that a misspelled one may stand for, the likeliest first.

        :param frequency: returns how often a word occurs; one that doesn't is left out.
        """
        if not SHORTEST <= len(word) <= LONGEST or not word.isalpha():
            return []
        most = 2 if len(word) >= LONG else 1
        ranked: list[tuple[int, float, int, str]] = []
        for number, likeness in self._alike(word):
            other = self._words[number]
            distance = edit_distance(word, other, most)
            if distance > most or (len(word) < SURE and other[0] != word[0]):
                continue
            if count := frequency(other):
                ranked.append((distance, -likeness, -count, other))
        return [other for *_, other in sorted(ranked)]

    def _alike(self, word: str) -> list[tuple[int, float]]:
        """Return the words that share most letter pairs (Dice's coefficient), best first."""
        pairs = _pairs(word)
        lists: list[NDArray[np.int32]] = [self._holding[pair] for pair in pairs if pair in self._holding]
        if not lists:
            return []
        shared = np.bincount(np.concatenate(lists), minlength=len(self._words))
        numbers = np.flatnonzero(shared)
        likeness = 2 * shared[numbers] / (self._sizes[numbers] + len(word) + 1)
        order = np.argsort(-likeness, kind="stable")[:COMPARED]
        return [(int(numbers[place]), float(likeness[place])) for place in order]


def may_be_meant(word: str) -> bool:
    """Return whether a word may stand for a misspelled one: it has letters only, and neither few nor very many."""
    return SHORTEST - 1 <= len(word) <= LONGEST and word.isalpha()


def edit_distance(one: str, other: str, most: int) -> int:
    """Return how many letters must be inserted, left out, replaced or swapped; ``most + 1`` if more than ``most``.

    Source: optimal string alignment, the restricted Damerau-Levenshtein distance.
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, start=1):
        last, before, row = before, row, [place]
        for column, wanted in enumerate(other, start=1):
            cost = min(before[column] + 1, row[column - 1] + 1, before[column - 1] + (letter != wanted))
            swapped = place > 1 and column > 1 and letter == other[column - 2] and one[place - 2] == wanted
            row.append(min(cost, last[column - 2] + 1) if swapped else cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)


def _pairs(word: str) -> set[str]:
    marked = f"^{word}$"
    return {marked[start : start + 2] for start in range(len(marked) - 1)}
