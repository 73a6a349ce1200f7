"""Leases on rows of the inbox, the outbox, rounds and jobs: one worker's, kept by heartbeats, lost when it is gone.

A lost lease means that the worker was INTERRUPTED: the row is taken up again without a strike. Only a failure that the
worker itself reports counts, and :data:`STRIKES` of them make the row dead (as in procrastinate and Onyx).

All times are those of :mod:`bot.storage.clock`. Should they be impossible nevertheless, because the database's server
was set back or a machine started with a wrong time, no row waits longer than it could by right.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import object_session

from bot.domain.deliveries import Backlog
from bot.storage.clock import moment
from bot.storage.tables.leased import AT_ONCE, Leased

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from bot.storage.session import Store

STRIKES = 3
LONGEST_WAIT = 300.0
"""Seconds until the next try, at most."""
FAR = 4
"""A lease that lasts so many times longer than it can is cut; its worker, if there is one, prolongs it in time."""

Row = TypeVar("Row", bound=Leased)

log = structlog.get_logger(__name__)


def lease(  # noqa: PLR0913 - one keyword for each rule of a lease
    session: Session,
    table: type[Row],
    *,
    worker: str,
    seconds: float,
    limit: int,
    oldest: Any,
    where: Sequence[Any] = (),
    longest_wait: float = LONGEST_WAIT,
    more: int = 0,
) -> list[Row]:
    """Take up to ``limit`` due rows for ``worker``: waiting ones, and those whose lease ran out.

    A waiting row with a lease is kept for that worker, which can finish it best, until the lease runs out.

    :param oldest: column by which the oldest row comes first.
    :param where: conditions on the rows beside being due.
    :param longest_wait: seconds that a row can have to wait by right; with 0 no row has to.
    :param more: how often a row may still be taken after ``MOST_INTERRUPTIONS`` workers have lost it.
    """
    at = moment(session)
    end = at + timedelta(seconds=seconds)
    session.execute(update(table).where(is_too_long(table, at, seconds)).values(leased_until=end))
    due = is_due(table, worker, at, longest_wait)
    statement = (
        select(table).where(due, *where).order_by(oldest, table.id).limit(limit).with_for_update(skip_locked=True)
    )
    rows: list[Row] = []
    for row in list(session.scalars(statement)):
        if row.state == row.HELD:
            row.interruptions += 1
        if row.MOST_INTERRUPTIONS is not None and row.interruptions >= row.MOST_INTERRUPTIONS + more:
            row.state, row.error = row.DEAD, f"lost by {row.interruptions} workers"
            log.error("lost_for_good", table=table.__name__, item=row.id, workers=row.interruptions)
            continue
        rows.append(row)
        row.state, row.leased_by, row.leased_until = row.HELD, worker, end
        row.attempts += 1
    return rows


def is_too_long(table: type[Leased], at: datetime, seconds: float) -> ColumnElement[bool]:
    """Return the condition of leases that last longer than they can; :func:`lease` cuts them."""
    return table.leased_until > at + timedelta(seconds=FAR * seconds)


def is_due(table: type[Leased], worker: str, at: datetime, longest_wait: float) -> ColumnElement[bool]:
    """Return the condition of rows that ``worker`` may take at a time; see :func:`lease`."""
    free = or_(table.leased_by.is_(None), table.leased_by == worker, table.leased_until < at)
    waited = or_(table.not_before <= at, table.not_before > at + timedelta(seconds=longest_wait))
    waiting = and_(table.state == table.WAITING, waited, free)
    return or_(waiting, and_(table.state == table.HELD, table.leased_until < at))


def heartbeat(store: Store, table: type[Leased], ids: Sequence[str], *, worker: str, seconds: float) -> frozenset[str]:
    """Prolong the worker's leases on ``ids``; return those it still holds."""
    held = and_(table.id.in_(ids), table.leased_by == worker, table.state == table.HELD)
    with store.write() as session:
        end = moment(session) + timedelta(seconds=seconds)
        prolonged = update(table).where(held).values(leased_until=end).returning(table.id)
        return frozenset(session.scalars(prolonged))


def backlog(session: Session, table: type[Leased], since: Any) -> Backlog:
    """Return how much of a queue is left.

    :param since: the column that says when a row came.
    """
    counted = select(table.state, func.count(), func.min(since)).group_by(table.state)
    rows = {state: (count, oldest) for state, count, oldest in session.execute(counted)}
    waiting, leased, dead = (rows.get(state, (0, None)) for state in (table.WAITING, table.HELD, table.DEAD))
    oldest = min((first for _, first in (waiting, leased) if first is not None), default=None)
    return Backlog(waiting[0], leased[0], dead[0], oldest)


def put_back(row: Leased, error: str = "", *, strike: bool, after: float) -> bool:
    """End a lease without success: the row waits for another try, or is dead; return whether it is dead.

    :param strike: whether the failure counts; being busy or interrupted does not.
    :param after: seconds until the next try, up to :data:`LONGEST_WAIT`.
    """
    row.error = error[:2000]
    row.strikes += int(strike)
    dead = row.strikes >= STRIKES
    row.state = row.DEAD if dead else row.WAITING
    row.not_before = _moment_of(row) + timedelta(seconds=min(after, LONGEST_WAIT)) if after > 0 else AT_ONCE
    row.leased_by = row.leased_until = None
    return dead


def is_held(row: Leased, worker: str) -> bool:
    """Return whether a row is leased by ``worker``, which may have lost the lease to another."""
    return row.state == row.HELD and row.leased_by == worker


def _moment_of(row: Leased) -> datetime:
    session = object_session(row)
    assert session is not None, "a row is put back in the transaction that read it"
    return moment(session)
