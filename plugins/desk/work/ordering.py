"""The order of the queue: first what a decision teaches most, and why, in a sentence.

An item's points are the sum of what speaks for it (:func:`points`). Each day of waiting counts, so that nothing waits
for ever. The random sample comes last: whoever rates it chooses it.
"""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

from bot.domain.identifiers import now

if TYPE_CHECKING:
    from datetime import datetime

    from bot.feedback.quality.signals import Signal

WAITS = {"escalation": 4.0, "proposal": 3.0}
"""Somebody waits for a reply; a text is there to accept."""

DISAGREEMENT = 2.0
"""If as many people find an answer right as wrong; less if most agree."""

WEAK = 1.0
PER_DAY, MOST_DAYS = 0.5, 8


def points(kind: str, signal: Signal, waiting_since: datetime) -> float:
    """Return how early an item comes: more points, earlier."""
    days = min((now() - waiting_since).total_seconds() / 86_400, MOST_DAYS)
    return (
        WAITS.get(kind, 0.0)
        + DISAGREEMENT * disagreement(signal)
        + log2(1 + signal.down)
        + log2(max(signal.asked, 1))
        + WEAK * signal.weak
        + PER_DAY * max(days, 0.0)
    )


def disagreement(signal: Signal) -> float:
    """Return 1 if as many people voted up as down, and 0 if all agree."""
    both = signal.up + signal.down
    return 2 * min(signal.up, signal.down) / both if both else 0.0


def why(kind: str, signal: Signal) -> str:
    """Return why an item is worth deciding, as a sentence; an empty text if only its kind says so."""
    reasons = []
    if signal.asked > 1:
        reasons.append(f"the same question was asked {signal.asked} times in 90 days")
    if signal.up and signal.down:
        reasons.append(f"people disagree about the answer ({signal.up} up, {signal.down} down)")
    if signal.weak and kind != "sample":
        reasons.append("the documents gave no full answer")
    if not reasons:
        return ""
    said = ", and ".join(reasons) if len(reasons) < 3 else f"{', '.join(reasons[:-1])}, and {reasons[-1]}"  # noqa: PLR2004 - a list of three needs commas
    return f"{said[0].upper()}{said[1:]}."
