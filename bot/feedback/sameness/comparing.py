"""Compares a question with others: whether they ask the same, and how sure that is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.feedback.sameness.alignment import align
from bot.feedback.sameness.differences import DECISIVE, Difference, differences
from bot.feedback.sameness.features import EVIDENT, NAMES, evident, features
from bot.feedback.sameness.reading import read
from bot.feedback.sameness.spelling import corrected, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from bot.domain.ports import TokenVectors
    from bot.feedback.sameness.reading import Reading

WEIGHTS = Path(__file__).with_name("weights.json")
MOST_TERMS = 60
"""Longer questions are the same only word for word: comparing them takes time that grows with the square."""

EVIDENT_PROBABILITY = 0.95
"""How sure it is that questions ask the same if nothing in them differs: all of 853 such pairs in the half to tune on
did."""

FARTHEST = 4.0
"""How many standard deviations from its mean a feature may count."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Small neural networks over the features, whose probabilities are averaged. Made by ``recipes/sameness``.

    :param embedder: the name of the embedder whose token vectors they know.
    :param hidden: shape (networks, features, units); ``bias`` has shape (networks, units).
    :param output: shape (networks, units); ``constant`` has shape (networks,).
    """

    embedder: str
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    hidden: NDArray[np.float64]
    bias: NDArray[np.float64]
    output: NDArray[np.float64]
    constant: NDArray[np.float64]

    def probability(self, found: NDArray[np.float64]) -> float:
        """Return the probability that two questions with these features ask the same: high if that is evident."""
        inputs = np.clip((found - self.mean) / self.scale, -FARTHEST, FARTHEST)
        units = np.tanh(inputs @ self.hidden + self.bias)
        probability = float((1 / (1 + np.exp(-((units * self.output).sum(axis=1) + self.constant)))).mean())
        return max(probability, EVIDENT_PROBABILITY) if evident(found) else probability


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much a question is like another.

    :param probability: the estimated probability that they ask the same, as far as they don't exclude each other.
    :param differences: what the rules see.
    :param cosine: of the two questions' vectors.
    :param weighed: whether the probability takes into account the differences that only say more.
    """

    probability: float
    differences: tuple[Difference, ...] = ()
    cosine: float = 0.0
    weighed: bool = False

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
        """The probability that they ask the same: 0 if the rules see a difference that decides."""
        if any(not self.weighed or each.contradicts or each.kind in DECISIVE for each in self.differences):
            return 0.0
        return self.probability


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
        pairs = spelt_pairs([(question, other) for other in others], self._embed_tokens)
        return tuple(_compare(*pair, cosine) for pair, cosine in zip(pairs, cosines, strict=True))


@cache
def load_weights() -> Weights:
    """Return the weights that Mentee brings."""
    return weights_from(json.loads(WEIGHTS.read_text(encoding="utf-8")))


def weights_from(stored: Mapping[str, Any]) -> Weights:
    """Return weights as they are stored.

    :raises ValueError: they are of other features.
    """
    if tuple(stored["features"]) != NAMES:
        raise ValueError("The weights are of other features. Make them again with `python -m recipes.sameness`.")
    parts = ("mean", "scale", "hidden", "bias", "output", "constant")
    return Weights(stored["embedder"], *(np.array(stored[part], dtype=np.float64) for part in parts))


def spelt_pairs(
    pairs: Sequence[tuple[str, str]], embed_tokens: Callable[[Sequence[str]], Sequence[TokenVectors] | None]
) -> list[tuple[Spelt, Spelt]]:
    """Return each pair of questions with misspelt words corrected, read, and with token vectors, if there are any."""
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    known = _spelt(texts, embed_tokens)
    found = []
    for pair in pairs:
        one, other = (known[text] for text in pair)
        found.append((_correct(one, other), _correct(other, one)))
    fresh = _spelt(list(dict.fromkeys(text for pair in found for text in pair if text not in known)), embed_tokens)
    spelt = known | fresh
    return [(spelt[first], spelt[second]) for first, second in found]


def describe(pair: tuple[Spelt, Spelt], cosine: float) -> tuple[NDArray[np.float64], tuple[Difference, ...]]:
    """Return the features of two questions with token vectors, and the differences that the rules see."""
    (first, left), (second, right) = ((each.reading, each.tokens) for each in pair)
    if left is None or right is None:
        raise ValueError("Only questions with token vectors have features.")
    alignment = align(first, second)
    seen = differences(first, second, alignment)
    return features((first, second), alignment, seen, max(cosine, _cosine(left, right)), (left, right)), seen


@dataclass(frozen=True, slots=True)
class Spelt:
    """A question, read, with its token vectors if the embedder has any."""

    question: str
    reading: Reading
    tokens: TokenVectors | None


def _spelt(
    texts: Sequence[str], embed_tokens: Callable[[Sequence[str]], Sequence[TokenVectors] | None]
) -> dict[str, Spelt]:
    readings = [read(text) for text in texts]
    found = embed_tokens([reading.text for reading in readings]) if texts else None
    tokens: Sequence[TokenVectors | None] = found or [None] * len(texts)
    return {t: Spelt(t, reading, each) for t, reading, each in zip(texts, readings, tokens, strict=True)}


def _correct(one: Spelt, other: Spelt) -> str:
    """Return a question with its misspelt words corrected, by the other question first."""
    if one.tokens is None or len(one.reading.terms) > MOST_TERMS:
        return one.question
    misspelt = unknown(one.reading.text, one.tokens)
    return corrected(one.question, misspelt, other.reading.plain.split()) if misspelt else one.question


def _compare(first: Spelt, second: Spelt, cosine: float) -> Likeness:
    readings = (first.reading, second.reading)
    if readings[0].plain == readings[1].plain and readings[0].plain:
        return Likeness(1.0, (), 1.0)
    if not all(0 < len(reading.terms) <= MOST_TERMS for reading in readings):
        return Likeness(0.0)
    english = all(reading.english for reading in readings)
    if not english or first.tokens is None or second.tokens is None:
        alignment = align(*readings)
        seen = differences(*readings, alignment)
        if alignment.left or alignment.right or not english:  # the cosine alone can't tell what matters
            seen += (Difference("replaced", contradicts=False),)
        return Likeness(max(cosine, EVIDENT_PROBABILITY) if cosine >= EVIDENT and not seen else cosine, seen, cosine)
    found, seen = describe((first, second), cosine)
    return Likeness(load_weights().probability(found), seen, cosine, weighed=True)


def _cosine(first: TokenVectors, second: TokenVectors) -> float:
    """Return the cosine of the sums of two questions' token vectors."""
    sums = first.vectors.sum(axis=0), second.vectors.sum(axis=0)
    return float(sums[0] @ sums[1] / max(float(np.linalg.norm(sums[0]) * np.linalg.norm(sums[1])), 1e-9))
