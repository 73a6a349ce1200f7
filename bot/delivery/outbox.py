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

from sqlalchemy import or_, select
from sqlalchemy.orm import aliased

from bot.domain.deliveries import Backlog, OutboxEntry, OutboxItem, delivery_id
from bot.storage.clock import moment
from bot.storage.leases import backlog, heartbeat, is_held, lease, put_back
from bot.storage.tables.answers import AnswerRow
from bot.storage.tables.delivery import OutboxRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

    from bot.storage.session import Store

LANE_CHARACTERS = 255
LANE_SECONDS = 1.0
"""Slack's sustained limit: one message per second in a conversation."""


class Outbox:
    """Holds deliveries until they are done; see :class:`bot.delivery.inbox.Inbox` for the parameters."""

    def __init__(self, store: Store, worker: str, lease_seconds: float) -> None:
        self._store = store
        self._worker = worker
        self.lease_seconds = lease_seconds

    def begin(self, item: OutboxItem, *, lane: str) -> bool:
        """Commit a draft before any of it is shown; ``False`` if it was already begun or delivered."""
        with self._store.write() as session:
            if session.get(OutboxRow, item.id) is not None:
                return False
            session.add(self._row(session, item, lane, state="draft", draft={}))
        return True

    def shows(self, item_id: str, draft: Mapping[str, Any] | None) -> None:
        """Store what a channel shows of a delivery, in its own terms (``OutboxItem.draft``)."""
        with self._store.write() as session:
            row = session.get(OutboxRow, item_id, with_for_update=True)
            if row is not None and row.state != "sent":
                row.draft = dict(draft) if draft is not None else None

    def withdraw(self, item_id: str) -> bool:
        """Delete a draft that will get no content; ``False`` if it is gone or has content."""
        with self._store.write() as session:
            row = session.get(OutboxRow, item_id, with_for_update=True)
            if row is None or row.state != "draft":
                return False
            session.delete(row)
        return True

    def add(self, session: Session, item: OutboxItem, *, lane: str) -> None:
        """Add a delivery inside the caller's transaction, or add the content to its draft.

        What is shown already is completed where it stands, beside the lane, and first of all by this worker.
        """
        row = session.get(OutboxRow, item.id, with_for_update=True)
        if row is None:
            session.add(self._row(session, item, lane, state="pending"))
            return
        row.kind, row.payload, row.answer_id, row.state = item.kind, dict(item.payload), item.answer_id, "pending"
        row.created_at = at = moment(session)
        if row.draft:
            row.lane = f"{row.lane}:{row.id}"[:LANE_CHARACTERS]
        if row.draft is not None:  # also while its first message is still on its way to the channel
            row.leased_by, row.leased_until = self._worker, at + timedelta(seconds=self.lease_seconds)

    def lease(self, limit: int, channels: Collection[str]) -> list[OutboxItem]:
        """Take up to ``limit`` due deliveries of ``channels``, at most one of each lane, the lane's oldest first."""
        other = aliased(OutboxRow)
        lane = select(other.id).where(other.lane == OutboxRow.lane)
        earlier = (other.created_at < OutboxRow.created_at) | (
            (other.created_at == OutboxRow.created_at) & (other.id < OutboxRow.id)
        )
        unfinished = lane.where(other.sent_at.is_(None), other.state.in_(("pending", "leased")), earlier)
        with self._store.write() as session:
            at, pause = moment(session), timedelta(seconds=LANE_SECONDS)
            just_sent = lane.where(other.sent_at.between(at - pause, at + pause))  # later ones can't be
            rows = lease(
                session,
                OutboxRow,
                worker=self._worker,
                seconds=self.lease_seconds,
                limit=limit,
                oldest=OutboxRow.created_at,
                where=[OutboxRow.channel.in_(channels), ~unfinished.exists(), ~just_sent.exists()],
            )
            return [_item(row) for row in rows]

    def heartbeat(self, ids: Sequence[str]) -> frozenset[str]:
        """Renew the leases on ``ids``; return those still held."""
        return heartbeat(self._store, OutboxRow, ids, worker=self._worker, seconds=self.lease_seconds)

    def sent(self, item: OutboxItem, reference: str) -> None:
        """Mark a delivery done; ``reference`` is the channel's own name of the post."""
        with self._store.write() as session:
            row = session.get(OutboxRow, item.id, with_for_update=True)
            if row is not None:
                row.state, row.reference, row.sent_at = "sent", reference, moment(session)
                row.leased_by = row.leased_until = None

    def failed(self, item: OutboxItem, error: str, *, strike: bool = True, after: float = 1.0) -> bool:
        """Put a delivery back for a later attempt; return whether it has failed for good.

        Nothing changes if another worker has it by now.
        """
        with self._store.write() as session:
            row = session.get(OutboxRow, item.id, with_for_update=True)
            if row is None or not is_held(row, self._worker):
                return False
            return put_back(row, error, strike=strike, after=after)

    def give_back(self, items: Sequence[OutboxItem]) -> None:
        """Hand leased deliveries back at once, without a strike: this process is stopping."""
        for item in items:
            self.failed(item, "", strike=False, after=0)

    def _row(self, session: Session, item: OutboxItem, lane: str, **more: Any) -> OutboxRow:
        return OutboxRow(
            id=item.id,
            channel=item.channel,
            kind=item.kind,
            lane=f"{item.channel}:{lane}",
            address=dict(item.address),
            payload=dict(item.payload),
            answer_id=item.answer_id,
            created_at=moment(session),
            **more,
        )

    def get(self, item_id: str) -> OutboxEntry | None:
        """Return a delivery by id."""
        with self._store.read() as session:
            row = session.get(OutboxRow, item_id)
        return _entry(row) if row is not None else None

    def of_answers(self, channel: str, answer_ids: Collection[str]) -> tuple[OutboxEntry, ...]:
        """Return a channel's deliveries of these answers."""
        carrying = select(OutboxRow).where(OutboxRow.channel == channel, OutboxRow.answer_id.in_(answer_ids))
        with self._store.read() as session:
            return tuple(map(_entry, session.scalars(carrying)))

    def is_draft(self, session: Session, item_id: str) -> bool:
        """Return whether an answer is partly shown and still needs an ending, inside the caller's transaction."""
        row = session.get(OutboxRow, item_id)
        return row is not None and row.state == "draft"

    def of_questions(self, session: Session, question_ids: Collection[str]) -> tuple[OutboxEntry, ...]:
        """Return what was, is or will be shown in reply to these questions, drafts included.

        It reads inside the caller's transaction, which may then :meth:`cancel` or :meth:`close` them.
        """
        answers = select(AnswerRow.id).where(AnswerRow.question_id.in_(question_ids))
        replies = [delivery_id(each) for each in question_ids]
        shown = or_(OutboxRow.answer_id.in_(answers), OutboxRow.id.in_(replies))
        return tuple(map(_entry, session.scalars(select(OutboxRow).where(shown))))

    def cancel(self, session: Session, item_id: str) -> None:
        """Delete a delivery that nobody can have seen yet, inside the caller's transaction."""
        session.delete(session.get_one(OutboxRow, item_id))

    def close(self, session: Session, item_id: str) -> None:
        """Mark a draft as sent as it stands, inside the caller's transaction."""
        row = session.get_one(OutboxRow, item_id)
        row.state, row.sent_at = "sent", moment(session)

    def add_once(self, item: OutboxItem, *, lane: str) -> bool:
        """Commit a delivery; ``False`` if one with its id already exists."""
        with self._store.write() as session:
            if session.get(OutboxRow, item.id) is not None:
                return False
            session.add(self._row(session, item, lane, state="pending"))
        return True

    def backlog(self) -> Backlog:
        """Return how much is left to deliver."""
        with self._store.read() as session:
            return backlog(session, OutboxRow, OutboxRow.created_at)

    def find_answer(self, channel: str, reference: str) -> str | None:
        """Return the id of the answer that was posted under ``reference``, or ``None``."""
        with self._store.read() as session:
            posted = select(OutboxRow.answer_id).where(
                OutboxRow.channel == channel, OutboxRow.reference == reference, OutboxRow.answer_id.is_not(None)
            )
            return session.scalar(posted)


def _entry(row: OutboxRow) -> OutboxEntry:
    return OutboxEntry(_item(row), row.state, row.reference)  # type: ignore[arg-type] # the constraint allows these


def _item(row: OutboxRow) -> OutboxItem:
    earlier = row.attempts - 1
    return OutboxItem(row.channel, row.kind, row.address, row.payload, row.id, row.answer_id, earlier, row.draft)
