"""The gate: decides whether a challenger replaces the champion, on paired scores of the same held-out questions.

A challenger is promoted only if the confidence interval of its gain on the primary metric is above zero
and no guard got worse by more than its margin. In all other cases the champion stays. No torch here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tuning.evaluation.compare import CONFIDENCE, Comparison, compare, interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tuning.evaluation.compare import Scores

VerdictName = Literal["better", "not_worse", "inconclusive", "worse", "refused"]

PRIMARY = "rouge_l"

PROMOTED = "The challenger is better and replaces the champion."
STAYS = "The champion stays."
"""How reasons begin."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A metric that may not get worse by more than ``margin`` (in the metric's own unit).

    :param higher_is_better: direction of the metric.
    :param means: what operators read if the guard fails.
    """

    metric: str
    margin: float
    means: str
    higher_is_better: bool = False


GUARDS = (
    Guard("empty", 0.02, "more empty answers"),
    Guard("endless", 0.05, "answers that don't end: it doesn't produce the end token"),
    Guard("private", 0.0, "personal data or a canary in its answers"),
    Guard("length_error", 0.25, "answers whose length is further from the references'"),
    Guard("grounded_precision", 0.05, "answers less grounded in the passages", higher_is_better=True),
)


@dataclass(frozen=True, slots=True)
class GateDecision:
    """The gate's verdict and its reason.

    :param confidence: of the deciding interval; above 0.95 if the same questions were used before.
    :param looks: how often these questions have judged a challenger, including this time.
    """

    verdict: VerdictName
    reason: str
    metrics: Mapping[str, Comparison] = field(default_factory=dict)
    n: int = 0
    looks: int = 1
    confidence: float = CONFIDENCE

    @property
    def promote(self) -> bool:
        """Whether to promote the challenger."""
        return self.verdict == "better"

    def metrics_json(self) -> dict[str, Any]:
        """Return the comparisons as plain values for JSON."""
        return {name: row.as_json() for name, row in self.metrics.items()}


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

    :param champion: per-question scores of the champion's answers, as of :func:`tuning.evaluation.metrics.score`.
    :param challenger: the same of the challenger, in the same order.
    :param clusters: near-duplicate cluster of each question.
    :param minimum: with fewer questions, the verdict is inconclusive.
    :param looks: how often these questions have judged a challenger, including this time. The allowed error of 5 % is
        divided by it (Bonferroni): if you ask the same questions often enough, something wins by chance.
    """
    confidence = 1 - (1 - CONFIDENCE) / looks
    n = len(champion)
    if n < minimum:
        reason = f"{STAYS} There are only {n} held-out questions; a comparison needs {minimum}."
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
        return "worse", f"{STAYS} The challenger is worse: the whole interval is below zero. {gives}".rstrip(" .")
    if broken:
        return "refused", f"{STAYS} {gives}"
    if unchanged:
        return "inconclusive", f"{STAYS} Both give answers with the same scores"
    if low > 0:
        return "better", f"{PROMOTED} The whole interval of the gain is above zero, and no guard is worse"
    if low > -margin:
        return "not_worse", f"{STAYS} The challenger isn't worse, but a gain isn't proven"
    return "inconclusive", f"{STAYS} The interval includes gains and losses"


def _broken(guard: Guard, found: Comparison | None) -> bool:
    """A guard fails if its metric got worse by more than the margin and the interval excludes zero."""
    if found is None:
        return False
    low, high = found.interval
    worsening, proven = (-found.difference, high < 0) if guard.higher_is_better else (found.difference, low > 0)
    if guard.margin == 0:
        return worsening > 0
    return worsening > guard.margin and proven
