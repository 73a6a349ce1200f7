"""Runs the jobs of plugins: finds out which there are, takes those that are due, and stores what came of them."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.config.suggestions import did_you_mean
from bot.delivery.worker import QueueWorker
from bot.domain.errors import BusyError, NotFoundError
from bot.hooks.jobs.call import JobCall
from bot.hooks.jobs.queue import Ended, JobRun
from bot.observability.metrics import JOB_RUNS, JOB_SECONDS

if TYPE_CHECKING:
    from bot.delivery.worker import Lease
    from bot.domain.plugins.jobs import Job, JobStatus, Outcome
    from bot.hooks.host import PluginHost
    from bot.hooks.jobs.queue import JobQueue

HOOK = "register_jobs"
LOOK_SECONDS = 1.0
"""How often the switches of plugins are looked at."""

ASK_SECONDS = 60.0
"""How often a plugin is asked for its jobs, and how long one that is paused waits."""

AT_ONCE = 32
"""Jobs that one process runs at the same time."""

MOST_LOST = 3
"""Runs of one job whose process died, in a row, after which it waits for its next time: it may be what kills them."""

CANCEL_SECONDS = 1.0
"""How long cancelled work may take to end."""

AGAIN_SECONDS = 1.0
"""How long after a failure of the database a result is stored again."""

log = structlog.get_logger(__name__)


class Jobs:
    """The jobs of an instance. Start it once in a process that shall run what is due.

    :param instance: handed to ``register_jobs``.
    """

    def __init__(self, plugins: PluginHost, queue: JobQueue, instance: object) -> None:
        self._plugins = plugins
        self._queue = queue
        self._instance = instance
        self._threads: ThreadPoolExecutor | None = None
        self._worker = QueueWorker[JobRun](queue, self._handle, (), parallel=AT_ONCE)
        self._calls: dict[str, JobCall] = {}
        self._asked: dict[str, float] = {}
        self._following: asyncio.Task[None] | None = None
        queue.busy, queue.lost = self._calls.__contains__, self._cancel

    async def start(self) -> None:
        """Run what is due from now on."""
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="waits for jobs")
        self._following = asyncio.create_task(self._follow())
        await self._worker.start()

    async def stop(self, seconds: float) -> None:
        """Start no more runs and let those that run finish within ``seconds``; then cancel them.

        Other processes take up what was cancelled. What can't be cancelled is theirs once this process has ended.
        """
        self._worker.stop_taking()
        if self._following is not None:
            self._following.cancel()
        await self._idle(seconds)
        for job_id in [*self._calls]:
            self._cancel(job_id)
        await self._idle(CANCEL_SECONDS)
        await self._worker.stop()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def declared(self, plugin: str) -> list[Job]:
        """Return the jobs that a plugin has now. Blocking: asks the plugin."""
        return self._plugins.register_jobs(self._instance, plugin)

    def statuses(self, plugin: str) -> list[JobStatus]:
        """Return the jobs of a plugin that is on, and what is known of their runs. Blocking: asks the plugin."""
        return self._queue.statuses(plugin, self.declared(plugin))

    async def run_now(self, plugin: str, name: str, *, actor: str) -> Ended:
        """Run a job now, in this process, and return what came of it.

        Work that is given up at its time limit may go on; its job runs elsewhere once the lease has run out.

        :param actor: who asked for it, for the audit log.
        :raises NotFoundError: the plugin has no such job, or isn't on.
        :raises BusyError: it is running already, or the plugin is paused.
        """
        job, declared = await self._plugins.run(self._find, plugin, name)
        await asyncio.to_thread(self._queue.declare, plugin, declared)
        run = await asyncio.to_thread(self._queue.take_now, plugin, job, actor)
        if run is None:
            raise BusyError(f"The job {name!r} of plugin {plugin!r} is running.", retry_after=self._queue.lease_seconds)
        beating = asyncio.create_task(self._beat(run))
        try:
            ended = await self._run(run, wait=False)
        finally:
            beating.cancel()
        if ended is None:
            raise BusyError(f"Plugin {plugin!r} is paused after failures.", retry_after=ASK_SECONDS)
        return ended

    def _find(self, plugin: str, name: str) -> tuple[Job, list[Job]]:
        """Return a job, and all those of its plugin."""
        if not self._plugins.states.enabled(plugin, None):
            raise NotFoundError(f"Plugin {plugin!r} is off.", hint=f"Run `mentee plugins enable {plugin}` first.")
        jobs = {job.name: job for job in self.declared(plugin)}
        if name not in jobs:
            hint = f"Its jobs are: {', '.join(jobs)}." if jobs else f"`mentee plugins show {plugin}` may say why."
            raise NotFoundError(f"Plugin {plugin!r} has no job {name!r}.{did_you_mean(name, jobs)}", hint=hint)
        return jobs[name], list(jobs.values())

    async def _follow(self) -> None:
        while True:
            try:
                await self._plugins.run(self._look)
            except Exception as error:  # noqa: BLE001 - the database may be away for a while
                log.warning("jobs_not_looked_up", problem=type(error).__name__)
            await asyncio.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        """Ask plugins for their jobs: those that have just been switched on, and all from time to time."""
        for plugin in self._plugins.implementing(HOOK):
            if not self._plugins.states.enabled(plugin, None):
                self._asked.pop(plugin, None)
            elif time.monotonic() - self._asked.get(plugin, float("-inf")) >= ASK_SECONDS:
                self._asked[plugin] = time.monotonic()
                self._queue.declare(plugin, self.declared(plugin))

    async def _handle(self, run: JobRun, _lease: Lease) -> None:
        if run.interruptions >= MOST_LOST:
            problem = f"{run.interruptions} processes that ran it died"
            failed = partial(self._plugins.failed, run.plugin, f"job {run.job.name}", problem)
            await self._store(run, Ended("interrupted", error=await self._plugins.run(failed)))
        else:
            await self._run(run)

    async def _run(self, run: JobRun, *, wait: bool = True) -> Ended | None:
        """Run a job whose lease is held; return ``None`` if it was put off or cancelled.

        :param wait: whether to keep the lease while work that was given up goes on.
        """
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def ended() -> None:
            with suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(over.set)

        call, started = JobCall(run.job.run, ended), time.monotonic()
        self._calls[run.id] = call
        try:
            result = await loop.run_in_executor(self._threads, self._plugins.run_job, run.plugin, run.job, call)
            if result.skipped or (result.error is not None and (call.cancelled or not result.error.called)):
                pause = 0.0 if call.cancelled else min(ASK_SECONDS, run.job.every.total_seconds())
                await asyncio.to_thread(self._queue.postpone, run, pause)
                return None
            outcome: Outcome = "failed" if result.error is not None else "done"
            found = Ended(outcome, time.monotonic() - started, result.error, result.traceback)
            goes_on = result.error is not None and not over.is_set()
            await self._store(run, replace(found, held=goes_on))
            if goes_on and wait:
                await over.wait()
                await self._store(run, found)
        finally:
            if not call.going_on:
                del self._calls[run.id]
        JOB_RUNS.labels(run.plugin, run.job.name, found.outcome).inc()
        JOB_SECONDS.labels(run.plugin, run.job.name).observe(found.seconds)
        return found

    async def _store(self, run: JobRun, ended: Ended) -> None:
        """Store what came of a run, as soon as the database takes it."""
        while True:
            try:
                if not await asyncio.to_thread(self._queue.end, run, ended):
                    log.warning("job_lease_lost", plugin=run.plugin, job=run.job.name)
            except (SQLAlchemyError, BusyError) as error:
                log.warning("job_not_stored", plugin=run.plugin, job=run.job.name, problem=type(error).__name__)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return

    async def _beat(self, run: JobRun) -> None:
        while True:
            await asyncio.sleep(self._queue.lease_seconds / 3)
            with suppress(SQLAlchemyError, BusyError):
                await asyncio.to_thread(self._queue.heartbeat, [run.id])

    async def _idle(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._worker.idle()

    def _cancel(self, job_id: str) -> None:
        if call := self._calls.get(job_id):
            call.cancel()
