"""The gate: may a challenger take the champion's place? Decided on paired scores of the same held-out questions.

Questions are resampled by near-duplicate cluster (Miller, arXiv 2411.00640), so that ten wordings of one question do
not count as ten. A challenger is promoted only when its gain on the primary metric is above zero by its own interval
and no guard is worse by more than its margin. Everything else keeps the champion. No torch here.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]
    Scores = Mapping[str, float | None]

VerdictName = Literal["better", "not_worse", "inconclusive", "worse", "refused"]

PRIMARY = "rouge_l"
RESAMPLES = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Guard:
    """A metric that may not get worse by more than ``margin`` (in the metric's own unit).

    :param higher_is_better: direction of the metric.
    :param means: what a break of it means, in words for operators.
    """

    metric: str
    margin: float
    means: str
    higher_is_better: bool = False


GUARDS = (
    Guard("empty", 0.02, "more empty answers"),
    Guard("endless", 0.05, "answers that do not end: its end of sequence is broken"),
    Guard("private", 0.0, "personal data or a canary in its answers"),
    Guard("length_error", 0.25, "answers of a length further from the references'"),
    Guard("grounded_precision", 0.05, "answers less grounded in the passages", higher_is_better=True),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of champion and challenger: means over questions, and the paired difference with its interval."""

    champion: float
    challenger: float
    difference: float
    interval: tuple[float, float]
    n: int


@dataclass(frozen=True, slots=True)
class GateDecision:
    """What the gate says and why.

    :param confidence: of the interval that decided; above 0.95 from the second look at the same questions on.
    :param looks: how often these held-out questions have judged a challenger, this time included.
    """

    verdict: VerdictName
    reason: str
    metrics: Mapping[str, Comparison] = field(default_factory=dict)
    n: int = 0
    looks: int = 1
    confidence: float = CONFIDENCE

    @property
    def promote(self) -> bool:
        """Whether the challenger goes live."""
        return self.verdict == "better"

    def metrics_json(self) -> dict[str, Any]:
        """Return the comparisons as plain values for JSON."""
        return {name: {**asdict(row), "interval": list(row.interval)} for name, row in self.metrics.items()}


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


def compare(
    champion: Sequence[Scores],
    challenger: Sequence[Scores],
    clusters: Sequence[str],
    *,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> dict[str, Comparison]:
    """Compare metric by metric, over the questions where both have a value; row ``i`` of each is the same question."""
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


def decide(  # noqa: PLR0913 - the gate's whole policy in one signature
    champion: Sequence[Scores],
    challenger: Sequence[Scores],
    clusters: Sequence[str],
    *,
    minimum: int = 20,
    not_worse_margin: float = 0.01,
    looks: int = 1,
    seed: int = 0,
    guards: Sequence[Guard] = GUARDS,
) -> GateDecision:
    """Judge a challenger.

    :param champion: per-question scores of the champion's answers, as of :func:`tuning.metrics.score`.
    :param challenger: the same of the challenger, in the same order.
    :param clusters: near-duplicate cluster of each question.
    :param minimum: questions below which nothing is concluded.
    :param looks: times these questions have judged a challenger, this one included. The allowed error of 5 % is divided
        by it (Bonferroni), because asking the same questions again and again finds a winner by chance.
    """
    confidence = 1 - (1 - CONFIDENCE) / looks
    n = len(champion)
    if n < minimum:
        reason = f"inconclusive: champion stays. Only {n} held-out questions; {minimum} are needed to tell."
        return GateDecision("inconclusive", reason, n=n, looks=looks, confidence=confidence)
    metrics = compare(champion, challenger, clusters, seed=seed)
    broken = [guard for guard in guards if _broken(guard, metrics.get(guard.metric))]
    primary = [(a[PRIMARY], b[PRIMARY]) for a, b in zip(champion, challenger, strict=True)]
    differences = np.array([(b or 0.0) - (a or 0.0) for a, b in primary])
    low, high = interval(differences, clusters, confidence=confidence, seed=seed)
    level = f"{100 * confidence:.4g}%"
    said = f"ROUGE-L {differences.mean():+.3f}, {level} interval [{low:+.3f}, {high:+.3f}], n = {n}"
    verdict, reason = _verdict(low, high, not_worse_margin, unchanged=not differences.any(), broken=broken)
    reason = f"{reason} ({said})."
    return GateDecision(verdict, reason, metrics, n=n, looks=looks, confidence=confidence)


def _verdict(
    low: float, high: float, margin: float, *, unchanged: bool, broken: Sequence[Guard]
) -> tuple[VerdictName, str]:
    gives = "The challenger gives " + "; ".join(guard.means for guard in broken) if broken else ""
    if high < 0:
        return "worse", f"worse: champion stays. The loss is below zero by its interval. {gives}".rstrip(" .")
    if broken:
        return "refused", f"refused: champion stays. {gives}"
    if unchanged:
        return "inconclusive", "inconclusive: champion stays. The answers score the same"
    if low > 0:
        return "better", "better: promoted. The gain is above zero by its interval and no guard is worse"
    if low > -margin:
        return "not_worse", "not_worse: champion stays. The challenger is as good, but a gain is not shown"
    return "inconclusive", "inconclusive: champion stays. The interval holds zero"


def _broken(guard: Guard, found: Comparison | None) -> bool:
    """A guard breaks when the worsening is larger than its margin and real by its own interval."""
    if found is None:
        return False
    low, high = found.interval
    worsening, proven = (-found.difference, high < 0) if guard.higher_is_better else (found.difference, low > 0)
    if guard.margin == 0:
        return worsening > 0
    return worsening > guard.margin and proven
