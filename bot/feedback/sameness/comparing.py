"""Compares a question with others: whether they ask the same, and how sure that is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bot.feedback.sameness.alignment import align, edits
from bot.feedback.sameness.differences import Difference, differences
from bot.feedback.sameness.features import NAMES, features
from bot.feedback.sameness.reading import read

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bot.domain.ports import TokenVectors
    from bot.feedback.sameness.reading import Reading

WEIGHTS = Path(__file__).with_name("weights.json")
MOST_TERMS = 60
"""Longer questions are the same only word for word: comparing them takes time that grows with the square."""

LONGEST_WORD = 40
LONGEST_TYPO = (3, 7)
"""Words of up to so many letters have no typos, and of up to so many one; longer ones may have two."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression over the features, made by ``recipes/sameness``.

    :param embedder: the name of the embedder whose token vectors it knows.
    """

    embedder: str
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    intercept: float

    def probability(self, found: NDArray[np.float64]) -> float:
        """Return the probability that two questions with these features ask the same."""
        return float(1 / (1 + np.exp(-(self.coefficients @ ((found - self.mean) / self.scale) + self.intercept))))


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much a question is like another.

    :param probability: the estimated probability that they ask the same, as far as the rules see no difference.
    :param differences: what the rules see. A question with any isn't the same.
    :param cosine: of the two questions' vectors.
    """

    probability: float
    differences: tuple[Difference, ...] = ()
    cosine: float = 0.0

    @property
    def excluded(self) -> bool:
        """Whether they exclude each other, such as "enable" and "disable"."""
        return any(difference.contradicts for difference in self.differences)

    @property
    def similarity(self) -> float:
        """How similar they are where they may differ: 0 if they exclude each other."""
        return 0.0 if self.excluded else min(self.probability, self.cosine)

    @property
    def certain(self) -> float:
        """The probability that they ask the same: 0 if the rules see a difference."""
        return 0.0 if self.differences else self.probability


class Sameness:
    """Compares questions with the token vectors of the embedder that the weights know, else by rules and cosine.

    :param embed_tokens: returns the tokens of texts, or ``None`` if the embedder in use is another.
    """

    def __init__(self, embed_tokens: Callable[[Sequence[str]], Sequence[TokenVectors] | None]) -> None:
        self._embed_tokens = embed_tokens

    def compare(self, question: str, others: Sequence[str], cosines: Sequence[float]) -> tuple[Likeness, ...]:
        """Compare a question with each of the others. Blocking.

        :param cosines: of the vectors of the question and each of the others.
        """
        asked, known = read(question), [read(other) for other in others]
        texts = [asked.text, *(reading.text for reading in known)]
        tokens: Sequence[TokenVectors | None] = (self._embed_tokens(texts) if others else None) or [None] * len(texts)
        return tuple(
            _compare((asked, reading), cosine, (tokens[0], vectors))
            for reading, cosine, vectors in zip(known, cosines, tokens[1:], strict=True)
        )


@cache
def load_weights() -> Weights:
    """Return the weights that Mentee brings."""
    stored = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    parts = ("mean", "scale", "coefficient")
    mean, scale, coefficients = (np.array([stored["features"][name][part] for name in NAMES]) for part in parts)
    return Weights(stored["embedder"], mean, scale, coefficients, float(stored["intercept"]))


def describe(
    readings: tuple[Reading, Reading], cosine: float, tokens: tuple[TokenVectors, TokenVectors]
) -> tuple[NDArray[np.float64], tuple[Difference, ...]]:
    """Return the features of two questions and the differences that the rules see."""
    unknown = _unknown(readings[0], tokens[0]) | _unknown(readings[1], tokens[1])
    alignment = align(*readings, misspelt=lambda a, b: not unknown.isdisjoint((a, b)) and _one_misspelt(a, b))
    return features(readings, alignment, cosine, tokens), differences(*readings, alignment)


def _compare(
    readings: tuple[Reading, Reading], cosine: float, tokens: tuple[TokenVectors | None, TokenVectors | None]
) -> Likeness:
    if readings[0].plain == readings[1].plain and readings[0].plain:
        return Likeness(1.0, (), 1.0)
    if not all(0 < len(reading.terms) <= MOST_TERMS for reading in readings):
        return Likeness(0.0)
    if tokens[0] is None or tokens[1] is None:
        alignment = align(*readings, misspelt=lambda _a, _b: False)
        seen = differences(*readings, alignment)
        if alignment.left or alignment.right:  # the cosine alone can't tell whether they matter
            seen += (Difference("replaced", contradicts=False),)
        return Likeness(cosine, seen, cosine)
    found, seen = describe(readings, cosine, (tokens[0], tokens[1]))
    return Likeness(load_weights().probability(found), seen, cosine)


def _unknown(reading: Reading, tokens: TokenVectors) -> set[str]:
    """Return the words that neither the lists nor the embedder's vocabulary have: misspelt ones are among them."""
    whole = set(tokens.spans)
    words = (term for term in reading.terms if term.text.isalpha() and not (term.senses or term.member))
    return {term.text for term in words if not whole.issuperset(term.spans)}


def _one_misspelt(first: str, second: str) -> bool:
    shorter = min(len(first), len(second))
    if max(len(first), len(second)) > LONGEST_WORD or abs(len(first) - len(second)) > len(LONGEST_TYPO):
        return False
    return (
        (first + second).isalpha()
        and first[:1] == second[:1]
        and edits(first, second) <= sum(shorter > length for length in LONGEST_TYPO)
    )
