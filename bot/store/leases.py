"""Leases on rows of the inbox and the outbox: taken by one worker, kept by heartbeats, lost when the worker is gone.

A lost lease means that the worker was INTERRUPTED: the row is taken up again without a strike. Only a failure that the
worker itself reports counts, and :data:`STRIKES` of them make the row dead (as in procrastinate and Onyx).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, or_, select, update

from bot.messages import now

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session

    from bot.store import Store
    from bot.store.models import InboxRow, OutboxRow

STRIKES = 3
INTERRUPTIONS = 10
"""Lost leases after which a row is dead even without a strike: it may be what kills the workers."""


def lease(  # noqa: PLR0913 - one keyword for each rule of a lease
    session: Session,
    table: type[InboxRow | OutboxRow],
    *,
    waiting: str,
    worker: str,
    seconds: float,
    limit: int,
    channels: Collection[str],
    where: Sequence[Any] = (),
) -> list[Any]:
    """Take up to ``limit`` due rows of ``channels`` for ``worker``: waiting ones, and those whose lease ran out.

    A waiting row with a lease is kept for that worker, which can finish it best, until the lease runs out.
    """
    moment = now()
    free = or_(table.leased_by.is_(None), table.leased_by == worker, table.leased_until < moment)
    due = or_(
        and_(table.state == waiting, table.not_before <= moment, free),
        and_(table.state == "leased", table.leased_until < moment),
    )
    order = table.received_at if hasattr(table, "received_at") else table.created_at
    statement = (
        select(table)
        .where(due, table.channel.in_(channels), *where)
        .order_by(order, table.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows: list[Any] = []
    for row in list[Any](session.scalars(statement)):
        if row.state == "leased":
            row.interruptions += 1
        if row.interruptions >= INTERRUPTIONS:
            row.state, row.error = "dead", f"lost by {INTERRUPTIONS} workers"
            continue
        rows.append(row)
        row.state, row.leased_by, row.leased_until = "leased", worker, moment + timedelta(seconds=seconds)
        row.attempts += 1
    return rows


def heartbeat(
    store: Store, table: type[InboxRow | OutboxRow], ids: Sequence[str], *, worker: str, seconds: float
) -> frozenset[str]:
    """Prolong the worker's leases on ``ids``; return those it still holds."""
    held = and_(table.id.in_(ids), table.leased_by == worker, table.state == "leased")
    prolonged = update(table).where(held).values(leased_until=now() + timedelta(seconds=seconds)).returning(table.id)
    with store.write() as session:
        return frozenset(session.scalars(prolonged))


def put_back(row: InboxRow | OutboxRow, waiting: str, error: str, *, strike: bool, after: float) -> bool:
    """End a lease without success: the row waits for another try, or is dead; return whether it is dead.

    :param strike: whether the failure counts; being busy or interrupted does not.
    :param after: seconds until the next try.
    """
    row.error = error[:2000]
    row.strikes += int(strike)
    dead = row.strikes >= STRIKES
    row.state = "dead" if dead else waiting
    row.not_before = now() + timedelta(seconds=after)
    row.leased_by = row.leased_until = None
    return dead
