"""Pairs the terms of two questions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.feedback.sameness.lexicon import lexicon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.feedback.sameness.reading import Reading, Term


@dataclass(frozen=True, slots=True)
class Alignment:
    """Which terms of two questions mean the same by the word lists, and which are left on each side."""

    pairs: tuple[tuple[Term, Term], ...]
    left: tuple[Term, ...]
    right: tuple[Term, ...]


def align(first: Reading, second: Reading) -> Alignment:
    """Pair each term with one that means the same: the same stem first, then the word lists and initials."""
    left, right = list(first.terms), list(second.terms)
    pairs: list[tuple[Term, Term]] = []
    for same in (_same_stem, _same_sense, _initials):
        for term in tuple(left):
            for other in right:
                if same(term, other):
                    pairs.append((term, other))
                    left.remove(term)
                    right.remove(other)
                    break
    left = [term for term in left if not _repeated(term, first, left)]
    right = [term for term in right if not _repeated(term, second, right)]
    return Alignment(tuple(pairs), tuple(left), tuple(right))


def opposites(first: Sequence[Term], second: Sequence[Term]) -> list[tuple[Term, Term]]:
    """Return the pairs of terms that exclude each other by the word lists."""
    return [(term, other) for term in first for other in second if _opposite(term, other)]


def undoes(terms: Sequence[Term]) -> bool:
    """Return whether one of the terms says that something is undone or ends, such as "give back"."""
    return any(tuple(term.stem.split()) in lexicon().undoing for term in terms)


def _same_stem(a: Term, b: Term) -> bool:
    return a.stem == b.stem or re.sub(r"[\s-]", "", a.text) == re.sub(r"[\s-]", "", b.text)


def _same_sense(a: Term, b: Term) -> bool:
    return not a.senses.isdisjoint(b.senses)


def _initials(a: Term, b: Term) -> bool:
    return _abbreviates(a.text, b.text) or _abbreviates(b.text, a.text)


def _abbreviates(short: str, full: str) -> bool:
    words = re.split(r"[\s-]+", full)
    return len(words) > 1 and len(short) == len(words) and all(w[:1] == c for w, c in zip(words, short, strict=True))


def _opposite(a: Term, b: Term) -> bool:
    lines = dict(a.senses)
    return a.senses.isdisjoint(b.senses) and any(lines.get(line, side) != side for line, side in b.senses)


def _repeated(term: Term, reading: Reading, left: Sequence[Term]) -> bool:
    """Return whether the question says the term twice, and the other time has its pair."""
    return any(other is not term and other.stem == term.stem and other not in left for other in reading.terms)
