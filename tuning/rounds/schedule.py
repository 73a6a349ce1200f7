"""Starts rounds automatically: on a department's schedule, or after enough new votes."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from bot.domain.errors import MenteeError
from bot.domain.identifiers import now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bot.access.departments import Department, Departments
    from tuning.rounds.store import RoundStore

CATCH_UP = timedelta(hours=1)
"""How long a scheduled time that was missed, such as during a restart, still starts a round."""

log = structlog.get_logger(__name__)


class Schedule:
    """Starts due rounds.

    :param count_votes: counts a department's votes since a given time; ``None`` counts all.
    """

    def __init__(
        self,
        rounds: RoundStore,
        departments: Departments,
        count_votes: Callable[[str, datetime | None], int],
    ) -> None:
        self._rounds = rounds
        self._departments = departments
        self._count_votes = count_votes

    def start_due(self) -> list[str]:
        """Start the round of each department whose schedule or vote threshold is due; return their ids."""
        started = []
        for department in self._departments.all():
            reason = self._due(department)
            if reason is None:
                continue
            digest = hashlib.sha256(f"{department.name} {reason}".encode()).hexdigest()[:32]
            try:
                row = self._rounds.start(department.name, actor=f"mentee: {reason}", round_id=f"r_{digest}")
            except MenteeError:
                continue  # one is under way, or another scheduler was quicker
            started.append(row.id)
        return started

    def _due(self, department: Department) -> str | None:
        if tick := _tick(department):
            return f"schedule {tick.isoformat()}"
        if threshold := department.tuning.threshold:
            newest = next(iter(self._rounds.all(department.name)), None)
            if self._count_votes(department.name, newest.created_at if newest else None) >= threshold:
                return f"threshold after {newest.id if newest else 'the start'}"
        return None


def _tick(department: Department) -> datetime | None:
    """Return the department's last scheduled time if it is recent enough to catch up."""
    if not department.tuning.schedule:
        return None
    from croniter import CroniterError, croniter  # type: ignore[import-untyped] # it has no types

    moment = now()
    try:
        tick: datetime = croniter(department.tuning.schedule, moment).get_prev(type(moment))
    except CroniterError as error:
        log.warning("schedule_unusable", department=department.name, problem=str(error))
        return None
    return tick if moment - tick < CATCH_UP else None
