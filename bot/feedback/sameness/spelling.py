"""Corrects words of a question that are probably misspelt, by those of another question and of the word lists."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from bot.feedback.sameness.lexicon import lexicon

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bot.domain.ports import TokenVectors

WORD = re.compile(r"\b[^\W\d_]{4,40}\b")
SHORTEST = 4
LONG = 8
"""Words of so many letters may have two typos; shorter ones have one."""

MOST = 2


def unknown(text: str, tokens: TokenVectors) -> frozenset[str]:
    """Return the words in lower case that neither the lists nor the embedder's vocabulary have."""
    whole = set(tokens.spans)
    words = (match for match in WORD.finditer(text) if match.span() not in whole)
    return frozenset(match.group().casefold() for match in words) - lexicon().words


def corrected(text: str, misspelt: Collection[str], known: Iterable[str]) -> str:
    """Return the text with its misspelt words corrected, if just one known word is near enough.

    :param misspelt: in lower case.
    :param known: words of the question to compare with; they go before those of the lists.
    """
    if not misspelt:
        return text
    nearby = frozenset(known)

    def correct(match: re.Match[str]) -> str:
        word, written = match.group().casefold(), match.group()
        if word not in misspelt or (match.start() and written[0].isupper()):
            return written  # in capitals, it may be a name
        return _nearest(word, nearby) or _listed(word) or written

    return WORD.sub(correct, text)


def edits(first: str, second: str) -> int:
    """Return the optimal string alignment distance: insertions, deletions, replacements, and swaps of neighbours."""
    above: list[int] = []
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        above, row, before = row, [i], above
        for j, b in enumerate(second, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a != b)))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                row[j] = min(row[j], before[j - 2] + 1)
    return row[-1]


@cache
def _by_start() -> dict[str, frozenset[str]]:
    words = lexicon().words
    return {start: frozenset(word for word in words if word[0] == start) for start in {word[0] for word in words}}


def _listed(word: str) -> str | None:
    return _nearest(word, _by_start().get(word[0], frozenset()))


def _nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the one word that starts alike and has the fewest edits."""
    if word in words:
        return word
    found = sorted((edits(word, each), each) for each in words if _may_be(word, each))
    near = [(distance, each) for distance, each in found if distance <= 1 + _may_have_two(word, each)]
    return near[0][1] if near and (len(near) == 1 or near[0][0] < near[1][0]) else None


def _may_be(word: str, other: str) -> bool:
    return other[0] == word[0] and len(other) >= SHORTEST and abs(len(other) - len(word)) <= MOST


def _may_have_two(word: str, other: str) -> bool:
    """Return whether both are long and start and end alike: "onboarding" isn't "offboarding"."""
    return min(len(word), len(other)) >= LONG and word[:2] == other[:2] and word[-1] == other[-1]
