"""When a job is due: intervals, times of day, what was missed, and values that can't be."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.domain.plugins.jobs import Job

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 30, 7, 30, tzinfo=UTC)


def job(every: timedelta, at: time | None = None) -> Job:
    return Job("digest", every, lambda: None, at)


def test_an_interval_counts_from_the_start_of_a_run() -> None:
    hourly = job(HOUR)
    assert hourly.first(MONDAY) == MONDAY
    assert hourly.following(MONDAY, MONDAY, MONDAY + SECOND) == MONDAY + HOUR
    assert hourly.following(MONDAY, MONDAY, MONDAY + 3 * HOUR) == MONDAY + 3 * HOUR, "it took longer than an hour"
    late = MONDAY + 30 * HOUR
    assert hourly.following(MONDAY, late, late + SECOND) == late + HOUR, "what was missed isn't made up for"


@pytest.mark.parametrize(
    ("moment", "due"),
    [(MONDAY - SECOND, MONDAY), (MONDAY, MONDAY + DAY), (MONDAY + SECOND, MONDAY + DAY)],
    ids=["before", "at", "after"],
)
def test_the_first_time_of_day_is_the_next_one(moment: datetime, due: datetime) -> None:
    assert job(7 * DAY, time(7, 30)).first(moment) == due


def test_a_weekly_job_keeps_its_day_although_it_ran_late() -> None:
    weekly = job(7 * DAY, time(7, 30))
    for late in (timedelta(), 2 * DAY, 6 * DAY + 23 * HOUR):
        assert weekly.following(MONDAY, MONDAY + late, MONDAY + late + SECOND) == MONDAY + 7 * DAY
    assert weekly.following(MONDAY, MONDAY + 8 * DAY, MONDAY + 8 * DAY) == MONDAY + 14 * DAY


@pytest.mark.parametrize("at", [time(0), time(12), time(23, 59, 59)])
@pytest.mark.parametrize("off", [-20 * SECOND, timedelta(), 20 * SECOND], ids=["early", "on time", "late"])
def test_a_clock_that_is_off_by_seconds_doubles_no_run(at: time, off: timedelta) -> None:
    due = datetime.combine(MONDAY.date(), at, UTC)
    assert job(DAY, at).following(due + off, due, due + timedelta(minutes=1)) == due + DAY


def test_a_run_that_was_asked_for_changes_nothing_about_the_next_time_of_day() -> None:
    assert job(DAY, time(7, 30)).following(MONDAY, MONDAY - HOUR, MONDAY - HOUR + SECOND) == MONDAY


def test_a_time_of_day_is_local() -> None:
    daily = job(DAY, time(7, 30, tzinfo=BERLIN))
    summer = datetime(2026, 10, 24, 7, 30, tzinfo=BERLIN)
    winter = daily.following(summer, summer, summer + SECOND)
    assert (winter.astimezone(BERLIN).hour, winter - summer) == (7, 25 * HOUR), "the clocks went back in between"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"name": "Daily digest"}, "can't have the name 'Daily digest'"),
        ({"every": 60}, "has every=60"),
        ({"every": timedelta()}, "has every="),
        ({"every": timedelta(days=400)}, "has every="),
        ({"run": "digest"}, "can't run 'digest'"),
        ({"at": "07:30"}, "runs at '07:30'"),
        ({"at": time(7), "every": HOUR}, "an interval of whole days"),
        ({"limit": timedelta(0)}, "has limit="),
    ],
)
def test_values_that_cannot_be_are_named(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=r"^(A job|Job) ") as caught:
        Job(**{"name": "digest", "every": DAY, "run": print, **values})
    assert problem in str(caught.value)
