"""The rounds on record: starting, listing and cancelling them, and when one is due by itself. Plain database work."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from bot.errors import MenteeError, NotFoundError
from bot.messages import new_id, now
from bot.store.models import AnswerRow, AuditRow, HeldOutRow, RoundMetricRow, RoundRow, VoteRow, WorkerRow
from tuning.slots import is_gone

if TYPE_CHECKING:
    from datetime import datetime

    from bot.app import Mentee
    from bot.departments import Department

UNDER_WAY = ("queued", "running")
QUEUE = "gpu"
HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 30.0
CATCH_UP = timedelta(hours=1)
"""A scheduled time that passed while nothing ran is still kept this long."""

log = structlog.get_logger(__name__)


class RoundBook:
    """The rounds of one instance."""

    def __init__(self, mentee: Mentee) -> None:
        self._mentee = mentee
        self._store = mentee.store

    def start(self, department: str, *, actor: str, round_id: str | None = None) -> RoundRow:
        """Queue a round of a department; a worker of the ``gpu`` queue takes it up.

        :param round_id: identity of a schedule's tick, so that two schedulers start one round.
        :raises NotFoundError: there is no such department.
        :raises MenteeError: a round of it is under way already.
        """
        policy = self._mentee.departments.get(department).tuning.model_dump()
        row = RoundRow(id=round_id or new_id("r"), department=department, started_by=actor, policy=policy, metrics={})
        try:
            with self._store.write() as session:
                session.add(row)
                session.flush()
                session.add(
                    AuditRow(actor=actor, action="round.start", subject=row.id, detail={"department": department})
                )
        except IntegrityError:
            running = next((r.id for r in self.all(department) if r.state in UNDER_WAY), round_id)
            raise MenteeError(
                f"A round of {department!r} is under way already: {running}.",
                hint=f"`mentee round show {running}` tells how far it is; `mentee round cancel {running}` ends it.",
            ) from None
        return self.get(row.id)

    def get(self, round_id: str) -> RoundRow:
        """Return a round.

        :raises NotFoundError: there is none of that id.
        """
        with self._store.read() as session:
            row = session.get(RoundRow, round_id)
        if row is None:
            raise NotFoundError(f"There is no round {round_id!r}.", hint="`mentee round list` shows all rounds.")
        return row

    def all(self, department: str | None = None) -> list[RoundRow]:
        """Return rounds, newest first."""
        query = select(RoundRow).order_by(RoundRow.created_at.desc())
        if department is not None:
            query = query.where(RoundRow.department == department)
        with self._store.read() as session:
            return list(session.scalars(query))

    def queued(self) -> list[str]:
        """Return the ids of the rounds that wait for a worker, oldest first."""
        query = select(RoundRow.id).where(RoundRow.state == "queued").order_by(RoundRow.created_at)
        with self._store.read() as session:
            return list(session.scalars(query))

    def running(self) -> list[str]:
        """Return the ids of the rounds that a worker has taken up."""
        with self._store.read() as session:
            return list(session.scalars(select(RoundRow.id).where(RoundRow.state == "running")))

    def update(self, round_id: str, **columns: Any) -> None:
        """Set columns of a round; one that was cancelled stays cancelled."""
        with self._store.write() as session:
            row = session.get_one(RoundRow, round_id)
            for name, value in columns.items():
                if name != "state" or row.state != "cancelled":
                    setattr(row, name, value)

    def interrupted(self, round_id: str) -> None:
        """Count one interruption: the work goes on from where it was, without a strike."""
        with self._store.write() as session:
            session.get_one(RoundRow, round_id).interruptions += 1

    def cancel(self, round_id: str, *, actor: str) -> None:
        """Cancel a round; its worker stops within a second and nothing of it goes live.

        :raises MenteeError: it has ended already.
        """
        if (state := self.get(round_id).state) not in UNDER_WAY:
            raise MenteeError(f"Round {round_id} is {state}; only a round under way can be cancelled.")
        with self._store.write() as session:
            row = session.get_one(RoundRow, round_id)
            row.state, row.finished_at, row.reason = "cancelled", now(), f"cancelled by {actor}"
            session.add(AuditRow(actor=actor, action="round.cancel", subject=round_id))

    def add_metric(self, round_id: str, name: str, step: int, value: float) -> None:
        """Record a number of a round; a step done again after an interruption replaces its own number."""
        with self._store.write() as session:
            session.merge(RoundMetricRow(round_id=round_id, name=name, step=step, value=value))

    def metrics(self, round_id: str) -> dict[str, list[tuple[int, float]]]:
        """Return the recorded numbers by name as (step, value), in order of steps."""
        query = select(RoundMetricRow).where(RoundMetricRow.round_id == round_id).order_by(RoundMetricRow.step)
        found: dict[str, list[tuple[int, float]]] = {}
        with self._store.read() as session:
            for row in session.scalars(query):
                found.setdefault(row.name, []).append((row.step, row.value))
        return found

    def looks(self, round_id: str) -> int:
        """Return how often the department's held-out questions, as they are now, have judged, this round included."""
        row = self.get(round_id)
        with self._store.read() as session:
            frozen = session.scalar(
                select(func.max(HeldOutRow.frozen_at)).where(HeldOutRow.department == row.department)
            )
            finished = session.execute(
                select(RoundRow.id, RoundRow.metrics, RoundRow.finished_at).where(
                    RoundRow.department == row.department, RoundRow.state == "finished"
                )
            ).all()
        return 1 + sum(
            1 for _, metrics, at in finished if metrics and at is not None and (frozen is None or at > frozen)
        )

    def worker_alive(self) -> bool:
        """Return whether some process works on the ``gpu`` queue."""
        with self._store.read() as session:
            query = select(WorkerRow).where(WorkerRow.heartbeat_at > now() - timedelta(seconds=STALE_SECONDS))
            workers = [worker.id for worker in session.scalars(query) if QUEUE in worker.queues]
        return not all(is_gone(self._mentee.settings.home, worker) for worker in workers)

    def start_due(self) -> list[str]:
        """Start the rounds that a department's schedule or vote threshold asks for now; return their ids."""
        started = []
        for department in self._mentee.departments.all():
            reason = self._due(department)
            if reason is None:
                continue
            digest = hashlib.sha256(f"{department.name} {reason}".encode()).hexdigest()[:32]
            try:
                started.append(self.start(department.name, actor=f"mentee: {reason}", round_id=f"r_{digest}").id)
            except MenteeError:
                continue  # one is under way, or another scheduler was quicker
        return started

    def _due(self, department: Department) -> str | None:
        if tick := self._tick(department):
            return f"schedule {tick.isoformat()}"
        threshold = department.tuning.threshold
        if threshold:
            newest = next(iter(self.all(department.name)), None)
            votes = self._votes_since(department.name, newest.created_at if newest else None)
            if votes >= threshold:
                return f"threshold after {newest.id if newest else 'the start'}"
        return None

    def _tick(self, department: Department) -> datetime | None:
        if not department.tuning.schedule:
            return None
        from croniter import CroniterError, croniter  # type: ignore[import-untyped]

        moment = now()
        try:
            tick: datetime = croniter(department.tuning.schedule, moment).get_prev(type(moment))
        except CroniterError as error:
            log.warning("schedule_unusable", department=department.name, problem=str(error))
            return None
        return tick if moment - tick < CATCH_UP else None

    def _votes_since(self, department: str, since: datetime | None) -> int:
        query = (
            select(func.count())
            .select_from(VoteRow)
            .join(AnswerRow, AnswerRow.id == VoteRow.answer_id)
            .where(AnswerRow.department == department)
        )
        if since is not None:
            query = query.where(VoteRow.at > since)
        with self._store.read() as session:
            return session.scalar(query) or 0
