"""The jobs as a server runs them: replicas that race, work that hangs or raises, switches, and stopping."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from bot.domain.errors import BusyError, NotFoundError
from bot.domain.plugins.jobs import Job
from bot.hooks.calling import breaker
from bot.hooks.jobs import service
from bot.observability.metrics import REGISTRY
from bot.storage.clock import moment
from bot.storage.tables.plugins import JobRow
from bot.testing import WAIT_SECONDS
from tests.bot.hooks.jobs.conftest import OFTEN, Replica, Work, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.storage.session import Store

DAY = timedelta(days=1)


def runs(outcome: str) -> float:
    labels = {"plugin": "clock", "job": "work", "outcome": outcome}
    return REGISTRY.get_sample_value("mentee_job_runs_total", labels) or 0.0


async def test_replicas_share_a_job_and_never_run_it_twice_at_once(
    replica: Callable[..., Replica], work: Work, store: Store
) -> None:
    replicas = [replica(worker, Job("work", OFTEN, work)) for worker in "abc"]
    for each in replicas:
        await each.jobs.start()
    await work.run(times=2)
    work.go_on.clear()
    await work.run()
    with store.write() as session:  # it is due again while it runs
        session.execute(update(JobRow).values(not_before=moment(session) - DAY))
    await asyncio.gather(*(asyncio.to_thread(each.queue.lease, 9) for each in replicas))
    work.go_on.set()
    await work.run()
    for each in replicas:
        await each.jobs.stop(WAIT_SECONDS)
    assert work.most_at_once == 1
    assert replicas[0].status().outcome == "done"


async def test_what_raises_is_stored_counted_and_run_again(replica: Callable[..., Replica]) -> None:
    def fail() -> None:
        raise ValueError("no such table: tickets, token=abcdef123456")

    first, before = replica("a", Job("work", OFTEN, fail)), runs("failed")
    await first.jobs.start()
    await until(lambda: runs("failed") >= before + 2)
    await first.jobs.stop(WAIT_SECONDS)
    status = first.status()
    assert (status.outcome, status.running) == ("failed", "")
    assert "failed in job work: ValueError: no such table: tickets" in status.error
    assert "abcdef123456" not in status.error
    failure = first.host.failures("clock")[0]
    assert (failure.hook, failure.department, "in fail" in failure.traceback) == ("job work", None, True)


async def test_a_traceback_begins_in_the_plugin(replica: Callable[..., Replica]) -> None:
    async def fail() -> None:
        raise ValueError

    first = replica("a", Job("work", DAY, fail))
    ended = await first.jobs.run_now("clock", "work", actor="ada")
    assert "in fail" in ended.traceback
    assert "During handling" not in ended.traceback


async def test_a_plugin_that_keeps_failing_is_paused_and_its_jobs_wait(
    replica: Callable[..., Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fail() -> None:
        calls.append(1)
        raise ValueError

    monkeypatch.setattr(breaker, "MAX_FAILURES", 1)
    first = replica("a", Job("work", DAY, fail))
    assert (await first.jobs.run_now("clock", "work", actor="ada")).outcome == "failed"
    with pytest.raises(BusyError, match="paused"):
        await first.jobs.run_now("clock", "work", actor="ada")
    assert len(calls) == 1
    next_at = first.status().next_at
    assert next_at is not None
    assert first.status().running == ""


@pytest.mark.parametrize("asynchronous", [True, False], ids=["async", "thread"])
async def test_work_that_hangs_is_given_up_and_never_overlaps(
    replica: Callable[..., Replica], work: Work, *, asynchronous: bool
) -> None:
    work.go_on.clear()
    ended = threading.Event()

    async def hang() -> None:
        work.began.release()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    first = replica("a", Job("work", OFTEN, hang if asynchronous else work, limit=OFTEN), lease_seconds=1.0)
    second = replica("b", *first.declared, lease_seconds=1.0)
    await first.jobs.start()
    await work.run()
    await second.jobs.start()
    await until(lambda: first.status().error)
    assert ("no result after 1 s" in first.status().error) or ("cancelled at its time limit" in first.status().error)
    if asynchronous:
        assert ended.is_set()
        await work.run()  # nothing goes on, so it runs again
    else:
        assert first.status().running == "a", "its thread still hangs"
        assert work.runs == 1
        work.go_on.set()
        await work.run()
    for each in (first, second):
        await each.jobs.stop(0.1)
    assert work.most_at_once <= 1


async def test_a_switch_counts_at_once_in_every_process(replica: Callable[..., Replica], work: Work) -> None:
    first = replica("a", Job("work", OFTEN, work))
    replica("console").switch(on=False)
    await asyncio.sleep(0)
    await first.jobs.start()
    await until(lambda: not first.host.states.enabled("clock", None))
    assert await asyncio.to_thread(first.queue.lease, 9) == []
    with pytest.raises(NotFoundError, match="is off"):
        await first.jobs.run_now("clock", "work", actor="ada")
    replica("console").switch(on=True)
    await work.run()
    await first.jobs.stop(WAIT_SECONDS)


async def test_stopping_waits_for_what_runs(replica: Callable[..., Replica], work: Work) -> None:
    work.go_on.clear()
    first = replica("a", Job("work", DAY, work))
    await first.jobs.start()
    await work.run()
    stopping = asyncio.create_task(first.jobs.stop(WAIT_SECONDS))
    await asyncio.sleep(0)
    work.go_on.set()
    await stopping
    assert (first.status().outcome, first.status().running) == ("done", "")


async def test_stopping_cancels_what_is_late_and_another_process_takes_it_up(replica: Callable[..., Replica]) -> None:
    began, cancelled = threading.Event(), threading.Event()

    async def sync_wiki() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    first = replica("a", Job("work", DAY, sync_wiki))
    await first.jobs.start()
    await asyncio.to_thread(began.wait, WAIT_SECONDS)
    await first.jobs.stop(0.0)
    assert cancelled.is_set()
    assert (first.status().outcome, first.status().error, first.host.failures("clock")) == ("", "", ())
    assert len(replica("b", *first.declared).queue.lease(9)) == 1


async def test_stopping_leaves_a_thread_that_goes_on_its_lease(replica: Callable[..., Replica], work: Work) -> None:
    work.go_on.clear()
    first = replica("a", Job("work", DAY, work))
    await first.jobs.start()
    await work.run()
    await first.jobs.stop(0.0)
    assert first.status().running == "a"
    assert replica("b", *first.declared).queue.lease(9) == [], "until this process has ended"


async def test_a_lost_lease_cancels_the_work(replica: Callable[..., Replica], store: Store) -> None:
    began, cancelled = threading.Event(), threading.Event()

    async def sync_wiki() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    first = replica("a", Job("work", DAY, sync_wiki), lease_seconds=0.5)
    await first.jobs.start()
    await asyncio.to_thread(began.wait, WAIT_SECONDS)
    with store.write() as session:
        session.execute(update(JobRow).values(leased_by="b", leased_until=moment(session) + DAY / 24 / 60))
    await until(cancelled.is_set)
    await first.jobs.stop(WAIT_SECONDS)
    assert first.status().running == "b"


async def test_a_job_that_kills_its_processes_waits_for_its_next_time(
    replica: Callable[..., Replica], work: Work, store: Store
) -> None:
    first = replica("a", Job("work", DAY, work))
    with store.write() as session:
        past = moment(session) - DAY
        lost = {"state": "leased", "leased_by": "dead", "leased_until": past, "interruptions": service.MOST_LOST - 1}
        session.execute(update(JobRow).values(lost))
    await first.jobs.start()
    await until(lambda: first.status().outcome)
    await first.jobs.stop(WAIT_SECONDS)
    assert (first.status().outcome, work.runs) == ("interrupted", 0)
    assert "3 processes that ran it died" in first.status().error
    assert "3 processes" in first.host.failures("clock")[0].text
    assert first.queue.lease(9) == []


async def test_a_result_is_stored_once_the_database_is_back(
    replica: Callable[..., Replica], work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = replica("a", Job("work", DAY, work))
    end = first.queue.end
    failed: list[int] = []

    def away(*given: Any) -> bool:
        if not failed:
            failed.append(1)
            raise OperationalError("UPDATE", None, Exception("away"))
        return end(*given)

    monkeypatch.setattr(first.queue, "end", away)
    monkeypatch.setattr(service, "AGAIN_SECONDS", 0.01)
    await first.jobs.start()
    await until(lambda: first.status().outcome)
    await first.jobs.stop(WAIT_SECONDS)
    assert (failed, first.status().outcome, work.runs) == ([1], "done", 1)


async def test_one_run_now_excludes_others(replica: Callable[..., Replica], work: Work) -> None:
    work.go_on.clear()
    first, second = replica("a", Job("work", DAY, work)), replica("b", Job("work", DAY, work))
    running = asyncio.create_task(first.jobs.run_now("clock", "work", actor="ada"))
    await work.run()
    with pytest.raises(BusyError, match="The job 'work' of plugin 'clock' is running"):
        await second.jobs.run_now("clock", "work", actor="bob")
    work.go_on.set()
    assert (await running).outcome == "done"
    with pytest.raises(NotFoundError, match=r"no job 'works'. Did you mean 'work'\?"):
        await first.jobs.run_now("clock", "works", actor="ada")


async def test_running_one_now_keeps_the_other_jobs_of_its_plugin(replica: Callable[..., Replica], work: Work) -> None:
    first = replica("a", Job("work", DAY, work), Job("other", DAY, print))
    await first.jobs.run_now("clock", "work", actor="ada")
    assert {run.job.name for run in first.queue.lease(9)} == {"other"}, "it is due, and still known"


async def test_wrong_jobs_are_a_failure_of_the_plugin(replica: Callable[..., Replica]) -> None:
    twice: Any = (Job("work", DAY, print), Job("work", DAY, print))
    first = replica("a", *twice)
    with pytest.raises(NotFoundError):
        await first.jobs.run_now("clock", "work", actor="ada")
    assert "not list of Job with different names" in first.host.failures("clock")[0].text
