"""Fits the classifier of :mod:`bot.feedback.sameness`, and counts how right it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.feedback.sameness.comparing import describe
from bot.feedback.sameness.features import NAMES
from bot.feedback.sameness.reading import read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from recipes.sameness.pairs import Pair
    from retrieval.embed import SentenceEmbedder

FOLDS = 8
RIDGE = 1.0
"""The regularization: chosen by cross-validation on the half to tune on."""
STEPS = 25


@dataclass(frozen=True, slots=True)
class Described:
    """Pairs as the classifier sees them.

    :param plain: whether the rules see no difference.
    """

    pairs: tuple[Pair, ...]
    features: NDArray[np.float64]
    same: NDArray[np.bool_]
    plain: NDArray[np.bool_]


def described(pairs: Sequence[Pair], embedder: SentenceEmbedder) -> Described:
    """Return the features of pairs."""
    readings = {text: read(text) for pair in pairs for text in (pair.first, pair.second)}
    texts = list(readings)
    vectors = dict(zip(texts, embedder.encode(texts), strict=True))
    tokens = dict(zip(texts, embedder.encode_tokens([readings[text].text for text in texts]), strict=True))
    rows, plain = [], []
    for pair in pairs:
        cosine = float(vectors[pair.first] @ vectors[pair.second])
        both = (readings[pair.first], readings[pair.second])
        found, seen = describe(both, cosine, (tokens[pair.first], tokens[pair.second]))
        rows.append(found)
        plain.append(not seen)
    same = np.array([pair.same for pair in pairs])
    return Described(tuple(pairs), np.array(rows), same, np.array(plain))


def fit(data: Described) -> dict[str, Any]:
    """Return the weights, as they are stored, from the pairs in which the rules see no difference."""
    rows, same = data.features[data.plain], data.same[data.plain]
    mean, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-3)
    found = logistic((rows - mean) / scale, same)
    columns = zip(NAMES, mean, scale, found[:-1], strict=True)
    parts = {
        name: {"mean": round(float(m), 5), "scale": round(float(s), 5), "coefficient": round(float(c), 5)}
        for name, m, s, c in columns
    }
    return {"features": parts, "intercept": round(float(found[-1]), 5)}


def logistic(rows: NDArray[np.float64], same: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the coefficients and the intercept of a ridge logistic regression, by Newton's method."""
    rows = np.column_stack([rows, np.ones(len(rows))])
    ridge = np.diag([*[RIDGE] * (rows.shape[1] - 1), 0.0])
    found = np.zeros(rows.shape[1])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-rows @ found))
        gradient = rows.T @ (chance - same) + ridge @ found
        found -= np.linalg.solve((rows.T * (chance * (1 - chance))) @ rows + ridge, gradient)
    return found


def cross_validated(data: Described) -> NDArray[np.float64]:
    """Return the probability of each pair by weights fitted without its intent; 0 if the rules see a difference."""
    found = np.zeros(len(data.pairs))
    rows = np.flatnonzero(data.plain)
    intents = {intent: number for number, intent in enumerate(sorted({pair.intent for pair in data.pairs}))}
    folds = np.array([intents[data.pairs[row].intent] % FOLDS for row in rows])
    for fold in range(FOLDS):
        part, left = rows[folds != fold], rows[folds == fold]
        others = tuple(data.pairs[row] for row in part)
        weights = fit(Described(others, data.features[part], data.same[part], data.plain[part]))
        found[left] = probabilities(weights, data.features[left])
    return found


def probabilities(weights: dict[str, Any], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the probability of each row of features."""
    mean, scale, coefficients = (
        np.array([weights["features"][name][part] for name in NAMES]) for part in ("mean", "scale", "coefficient")
    )
    return np.asarray(1 / (1 + np.exp(-((rows - mean) / scale @ coefficients + weights["intercept"]))))


def wilson(hits: int, number: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share (Wilson 1927)."""
    if not number:
        return 0.0, 1.0
    share, spread = hits / number, z * z / number
    half = z * np.sqrt(share * (1 - share) / number + spread / (4 * number))
    return float((share + spread / 2 - half) / (1 + spread)), float((share + spread / 2 + half) / (1 + spread))
