"""Replicas for the tests of jobs: each with a plugin host, a queue and a service of its own, on one database."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.hooks import specs
from bot.hooks.host import PluginHost
from bot.hooks.jobs.queue import JobQueue
from bot.hooks.jobs.service import Jobs
from bot.hooks.state import PluginStates
from bot.testing import WAIT_SECONDS
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.domain.plugins.jobs import Job, JobStatus
    from bot.storage.session import Store

OFTEN = timedelta(seconds=1)


class Replica:
    """One process's part of the jobs."""

    def __init__(self, store: Store, worker: str, *jobs: Job, lease_seconds: float = 15.0) -> None:
        plugin = make_plugin(register_jobs=lambda: list(jobs))
        self.host = PluginHost(PluginStates(store), specs, built_in=(), extra={"clock": plugin}, discover=False)
        enabled = self.host.states.enabled
        self.queue = JobQueue(store, worker, lease_seconds, lambda name: enabled(name, None))
        self.jobs = Jobs(self.host, self.queue, object())
        self.declared = jobs
        self.queue.declare("clock", jobs)

    def status(self) -> JobStatus:
        return self.queue.statuses("clock", self.declared)[0]

    def switch(self, *, on: bool) -> None:
        self.host.states.switch("clock", "", enabled=on, actor="test")

    def close(self) -> None:
        self.host.close()


@pytest.fixture
def replica(store: Store) -> Iterator[Callable[..., Replica]]:
    """Return a function that makes replicas on one database; they are closed at the end."""
    made: list[Replica] = []

    def make(worker: str, *jobs: Job, **more: Any) -> Replica:
        made.append(Replica(store, worker, *jobs, **more))
        return made[-1]

    yield make
    for each in made:
        each.close()


class Work:
    """What a job does in a test: it counts its runs, and waits where the test holds it."""

    def __init__(self) -> None:
        self.began = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.go_on.set()
        self.runs = 0
        self.at_once = 0
        self.most_at_once = 0
        self._lock = threading.Lock()

    def __call__(self) -> None:
        with self._lock:
            self.runs += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.began.release()
        self.go_on.wait(WAIT_SECONDS)
        with self._lock:
            self.at_once -= 1

    async def run(self, times: int = 1) -> None:
        """Wait until it has begun to run so often again."""
        for _ in range(times):
            assert await asyncio.to_thread(self.began.acquire, timeout=WAIT_SECONDS)


async def until(true: Callable[[], object]) -> None:
    """Wait until something blocking is true; it fails with a timeout."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.02)


@pytest.fixture
def work() -> Iterator[Work]:
    """What a job does; let go at the end."""
    made = Work()
    yield made
    made.go_on.set()
