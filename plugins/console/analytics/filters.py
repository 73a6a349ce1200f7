"""What the address of the page selects."""

# No `from __future__ import annotations`: FastAPI reads the annotations of Given.

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlencode

from fastapi import Query

from bot.domain.outcomes.figures import Step, begin
from bot.feedback.outcomes.facts import Selection

LONGEST = 366
"""Days that a selection has at most."""

WEEKS, DAYS = 12, 28
"""Periods that are shown unless the address says otherwise, the present one included."""

Typed = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Given:
    """The filter as it was typed; what is empty selects everything.

    :param since: the first day, as ``2026-11-02``; so is ``until``, the last one.
    """

    since: Typed = ""
    until: Typed = ""
    by: Literal["week", "day"] = "week"
    department: Typed = ""
    channel: Typed = ""
    adapter: Typed = ""

    def query(self, **more: object) -> str:
        """Return the filter as the query of an address, with other parameters."""
        values = {**asdict(self), **more}
        return urlencode({name: value for name, value in values.items() if value not in ("", None, False)})

    def but(self, field: str, value: str) -> Self:
        """Return the same filter with another value of a field."""
        changed: dict[str, Any] = {field: value}
        return replace(self, **changed)


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter as it is meant.

    :param given: with the days that are meant, so that a link selects the same tomorrow.
    :param problems: what can't be used, by field; then the days are those that are shown by default.
    """

    given: Given
    since: date
    until: date
    problems: Mapping[str, str]

    @property
    def step(self) -> Step:
        """Length of a period."""
        return self.given.by

    @property
    def selection(self) -> Selection:
        """What to look at."""
        given = self.given
        departments = [given.department] if given.department else None
        return Selection(
            _midnight(self.since), _midnight(self.until + timedelta(days=1)), departments, given.channel, given.adapter
        )

    def within(self, start: date) -> Given:
        """Return the same filter for the period that begins on a day."""
        last = start + timedelta(days=6 if self.step == "week" else 0)
        return replace(self.given, since=max(start, self.since).isoformat(), until=min(last, self.until).isoformat())


def read(given: Given, today: date) -> Filter:
    """Return what a filter means on a day."""
    problems: dict[str, str] = {}
    until = _day(given.until, today, "until", problems)
    weeks = begin(until, "week") - timedelta(weeks=WEEKS - 1)
    since = _day(given.since, weeks if given.by == "week" else until - timedelta(days=DAYS - 1), "since", problems)
    if not problems and since > until:
        problems["since"] = f"The first day, {since}, is after the last one, {until}. Choose an earlier one."
    elif not problems and (until - since).days >= LONGEST:
        problems["since"] = f"These are {(until - since).days + 1} days. Choose at most {LONGEST}."
    if problems:
        return Filter(given, today, today, problems)
    return Filter(replace(given, since=since.isoformat(), until=until.isoformat()), since, until, {})


def _day(text: str, default: date, field: str, problems: dict[str, str]) -> date:
    if not text:
        return default
    try:
        found = date.fromisoformat(text)
    except ValueError:
        problems[field] = f"{text[:20]!r} is no day. Expected one such as {default.isoformat()}."
        return default
    if not date(2000, 1, 1) <= found <= date(9000, 1, 1):
        problems[field] = f"{text[:20]} is too far away. Expected a day from 2000 on."
        return default
    return found


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
