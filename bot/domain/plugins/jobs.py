"""Work that Mentee does at regular times: jobs of plugins, and what became of their runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
DAY = timedelta(days=1)
SHORTEST = timedelta(seconds=1)
LONGEST = 366 * DAY
LIMIT = timedelta(minutes=5)
LONGEST_LIMIT = DAY

Outcome = Literal["", "done", "failed", "interrupted"]
"""How the last run ended; empty if there was none. ``interrupted``: the processes that ran it died."""


@dataclass(frozen=True, slots=True)
class Job:
    """Work that Mentee runs at regular times, in one process at a time.

    :param name: its name for operators: lower-case letters, digits, ``_`` and ``-``.
    :param every: the time from one run's start to the next, from 1 s to 366 days.
    :param run: the work, called without arguments; a plain function, which runs in a thread, or an ``async def``.
    :param at: a time of day for jobs that run every day or every few days. Without a time zone it is UTC. Such a job
        first runs at the next such time, any other job at once.
    :param limit: longest time of a run, up to a day. Then an ``async def`` is cancelled, a function abandoned.
    :raises ValueError: a value is outside these limits.
    """

    name: str
    every: timedelta
    run: Callable[[], object]
    at: time | None = None
    limit: timedelta = LIMIT

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise ValueError(
                f"A job can't have the name {self.name!r}. "
                "Use up to 64 lower-case letters, digits, _ and -, such as daily-digest."
            )
        self._check_duration("every", self.every, SHORTEST, LONGEST)
        self._check_duration("limit", self.limit, SHORTEST, LONGEST_LIMIT)
        if not callable(self.run):
            raise ValueError(f"Job {self.name!r} can't run {self.run!r:.100}. Expected a function without parameters.")  # noqa: TRY004 - one error for what doesn't fit
        if self.at is not None and (not isinstance(self.at, time) or self.every % DAY):
            raise ValueError(
                f"Job {self.name!r} runs at {self.at!r} every {self.every}. "
                "Expected a datetime.time, and an interval of whole days."
            )

    def _check_duration(self, what: str, value: object, least: timedelta, most: timedelta) -> None:
        if not isinstance(value, timedelta) or not least <= value <= most:
            raise ValueError(f"Job {self.name!r} has {what}={value!r}. Expected a timedelta from {least} to {most}.")

    def first(self, moment: datetime) -> datetime:
        """Return when a job that has never run is due."""
        return moment if self.at is None else self._on(self._local(moment).date() - DAY, moment, DAY)

    def following(self, due: datetime, started: datetime, moment: datetime) -> datetime:
        """Return when the job is due again after a run. What was missed meanwhile isn't made up for.

        :param due: when this run was due; a later time than ``moment`` if it was run early.
        :param moment: the present, at the end of the run.
        """
        if self.at is None:
            return max(started + self.every, moment)
        if due > moment:
            return due
        half = DAY / 2  # the nearest such time, should a clock have been corrected by less
        since_midnight = timedelta(hours=self.at.hour, minutes=self.at.minute, seconds=self.at.second)
        return self._on((self._local(due) - since_midnight + half).date(), moment, self.every)

    def _on(self, day: date, moment: datetime, step: timedelta) -> datetime:
        """Return the first time after ``moment`` that is one or more steps after that of a day."""
        assert self.at is not None, "only jobs with a time of day have days"
        zone = self.at.tzinfo or UTC
        steps = max(1, (self._local(moment).date() - day) // step)
        while (found := datetime.combine(day + steps * step, self.at, zone)) <= moment:
            steps += 1
        return found.astimezone(UTC)

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.at.tzinfo if self.at and self.at.tzinfo else UTC)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """A job as operators see it.

    :param running: name of the process that runs it now; empty if none does.
    :param last_at: when the last run began; ``None`` if there was none.
    :param seconds: how long it took.
    :param next_at: when the next one is due; ``None`` if the job isn't known to a server yet.
    :param error: the last failure, which may be older than the last run.
    """

    plugin: str
    name: str
    every: timedelta
    running: str = ""
    last_at: datetime | None = None
    seconds: float = 0.0
    outcome: Outcome = ""
    next_at: datetime | None = None
    error: str = ""
    error_at: datetime | None = None
