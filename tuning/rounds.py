"""Rounds as durable workflows on the ``gpu`` queue (DBOS): a killed worker is an interruption, not a failure.

DBOS remembers which stages are done, in a database of its own (``dbos.db`` in the home) or in a schema of its own in
PostgreSQL. A worker has an identity that outlives its process (a locked slot of the home), so the next start takes up
what it left; what a lost worker left elsewhere is taken up by another once its heartbeat is stale. Nothing here loads a
model: stages that need one run in children (:mod:`tuning.children`).
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID

from bot.messages import now
from bot.store.models import WorkerRow
from tuning.round_book import HEARTBEAT_SECONDS, QUEUE, STALE_SECONDS, RoundBook
from tuning.slots import Slot, is_gone
from tuning.stages import STAGES, Carried, Stages

if TYPE_CHECKING:
    from bot.app import Mentee
    from bot.settings import Settings

WORKFLOW_VERSION = "rounds-1"
"""Changes whenever the order or the meaning of the stages does; a round is only continued by its own version."""

SCHEMA = "mentee_rounds"
TICK_SECONDS = 0.5
SCHEDULE_SECONDS = 60.0
MAX_RECOVERIES = 1_000
"""Interruptions carry no strike, so DBOS's own dead-letter limit is put out of the way."""

log = structlog.get_logger(__name__)


class RoundWorker:
    """Works on rounds in this process, one at a time. DBOS is one per process, and so is this.

    :param schedule: whether this process starts rounds that are due by schedule or threshold.
    """

    name = "rounds"

    def __init__(self, mentee: Mentee, *, schedule: bool = True) -> None:
        self.mentee = mentee
        self.book = RoundBook(mentee)
        self._schedule = schedule
        self._stopping = threading.Event()
        self._slot: Slot | None = None
        self._thread: threading.Thread | None = None
        self._active = 0
        self._idle = threading.Condition()

    @property
    def identity(self) -> str:
        """Name of the slot this process works in; the same again after a restart."""
        assert self._slot is not None
        return self._slot.name

    def launch(self) -> None:
        """Take a slot, launch DBOS (which takes up what this slot left behind) and begin to look for work."""
        global _worker  # noqa: PLW0603 - DBOS calls module-level functions and there is one DBOS per process
        self._slot = Slot(self.mentee.settings.home)
        _worker = self
        self._beat()
        DBOS(config=dbos_config(self.mentee.settings, self._slot.name))
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=TICK_SECONDS, on_conflict="always_update")
        self._thread = threading.Thread(target=self._work, name="rounds", daemon=True)
        self._thread.start()

    def shut_down(self) -> None:
        """Leave: a round under way is stopped where it is and goes on at the next launch."""
        global _worker  # noqa: PLW0603
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        with self._idle:
            self._idle.wait_for(lambda: self._active == 0, timeout=30)
        DBOS.destroy()
        with self.mentee.store.write() as session:
            if row := session.get(WorkerRow, self.identity):
                session.delete(row)
        if self._slot is not None:
            self._slot.release()
        _worker = None

    async def start(self) -> None:
        """Launch, for ``mentee serve`` and ``mentee worker``."""
        await self.mentee.store.run(self.launch)

    async def stop(self) -> None:
        """Shut down, likewise."""
        await self.mentee.store.run(self.shut_down)

    def stopping(self) -> bool:
        """Return whether this process is to end."""
        return self._stopping.is_set()

    def stages(self, round_id: str) -> Stages:
        """Return the stages of a round in this process."""
        return Stages(self.mentee, round_id, self.stopping)

    def entered(self, change: int) -> None:
        """Count the rounds that run here right now."""
        with self._idle:
            self._active += change
            self._idle.notify_all()

    def _work(self) -> None:
        beat_at = schedule_at = float("-inf")
        handed: set[str] = set()
        while not self._stopping.wait(TICK_SECONDS):
            moment = time.monotonic()
            try:
                if moment - beat_at >= HEARTBEAT_SECONDS:
                    beat_at = moment
                    self._beat()
                    self._take_up_lost()
                if self._schedule and moment - schedule_at >= SCHEDULE_SECONDS:
                    schedule_at = moment
                    self.book.start_due()
                for round_id in set(self.book.queued()) - handed:
                    with SetWorkflowID(round_id):  # another worker may do the same: an id is run once
                        DBOS.enqueue_workflow(QUEUE, run_round, round_id)
                    handed.add(round_id)
            except Exception:
                log.exception("round_worker_failed")  # the database may be away for a while; the next tick tries again

    def _beat(self) -> None:
        with self.mentee.store.write() as session:
            row = session.get(WorkerRow, self.identity) or WorkerRow(id=self.identity, queues=[QUEUE])
            row.queues, row.heartbeat_at = [QUEUE], now()
            session.add(row)

    def _take_up_lost(self) -> None:
        """Hand rounds whose worker fell silent back to the queue."""
        for status in DBOS.list_workflows(status="PENDING", load_input=False, load_output=False):
            executor = status.executor_id or ""
            if executor == self.identity:
                continue
            with self.mentee.store.read() as session:
                worker = session.get(WorkerRow, executor)
            stale = worker is None or worker.heartbeat_at < now() - timedelta(seconds=STALE_SECONDS)
            if stale or is_gone(self.mentee.settings.home, executor):
                log.warning("round_taken_up", round=status.workflow_id, lost_worker=executor)
                DBOS.resume_workflow(status.workflow_id, queue_name=QUEUE)


_worker: RoundWorker | None = None


@DBOS.workflow(name="round", max_recovery_attempts=MAX_RECOVERIES)
def run_round(round_id: str) -> Carried:
    """Run a round's stages in order; those that a worker before finished are not run again."""
    worker = _running_worker()
    book = worker.book
    row = book.get(round_id)
    worker.entered(+1)
    try:
        if row.state == "running":
            book.interrupted(round_id)
        book.update(round_id, state="running")
        carried: Carried = {}
        for stage in STAGES:
            carried |= run_stage(round_id, stage, carried)
            if "end" in carried:
                break
        if carried.get("end") == "finished":  # a refusal ends before its turn to be reported
            carried |= run_stage(round_id, "report", carried)
        finish_round(round_id, carried)
        return carried
    finally:
        worker.entered(-1)


@DBOS.step(name="stage")
def run_stage(round_id: str, stage: str, carried: Carried) -> Carried:
    """Run one stage; DBOS stores what it returns."""
    return _running_worker().stages(round_id).run(stage, carried)


@DBOS.step(name="finish")
def finish_round(round_id: str, carried: Carried) -> None:
    """Record the round's end."""
    _running_worker().stages(round_id).finish(carried)


def dbos_config(settings: Settings, executor: str) -> DBOSConfig:
    """Return DBOS's configuration for an instance: its own SQLite file, or its own schema in our PostgreSQL.

    State is kept as JSON, never pickled.
    """
    sqlite = settings.database_url.startswith("sqlite")
    url = f"sqlite:///{settings.home / 'dbos.db'}" if sqlite else settings.database_url
    return DBOSConfig(
        name="mentee",
        system_database_url=url,
        dbos_system_schema=SCHEMA,
        executor_id=executor,
        application_version=WORKFLOW_VERSION,
        serializer=DBOSPortableJSONSerializer(),
        log_level="WARNING",
        enable_otlp=False,
    )


def _running_worker() -> RoundWorker:
    assert _worker is not None
    return _worker
