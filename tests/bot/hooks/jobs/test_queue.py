"""The jobs in the database, on both kinds: what is due, who has it, clocks that are set, and workers that die."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from bot.domain.errors import PluginError
from bot.domain.identifiers import now
from bot.domain.plugins.jobs import Job
from bot.hooks.jobs.queue import Ended
from bot.storage.clock import moment
from bot.storage.tables.access import AuditRow
from bot.storage.tables.plugins import JobRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from time_machine import TimeMachineFixture

    from bot.storage.session import Store
    from tests.bot.hooks.jobs.conftest import Replica

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
DAILY = Job("daily", DAY, print)
DONE = Ended("done", 0.5)
LATE = PluginError("clock", "job daily", "no result after 1 s")


def make_due(store: Store, ago: timedelta = MINUTE) -> None:
    with store.write() as session:
        session.execute(update(JobRow).values(not_before=moment(session) - ago))


def seconds_left(store: Store) -> float:
    with store.read() as session:
        return (session.query(JobRow).one().not_before - moment(session)).total_seconds()


def test_of_many_replicas_one_gets_a_job(replica: Callable[..., Replica]) -> None:
    replicas = [replica(f"w{number}", DAILY) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        taken = [run for runs in threads.map(lambda each: each.queue.lease(9), replicas) for run in runs]
    assert [run.id for run in taken] == ["clock/daily"]


def test_a_job_is_due_again_after_its_interval(replica: Callable[..., Replica], store: Store) -> None:
    first = replica("a", DAILY)
    (run,) = first.queue.lease(9)
    assert first.queue.lease(9) == []
    assert first.queue.end(run, DONE)
    assert first.queue.lease(9) == []
    assert DAY.total_seconds() - 60 < seconds_left(store) <= DAY.total_seconds()
    make_due(store)
    assert len(replica("b", DAILY).queue.lease(9)) == 1, "another process goes on where the first one ended"


def test_what_was_missed_is_run_once(replica: Callable[..., Replica], store: Store) -> None:
    first = replica("a", DAILY)
    make_due(store, 10 * DAY)
    (run,) = first.queue.lease(9)
    first.queue.end(run, DONE)
    assert first.queue.lease(9) == []


def test_a_dead_process_loses_its_job_and_a_late_result_is_dropped(replica: Callable[..., Replica]) -> None:
    dead, other = replica("a", DAILY, lease_seconds=0), replica("b", DAILY)
    (run,) = dead.queue.lease(9)
    assert other.status().running == "", "nobody runs it any more"
    (again,) = other.queue.lease(9)
    assert (again.id, again.interruptions) == (run.id, 1)
    assert dead.queue.heartbeat([run.id]) == frozenset()
    assert not dead.queue.end(run, Ended("failed", error=LATE))
    assert other.queue.heartbeat([run.id]) == {run.id}
    assert other.queue.end(again, DONE)
    assert (other.status().outcome, other.status().error) == ("done", "")


def test_a_run_that_is_handed_back_is_due_at_once_and_keeps_its_time(
    replica: Callable[..., Replica], store: Store
) -> None:
    first, second = replica("a", DAILY), replica("b", DAILY)
    make_due(store, MINUTE)
    (run,) = first.queue.lease(9)
    first.queue.postpone(run, 0.0)
    (again,) = second.queue.lease(9)
    assert (abs(again.due - run.due).total_seconds() < 1, again.interruptions) == (True, 0)
    second.queue.postpone(again, 30.0)
    assert (first.queue.lease(9), seconds_left(store) > 0) == ([], True)


def test_a_run_that_goes_on_keeps_its_lease(replica: Callable[..., Replica]) -> None:
    first, second = replica("a", DAILY), replica("b", DAILY)
    (run,) = first.queue.lease(9)
    first.queue.end(run, Ended("failed", 1.0, LATE, "in line 3", held=True))
    assert (second.status().running, second.status().error) == ("a", LATE.text)
    assert (second.queue.lease(9), second.queue.take_now("clock", DAILY, "ada")) == ([], None)
    first.queue.end(run, DONE)
    status = second.status()
    assert (status.running, status.outcome, status.error) == ("", "done", LATE.text)


def test_a_job_can_be_taken_before_it_is_due(replica: Callable[..., Replica], store: Store) -> None:
    first = replica("a", Job("digest", DAY, print, at=(now() + timedelta(hours=5)).time()))
    before = seconds_left(store)
    assert first.queue.lease(9) == []
    run = first.queue.take_now("clock", first.declared[0], "ada")
    assert run is not None
    first.queue.end(run, DONE)
    assert abs(seconds_left(store) - before) < 60, "the next time of day stays"
    with store.read() as session:
        (entry,) = session.scalars(select(AuditRow))
    assert (entry.actor, entry.action, entry.subject, entry.detail) == (
        "ada", "plugin.run", "clock", {"job": "digest"},
    )  # fmt: skip


def test_a_plugin_that_is_off_runs_nothing(replica: Callable[..., Replica]) -> None:
    first = replica("a", DAILY)
    first.switch(on=False)
    assert first.queue.lease(9) == []
    first.switch(on=True)
    assert len(first.queue.lease(9)) == 1


def test_a_job_that_is_no_longer_declared_stops(replica: Callable[..., Replica]) -> None:
    first = replica("a", DAILY)
    first.queue.declare("clock", [Job("hourly", timedelta(hours=1), print)])
    assert [run.job.name for run in first.queue.lease(9)] == ["hourly"]


@pytest.mark.parametrize("step", [-400 * DAY, 400 * DAY], ids=["back", "forward"])
def test_a_machine_whose_time_is_set_runs_neither_twice_nor_never(
    replica: Callable[..., Replica], store: Store, time_machine: TimeMachineFixture, step: timedelta
) -> None:
    first = replica("a", DAILY)
    (run,) = first.queue.lease(9)
    time_machine.move_to(now() + step, tick=True)
    assert replica("b", DAILY).queue.lease(9) == []
    first.queue.end(run, DONE)
    assert first.queue.lease(9) == []
    assert 0 < seconds_left(store) <= DAY.total_seconds()


@pytest.mark.parametrize("step", [-400 * DAY, 400 * DAY], ids=["back", "forward"])
def test_a_time_of_day_survives_a_step(
    replica: Callable[..., Replica], store: Store, time_machine: TimeMachineFixture, step: timedelta
) -> None:
    first = replica("a", Job("digest", DAY, print, at=time(7, 30)))
    time_machine.move_to((now() + step).replace(hour=12), tick=True)  # at night, the nearest 7:30 is another day's
    make_due(store)
    (run,) = first.queue.lease(9)
    first.queue.end(run, DONE)
    assert 0 < seconds_left(store) <= DAY.total_seconds()
    status = first.status().next_at
    assert status is not None
    assert abs(status - status.replace(hour=7, minute=30, second=0, microsecond=0)) < timedelta(seconds=1)


def test_a_due_time_that_cannot_be_does_not_silence(replica: Callable[..., Replica], store: Store) -> None:
    """As after the database's server was set back, or where a job's interval was made shorter."""
    first = replica("a", DAILY)
    set_row(store, not_before=now() + 2 * DAY)
    (run,) = first.queue.lease(9)
    assert run.due <= run.started
    set_row(store, leased_until=now() + 2 * DAY)
    assert replica("b", DAILY).queue.lease(9) == [], "its process has the time of one lease to prolong it"
    with store.read() as session:
        left = session.query(JobRow).one().leased_until
        assert left is not None
        assert left < datetime.now(UTC) + MINUTE


def set_row(store: Store, **columns: Any) -> None:
    with store.write() as session:
        session.execute(update(JobRow).values(columns))
