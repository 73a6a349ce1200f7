"""Compares two sides, or sums up one, by scores of the same questions, with confidence intervals.

Questions are resampled by near-duplicate cluster (Miller, arXiv 2411.00640), so ten wordings of one question don't
count as ten. No torch here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    Scores = Mapping[str, float | None]

RESAMPLES = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of one metric with its interval."""

    mean: float
    interval: tuple[float, float]
    n: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of champion and challenger: means over questions, and the paired difference with its interval."""

    champion: float
    challenger: float
    difference: float
    interval: tuple[float, float]
    n: int

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "interval": list(self.interval)}


def resampled_means(
    values: FloatArray, clusters: Sequence[str], *, seed: int = 0, resamples: int = RESAMPLES
) -> FloatArray:
    """Return bootstrap means of ``values`` when whole clusters are drawn with replacement.

    :param values: shape ``(n,)``.
    :returns: shape ``(resamples,)``.
    """
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    sums = np.bincount(index, weights=values)
    sizes = np.bincount(index).astype(np.float64)
    count = len(sizes)
    draws = np.random.default_rng(seed).integers(0, count, size=(resamples, count))
    means: FloatArray = sums[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    return means


def interval(
    values: FloatArray, clusters: Sequence[str], *, confidence: float = CONFIDENCE, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile bootstrap interval of the mean, clusters resampled, seeded, 10,000 resamples."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled_means(values, clusters, seed=seed), [tail, 1 - tail])
    return float(low), float(high)


def summarise(scores: Sequence[Scores], clusters: Sequence[str]) -> dict[str, Mean]:
    """Return the mean of each metric over the questions that have a value."""
    found: dict[str, Mean] = {}
    for metric in sorted({name for row in scores for name in row}):
        pairs = zip((row.get(metric) for row in scores), clusters, strict=True)
        kept = [(value, cluster) for value, cluster in pairs if value is not None]
        if kept:
            values = np.array([value for value, _ in kept], dtype=float)
            found[metric] = Mean(float(values.mean()), interval(values, [cluster for _, cluster in kept]), len(kept))
    return found


def compare(
    champion: Sequence[Scores],
    challenger: Sequence[Scores],
    clusters: Sequence[str],
    *,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Compare each metric over the questions where both sides have a value. Row ``i`` of each is the same question."""
    found: dict[str, Comparison] = {}
    for metric in sorted({name for row in (*champion, *challenger) for name in row}):
        pairs = [(a.get(metric), b.get(metric), c) for a, b, c in zip(champion, challenger, clusters, strict=True)]
        kept = [(a, b, c) for a, b, c in pairs if a is not None and b is not None]
        if not kept:
            continue
        old, new = np.array([a for a, _, _ in kept]), np.array([b for _, b, _ in kept])
        bounds = interval(new - old, [c for _, _, c in kept], confidence=confidence, seed=seed)
        found[metric] = Comparison(float(old.mean()), float(new.mean()), float((new - old).mean()), bounds, n=len(kept))
    return found
