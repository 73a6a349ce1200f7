"""The outbox: what must reach a channel is committed with the answer, then delivered, seen once.

Deliveries of one ``lane`` (a conversation place) keep their order and never run at the same time; lanes do not wait
for each other. ``attempts`` is committed before a delivery begins, so a channel knows that an earlier one may
have succeeded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.orm import aliased

from bot.messages import OutboxItem
from bot.store.leases import heartbeat, lease, put_back
from bot.store.models import OutboxRow

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy.orm import Session

    from bot.store import Store


class Outbox:
    """Holds deliveries until they are done; see :class:`bot.inbox.Inbox` for the parameters."""

    def __init__(self, store: Store, worker: str, lease_seconds: float) -> None:
        self._store = store
        self._worker = worker
        self._seconds = lease_seconds

    def add(self, session: Session, item: OutboxItem, *, lane: str) -> None:
        """Add a delivery inside the caller's transaction."""
        session.add(
            OutboxRow(
                id=item.id,
                channel=item.channel,
                kind=item.kind,
                lane=f"{item.channel}:{lane}",
                address=dict(item.address),
                payload=dict(item.payload),
                answer_id=item.answer_id,
            )
        )

    def lease(self, limit: int, channels: Collection[str]) -> list[OutboxItem]:
        """Take up to ``limit`` due deliveries of ``channels``, at most one of each lane, the lane's oldest first."""
        earlier = aliased(OutboxRow)
        unfinished = (
            select(earlier.id)
            .where(
                earlier.lane == OutboxRow.lane,
                earlier.state.in_(("pending", "leased")),
                (earlier.created_at < OutboxRow.created_at)
                | ((earlier.created_at == OutboxRow.created_at) & (earlier.id < OutboxRow.id)),
            )
            .exists()
        )
        with self._store.write() as session:
            rows = lease(
                session,
                OutboxRow,
                waiting="pending",
                worker=self._worker,
                seconds=self._seconds,
                limit=limit,
                channels=channels,
                where=[~unfinished],
            )
            return [_item(row) for row in rows]

    def heartbeat(self, ids: Sequence[str]) -> int:
        """Prolong the leases on ``ids``; return how many are still held."""
        return heartbeat(self._store, OutboxRow, ids, worker=self._worker, seconds=self._seconds)

    def sent(self, item: OutboxItem, reference: str) -> None:
        """Mark a delivery done; ``reference`` is the channel's own name of the post."""
        with self._store.write() as session:
            row = session.get(OutboxRow, item.id, with_for_update=True)
            if row is not None:
                row.state, row.reference = "sent", reference
                row.leased_by = row.leased_until = None

    def failed(self, item: OutboxItem, error: str, *, strike: bool = True, after: float = 1.0) -> bool:
        """Put a delivery back for a later try; return ``True`` when it is dead (:func:`bot.store.leases.put_back`)."""
        with self._store.write() as session:
            row = session.get(OutboxRow, item.id, with_for_update=True)
            if row is None or row.state in ("sent", "dead"):
                return False
            return put_back(row, "pending", error, strike=strike, after=after)

    def find_answer(self, channel: str, reference: str) -> str | None:
        """Return the id of the answer that was posted under ``reference``, or ``None``."""
        with self._store.read() as session:
            posted = select(OutboxRow.answer_id).where(
                OutboxRow.channel == channel, OutboxRow.reference == reference, OutboxRow.answer_id.is_not(None)
            )
            return session.scalar(posted)


def _item(row: OutboxRow) -> OutboxItem:
    earlier = row.attempts - 1
    return OutboxItem(row.channel, row.kind, row.address, row.payload, row.id, row.answer_id, earlier)
