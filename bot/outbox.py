"""The outbox: what must reach a channel is committed with the answer, then delivered, seen once.

Deliveries of one ``lane`` (a conversation place) keep their order, never run at the same time and begin at least
:data:`LANE_SECONDS` after the one before, in all replicas together; lanes do not wait for each other. ``attempts`` is
committed before a delivery begins, so a channel knows that an earlier one may have succeeded.

A channel that shows an answer while it is made begins with a *draft*: the row, without its content and delivered to
nobody. What the channel shows is noted there, so that whoever delivers the row completes it instead of posting it anew.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import aliased

from bot.messages import OutboxItem, now
from bot.store.leases import heartbeat, lease, put_back
from bot.store.models import OutboxRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

    from bot.store import Store

LANE_CHARACTERS = 255
LANE_SECONDS = 1.0
"""What Slack allows on the long run: one message a second in one conversation."""


class Outbox:
    """Holds deliveries until they are done; see :class:`bot.inbox.Inbox` for the parameters."""

    def __init__(self, store: Store, worker: str, lease_seconds: float) -> None:
        self._store = store
        self._worker = worker
        self._seconds = lease_seconds

    def begin(self, item: OutboxItem, *, lane: str) -> bool:
        """Commit a draft before anything of it is shown; ``False`` when somebody has begun or delivered it before."""
        with self._store.write() as session:
            if session.get(OutboxRow, item.id) is not None:
                return False
            session.add(self._row(item, lane, state="draft", draft={}))
        return True

    def shows(self, item_id: str, draft: Mapping[str, Any] | None) -> None:
        """Note what a channel shows of a delivery, in its own terms; see :attr:`bot.messages.OutboxItem.draft`."""
        with self._store.write() as session:
            row = session.get(OutboxRow, item_id, with_for_update=True)
            if row is not None and row.state != "sent":
                row.draft = dict(draft) if draft is not None else None

    def withdraw(self, item_id: str) -> bool:
        """Forget a draft that will get no content; ``False`` when it is gone, or has got some."""
        with self._store.write() as session:
            row = session.get(OutboxRow, item_id, with_for_update=True)
            if row is None or row.state != "draft":
                return False
            session.delete(row)
        return True

    def add(self, session: Session, item: OutboxItem, *, lane: str) -> None:
        """Add a delivery inside the caller's transaction, or give its draft the content.

        What is shown already is completed where it stands, beside the lane, and first of all by this worker.
        """
        row = session.get(OutboxRow, item.id, with_for_update=True)
        if row is None:
            session.add(self._row(item, lane, state="pending"))
            return
        row.kind, row.payload, row.answer_id, row.state = item.kind, dict(item.payload), item.answer_id, "pending"
        row.created_at = now()
        if row.draft:
            row.lane = f"{row.lane}:{row.id}"[:LANE_CHARACTERS]
        if row.draft is not None:  # also while its first message is still on its way to the channel
            row.leased_by, row.leased_until = self._worker, now() + timedelta(seconds=self._seconds)

    def lease(self, limit: int, channels: Collection[str]) -> list[OutboxItem]:
        """Take up to ``limit`` due deliveries of ``channels``, at most one of each lane, the lane's oldest first."""
        other = aliased(OutboxRow)
        lane = select(other.id).where(other.lane == OutboxRow.lane)
        earlier = (other.created_at < OutboxRow.created_at) | (
            (other.created_at == OutboxRow.created_at) & (other.id < OutboxRow.id)
        )
        unfinished = lane.where(other.sent_at.is_(None), other.state.in_(("pending", "leased")), earlier)
        just_sent = lane.where(other.sent_at > now() - timedelta(seconds=LANE_SECONDS))
        with self._store.write() as session:
            rows = lease(
                session,
                OutboxRow,
                waiting="pending",
                worker=self._worker,
                seconds=self._seconds,
                limit=limit,
                channels=channels,
                where=[~unfinished.exists(), ~just_sent.exists()],
            )
            return [_item(row) for row in rows]

    def heartbeat(self, ids: Sequence[str]) -> frozenset[str]:
        """Prolong the leases on ``ids``; return those that are still held."""
        return heartbeat(self._store, OutboxRow, ids, worker=self._worker, seconds=self._seconds)

    def sent(self, item: OutboxItem, reference: str) -> None:
        """Mark a delivery done; ``reference`` is the channel's own name of the post."""
        with self._store.write() as session:
            row = session.get(OutboxRow, item.id, with_for_update=True)
            if row is not None:
                row.state, row.reference, row.sent_at = "sent", reference, now()
                row.leased_by = row.leased_until = None

    def failed(self, item: OutboxItem, error: str, *, strike: bool = True, after: float = 1.0) -> bool:
        """Put a delivery back for a later try; return ``True`` when it is dead (:func:`bot.store.leases.put_back`)."""
        with self._store.write() as session:
            row = session.get(OutboxRow, item.id, with_for_update=True)
            if row is None or row.state in ("sent", "dead"):
                return False
            return put_back(row, "pending", error, strike=strike, after=after)

    def give_back(self, items: Sequence[OutboxItem]) -> None:
        """Hand leased deliveries back at once, without a strike: this process is stopping."""
        for item in items:
            self.failed(item, "", strike=False, after=0)

    def _row(self, item: OutboxItem, lane: str, **more: Any) -> OutboxRow:
        return OutboxRow(
            id=item.id,
            channel=item.channel,
            kind=item.kind,
            lane=f"{item.channel}:{lane}",
            address=dict(item.address),
            payload=dict(item.payload),
            answer_id=item.answer_id,
            **more,
        )

    def find_answer(self, channel: str, reference: str) -> str | None:
        """Return the id of the answer that was posted under ``reference``, or ``None``."""
        with self._store.read() as session:
            posted = select(OutboxRow.answer_id).where(
                OutboxRow.channel == channel, OutboxRow.reference == reference, OutboxRow.answer_id.is_not(None)
            )
            return session.scalar(posted)


def _item(row: OutboxRow) -> OutboxItem:
    earlier = row.attempts - 1
    return OutboxItem(row.channel, row.kind, row.address, row.payload, row.id, row.answer_id, earlier, row.draft)
