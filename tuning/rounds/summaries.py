"""Rounds as shown in overviews. All functions block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bot.storage.tables.training import RoundRow
from tuning.data.screening import SET_ASIDE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bot.storage.session import Store


@dataclass(frozen=True, slots=True)
class RoundSummary:
    """A round at a glance. ``verdict`` is ``None`` until it ended; ``reason`` is the verdict's."""

    id: str
    department: str
    state: str
    stage: str
    verdict: str | None
    reason: str
    created_at: datetime


def screening(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return how many rows a round kept and what it set aside, and why; ``None`` before it has a dataset.

    :param results: the results of the round's stages.
    """
    counts = results.get("dataset", {}).get("counts")
    if counts is None:
        return None
    found = {"kept": counts["rows"], **{name: counts.get(name, 0) for name in SET_ASIDE}}
    prefix = "dropped: "
    reasons = {name.removeprefix(prefix): number for name, number in counts.items() if name.startswith(prefix)}
    return {**found, "reasons": reasons}


def latest_rounds(store: Store, department: str, *, limit: int) -> Sequence[RoundSummary]:
    """Return a department's last rounds, newest first."""
    newest = select(RoundRow).where(RoundRow.department == department).order_by(RoundRow.created_at.desc())
    with store.read() as session:
        return [
            RoundSummary(row.id, row.department, row.state, row.stage, row.verdict, row.reason, row.created_at)
            for row in session.scalars(newest.limit(limit))
        ]
