"""The records of rounds. A round is ``queued``, then ``running`` while a worker holds its lease, then ended.

A worker that stops puts its round back into the queue. If a worker is killed, its lease expires and another worker
continues the round: an interruption, not a failure. Only the worker that holds a round can change it, so a worker that
was suspended and wakes up can't do harm. All methods block.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from bot.access.audit import note_change
from bot.domain.errors import MenteeError, NotFoundError
from bot.domain.identifiers import new_id, now
from bot.storage.clock import moment
from bot.storage.leases import heartbeat, lease, put_back
from bot.storage.tables.training import DatasetRowRow, HeldOutRow, RoundMetricRow, RoundRow, WorkerRow
from tuning.rounds.champions import was_champion

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy.orm import Session

    from bot.access.departments import Departments
    from bot.storage.session import Store

UNDER_WAY = ("queued", "running")
QUEUE = "gpu"
RETRY_SECONDS = 60.0
POLL_SECONDS = 0.2


class NotHeldError(Exception):
    """The worker no longer holds the round: it was cancelled, or another worker continues it."""


class RoundStore:
    """The rounds of one instance.

    :param worker: this process's identity.
    :param lease_seconds: how long a lease lasts without a heartbeat.
    """

    def __init__(self, store: Store, departments: Departments, worker: str, lease_seconds: float) -> None:
        self.lease_seconds = lease_seconds
        self._store = store
        self._departments = departments
        self._worker = worker

    def start(self, department: str, *, actor: str, round_id: str | None = None) -> RoundRow:
        """Queue a round for a department. A worker that serves the ``gpu`` queue runs it.

        :param round_id: derived from a scheduled time, so that two schedulers start only one round.
        :raises NotFoundError: there is no such department.
        :raises MenteeError: it has an unfinished round.
        """
        policy = self._departments.get(department).tuning.model_dump()
        row = RoundRow(id=round_id or new_id("r"), department=department, started_by=actor, policy=policy)
        try:
            with self._store.write() as session:
                session.add(row)
                session.flush()
                note_change(
                    session, actor=actor, action="round.start", subject=row.id, detail={"department": department}
                )
        except IntegrityError:
            running = next((each.id for each in self.all(department) if each.state in UNDER_WAY), round_id)
            raise MenteeError(
                f"A round of {department!r} is already running: {running}.",
                hint=f"`mentee round show {running}` shows its progress; `mentee round cancel {running}` cancels it.",
            ) from None
        return row

    def get(self, round_id: str) -> RoundRow:
        """Return a round.

        :raises NotFoundError: there is none of that id.
        """
        with self._store.read() as session:
            row = session.get(RoundRow, round_id)
        if row is None:
            raise NotFoundError(f"There is no round {round_id!r}.", hint="Run `mentee round list` to see all rounds.")
        return row

    def all(self, department: str | None = None) -> list[RoundRow]:
        """Return rounds, newest first."""
        query = select(RoundRow).order_by(RoundRow.created_at.desc())
        if department is not None:
            query = query.where(RoundRow.department == department)
        with self._store.read() as session:
            return list(session.scalars(query))

    def cancel(self, round_id: str, *, actor: str, live: bool = False) -> None:
        """Cancel a round. Its worker stops within a second, and nothing of it goes live.

        :param live: cancel it even if its adapter is live already.
        :raises MenteeError: it has ended already, or its adapter is live.
        """
        self.get(round_id)
        with self._store.write() as session:
            row = session.get_one(RoundRow, round_id, with_for_update=True)
            if row.state not in UNDER_WAY:
                raise MenteeError(f"Round {round_id} is {row.state}; only unfinished rounds can be cancelled.")
            if not live and row.adapter is not None and was_champion(session, row.adapter):
                raise MenteeError(
                    f"Round {round_id} has already put {row.adapter} live; only its report is left to write.",
                    hint=f"`mentee adapters rollback --department {row.department}` takes the adapter back.",
                )
            row.reason = f"cancelled by {actor}"
            _end(row, "cancelled")
            note_change(session, actor=actor, action="round.cancel", subject=round_id)

    @contextmanager
    def deciding(self, round_id: str, approval: Literal["approved", "rejected"], *, actor: str) -> Iterator[Session]:
        """Open the transaction that records an operator's decision, with whatever the block adds to it.

        :raises MenteeError: the round doesn't wait for a decision, or not any more.
        """
        with self._store.write() as session:
            row = session.get_one(RoundRow, round_id, with_for_update=True)
            check_waiting(row)
            row.approval = approval
            detail = {"adapter": row.adapter}
            note_change(session, actor=actor, action=f"round.{approval}", subject=round_id, detail=detail)
            yield session

    def take(self) -> RoundRow | None:
        """Lease the oldest round that is queued or whose lease has expired."""
        with self._store.write() as session:
            rows = lease(
                session,
                RoundRow,
                worker=self._worker,
                seconds=self.lease_seconds,
                limit=1,
                oldest=RoundRow.created_at,
            )
            return next(iter(rows), None)

    def held(self, round_id: str) -> bool:
        """Return whether this worker still holds a round."""
        row = self.get(round_id)
        return (row.state, row.leased_by) == ("running", self._worker)

    @contextmanager
    def holding(self, round_id: str) -> Iterator[Session]:
        """Open a transaction in which this worker holds a round; nobody can cancel it until the block ends.

        :raises NotHeldError: this worker does not hold it.
        """
        with self._store.write() as session:
            row = session.get(RoundRow, round_id, with_for_update=True)
            if row is None or (row.state, row.leased_by) != ("running", self._worker):
                raise NotHeldError(round_id)
            yield session

    @contextmanager
    def changing(self, round_id: str) -> Iterator[RoundRow]:
        """Yield a round to change; changes are committed at the end of the block.

        :raises NotHeldError: this worker does not hold it.
        """
        with self.holding(round_id) as session:
            yield session.get_one(RoundRow, round_id)

    def update(self, round_id: str, **columns: Any) -> None:
        """Set columns of a round; see :meth:`changing`."""
        with self.changing(round_id) as row:
            for name, value in columns.items():
                setattr(row, name, value)

    def end(self, round_id: str, state: str) -> None:
        """End a round as ``finished`` or ``failed``."""
        with self.changing(round_id) as row:
            _end(row, state)

    def give_back(self, round_id: str) -> None:
        """Put a round back into the queue, without a strike, because this process is stopping."""
        with self.changing(round_id) as row:
            put_back(row, strike=False, after=0)

    def strike(self, round_id: str, error: str) -> None:
        """Put a round back after the worker failed. After too many strikes, the round fails."""
        with self.changing(round_id) as row:
            if put_back(row, error, strike=True, after=RETRY_SECONDS):
                row.reason = error
                _end(row, "failed")

    def beat(self, round_id: str | None) -> None:
        """Record that this worker serves the queue, and extend its lease on a round."""
        with self._store.write() as session:
            at, day = moment(session), timedelta(days=1)
            session.merge(WorkerRow(id=self._worker, queues=[QUEUE], heartbeat_at=at))
            session.execute(delete(WorkerRow).where(~WorkerRow.heartbeat_at.between(at - day, at + day)))
        if round_id is not None:
            heartbeat(self._store, RoundRow, [round_id], worker=self._worker, seconds=self.lease_seconds)

    def leave(self) -> None:
        """Record that this worker no longer serves the queue."""
        with self._store.write() as session:
            session.execute(delete(WorkerRow).where(WorkerRow.id == self._worker))

    def worker_alive(self) -> bool:
        """Return whether any process serves the queue. A killed one counts until its heartbeat is stale."""
        return bool(self._beats())

    def worker_answers(self) -> bool:
        """Wait for the next heartbeat of any worker. Return ``False`` if all heartbeats become stale."""
        before = self._beats()
        while beats := self._beats():
            if beats - before:
                return True
            time.sleep(POLL_SECONDS)
        return False

    def add_metric(self, round_id: str, name: str, step: int, value: float) -> None:
        """Record a metric. A step that is repeated after an interruption replaces its earlier value."""
        with self._store.write() as session:
            session.merge(RoundMetricRow(round_id=round_id, name=name, step=step, value=value))

    def metrics(self, round_id: str) -> dict[str, list[tuple[int, float]]]:
        """Return the recorded metrics by name, as (step, value) in order."""
        query = select(RoundMetricRow).where(RoundMetricRow.round_id == round_id).order_by(RoundMetricRow.step)
        found: dict[str, list[tuple[int, float]]] = {}
        with self._store.read() as session:
            for row in session.scalars(query):
                found.setdefault(row.name, []).append((row.step, row.value))
        return found

    def looks(self, round_id: str) -> int:
        """Return how often the current held-out questions have judged a challenger, including this round."""
        department = self.get(round_id).department
        with self._store.read() as session:
            frozen = session.scalar(select(func.max(HeldOutRow.frozen_at)).where(HeldOutRow.department == department))
        finished = [row for row in self.all(department) if row.state == "finished" and row.metrics and row.finished_at]
        return 1 + sum(1 for row in finished if frozen is None or (row.finished_at and row.finished_at > frozen))

    def voters(self, dataset: str | None) -> tuple[str, ...]:
        """Return the people whose votes or corrections are in a dataset."""
        people = select(DatasetRowRow.people).where(DatasetRowRow.dataset == dataset)
        with self._store.read() as session:
            return tuple(sorted({person for each in session.scalars(people) for person in each}))

    def _beats(self) -> set[tuple[str, datetime]]:
        """Return the workers that serve the queue, each with its last heartbeat."""
        age = timedelta(seconds=self.lease_seconds)
        with self._store.read() as session:
            at = moment(session)
            fresh = session.scalars(select(WorkerRow).where(WorkerRow.heartbeat_at.between(at - age, at + age)))
            return {(worker.id, worker.heartbeat_at) for worker in fresh if QUEUE in worker.queues}


def check_waiting(row: RoundRow) -> None:
    """Check that a round waits for an operator's decision.

    :raises MenteeError: it doesn't.
    """
    if (row.state, row.approval) != ("finished", "waiting"):
        said = row.approval if row.approval and row.approval != "waiting" else row.state
        raise MenteeError(
            f"Round {row.id} is {said}; it doesn't wait for approval.", hint="`mentee round list` shows which do."
        )


def _end(row: RoundRow, state: str) -> None:
    row.state, row.finished_at = state, now()
    row.leased_by = row.leased_until = None
