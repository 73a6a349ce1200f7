"""The jobs in the database: when each is due, which process runs it, and what became of its last run.

All processes share the table, and a job's lease says which one of them runs it. The process keeps the lease for as long
as the work goes on, even if it was given up, so that a job never overlaps with itself. What is due is measured by
:mod:`bot.storage.clock`; times of day are those of the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import and_, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from bot.access.audit import note_change
from bot.domain.identifiers import now
from bot.domain.plugins.jobs import JobStatus
from bot.storage.clock import moment
from bot.storage.leases import heartbeat, is_due, is_held, is_too_long, lease
from bot.storage.tables.plugins import JobRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from sqlalchemy.orm import Session

    from bot.domain.errors import PluginError
    from bot.domain.plugins.jobs import Job, Outcome
    from bot.storage.session import Store

ERROR_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class JobRun:
    """A run that this process holds the lease of.

    :param due: when it was due by the clock of leases; later than ``started`` if it was asked for.
    :param interruptions: how often the process that ran it before has died.
    """

    id: str
    plugin: str
    job: Job
    due: datetime
    started: datetime
    interruptions: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a run.

    :param held: whether its work still goes on, so that it must not begin again.
    """

    outcome: Outcome
    seconds: float = 0.0
    error: PluginError | None = None
    traceback: str = ""
    held: bool = False


class JobQueue:
    """Implements :class:`bot.delivery.worker.Queue`. Everything here is blocking.

    :param worker: this process's identity.
    :param lease_seconds: how long a lease lasts without a heartbeat.
    :param enabled: returns whether a plugin acts anywhere.

    ``known`` are the plugins' jobs by id. ``busy`` says of an id whether this process works on its run, and ``lost`` is
    told of each run whose lease it has lost.
    """

    def __init__(self, store: Store, worker: str, lease_seconds: float, enabled: Callable[[str], bool]) -> None:
        self._store = store
        self._worker = worker
        self._enabled = enabled
        self.lease_seconds = lease_seconds
        self.known: dict[str, tuple[str, Job]] = {}
        self.busy: Callable[[str], bool] = lambda _: False
        self.lost: Callable[[str], object] = lambda _: None

    def declare(self, plugin: str, jobs: Sequence[Job]) -> None:
        """Take over which jobs a plugin has now. One that is new in the database is due for the first time."""
        named = {f"{plugin}/{job.name}": (plugin, job) for job in jobs}
        insert = sqlite.insert if self._store.is_sqlite else postgresql.insert
        with self._store.read() as session:
            there = set(session.scalars(select(JobRow.id).where(JobRow.id.in_(named))))
        if new := named.keys() - there:
            with self._store.write() as session:
                for each in new:
                    due = moment(session) + (named[each][1].first(now()) - now())
                    session.execute(insert(JobRow).values(id=each, not_before=due).on_conflict_do_nothing())
        gone = {each for each, (owner, _) in self.known.items() if owner == plugin} - named.keys()
        self.known = {each: found for each, found in self.known.items() if each not in gone} | named

    def lease(self, limit: int, _channels: Collection[str] = ()) -> list[JobRun]:
        """Take up to ``limit`` of the due jobs whose plugins are on. Jobs are of no channel."""
        idle = {each: found for each, found in self.known.items() if not self.busy(each)}
        on = {each: found for each, found in idle.items() if self._enabled(found[0])}
        if not on:
            return []
        with self._store.read() as session:
            at = moment(session)
            conditions = [
                and_(JobRow.id == each, is_due(JobRow, self._worker, at, job.every.total_seconds()))
                for each, (_, job) in on.items()
            ]
            stuck = and_(JobRow.id.in_(on), is_too_long(JobRow, at, self.lease_seconds))
            due = session.scalars(select(JobRow.id).where(or_(*conditions, stuck)).order_by(JobRow.not_before)).all()
        return [run for each in due[:limit] if (run := self._take(each, *on[each])) is not None]

    def take_now(self, plugin: str, job: Job, actor: str) -> JobRun | None:
        """Take a job that need not be due; ``None`` if it is running.

        :param actor: who asked for it, for the audit log.
        """
        return self._take(f"{plugin}/{job.name}", plugin, job, actor)

    def _take(self, job_id: str, plugin: str, job: Job, actor: str = "") -> JobRun | None:
        longest = 0.0 if actor else job.every.total_seconds()
        with self._store.write() as session:
            rows = lease(
                session,
                JobRow,
                worker=self._worker,
                seconds=self.lease_seconds,
                limit=1,
                oldest=JobRow.not_before,
                where=[JobRow.id == job_id],
                longest_wait=longest,
            )
            for row in rows:
                if actor:
                    note_change(session, actor=actor, action="plugin.run", subject=plugin, detail={"job": job.name})
                row.last_at, started = now(), moment(session)
                due = row.not_before if row.not_before <= started + job.every else started
                return JobRun(job_id, plugin, job, due, started, row.interruptions)
        return None

    def heartbeat(self, ids: Sequence[str]) -> frozenset[str]:
        """Renew the leases on ``ids``; return those still held."""
        held = heartbeat(self._store, JobRow, ids, worker=self._worker, seconds=self.lease_seconds)
        for each in set(ids) - held:
            self.lost(each)
        return held

    def give_back(self, items: Sequence[JobRun]) -> None:
        """Let other processes run these at once. Where work goes on in a thread, the lease ends with this process."""
        for item in items:
            if not self.busy(item.id):
                self.postpone(item, 0.0)

    def postpone(self, run: JobRun, seconds: float) -> None:
        """Hand back a run that was not made, or not to its end: it is due as before, but not within ``seconds``."""
        with self._store.write() as session:
            if row := self._held(session, run):
                if seconds:
                    row.not_before = moment(session) + timedelta(seconds=seconds)
                _release(row)

    def end(self, run: JobRun, ended: Ended) -> bool:
        """Store what came of a run and when the next one is due; ``False`` if this process has lost the lease."""
        with self._store.write() as session:
            row = self._held(session, run)
            if row is None:
                return False
            row.outcome, row.seconds = ended.outcome, ended.seconds
            if ended.error is not None:
                row.error, row.error_at = ended.error.text[:ERROR_CHARS], now()
            if not ended.held:
                ahead = now() - moment(session)  # of the clock of leases; what has a time of day goes by the machine's
                row.not_before = run.job.following(run.due + ahead, run.started + ahead, now()) - ahead
                _release(row)
            return True

    def statuses(self, plugin: str, jobs: Sequence[Job]) -> list[JobStatus]:
        """Return what is known of a plugin's jobs."""
        with self._store.read() as session:
            at, present = moment(session), now()
            found = {row.id: row for row in session.scalars(select(JobRow))}
            rows = [(job, found.get(f"{plugin}/{job.name}")) for job in jobs]
            return [_status(plugin, job, row, at, present) for job, row in rows]

    def _held(self, session: Session, run: JobRun) -> JobRow | None:
        row = session.get(JobRow, run.id, with_for_update=True)
        return row if row is not None and is_held(row, self._worker) else None


def _release(row: JobRow) -> None:
    row.state, row.leased_by, row.leased_until, row.interruptions = row.WAITING, None, None, 0


def _status(plugin: str, job: Job, row: JobRow | None, at: datetime, present: datetime) -> JobStatus:
    """Return a job's status.

    :param at: now by the clock of leases, and ``present`` by that of the machine.
    """
    if row is None:
        return JobStatus(plugin, job.name, job.every)
    held = row.state == row.HELD and row.leased_until is not None and row.leased_until >= at
    running = (row.leased_by or "") if held else ""
    return JobStatus(
        plugin,
        job.name,
        job.every,
        running,
        row.last_at,
        row.seconds,
        row.outcome,
        max(row.not_before + (present - at), present),
        row.error,
        row.error_at,
    )
