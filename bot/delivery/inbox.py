"""The inbox: each incoming delivery is committed before it is acknowledged, so none is lost and none runs twice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from bot.domain.deliveries import Backlog, InboxEntry, InboxItem
from bot.domain.questions import cleaned
from bot.storage.clock import moment
from bot.storage.leases import backlog, heartbeat, is_held, lease, put_back
from bot.storage.tables.delivery import InboxRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from bot.storage.session import Store

STOPPED = "stopped"
"""The kind of an item that its sender has stopped."""

DELETED = "deleted"
"""The kind of an item that was forgotten at its sender's wish."""

Refusal = Callable[[Session, InboxItem], bool]


class Inbox:
    """Accepts deliveries, and hands them to workers under leases.

    :param worker: this process's identity.
    :param lease_seconds: how long a lease lasts without a heartbeat.
    """

    def __init__(self, store: Store, worker: str, lease_seconds: float) -> None:
        self._store = store
        self._worker = worker
        self.lease_seconds = lease_seconds
        self.on_accept: list[Callable[[], object]] = []
        self._arriving = 0

    @contextmanager
    def arrival(self) -> Iterator[None]:
        """Surround the acceptance of a delivery whose sender waits, in the event loop: new answers give way to it."""
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    def is_accepting(self) -> bool:
        """Return whether a sender waits for a delivery to be accepted by this process."""
        return self._arriving > 0

    def accept(self, item: InboxItem) -> bool:
        """Commit a delivery. Return ``False`` if it, or another event with the same message, is already there."""
        return self.accept_all([item])[0]

    def accept_all(
        self, items: Sequence[InboxItem], *, limit: int | None = None, refuse: Refusal | None = None
    ) -> list[bool]:
        """Commit several deliveries in one transaction; see :meth:`accept`.

        :param limit: how many items may wait. Beyond that, ``refuse`` is called with each new one.
        :param refuse: tells the sender, in the same transaction, and returns ``True``; the item is then done. ``False``
            lets it wait anyway.
        """
        with self._store.write() as session:
            accepted = self._insert(session, items)
            if limit is not None and refuse is not None:
                over = self._waiting(session) - limit
                new = [item for item, taken in zip(items, accepted, strict=True) if taken]
                for item in new[-over:] if over > 0 else ():
                    if refuse(session, item):
                        self.finish(session, item.id)
        if any(accepted):
            for wake in self.on_accept:
                wake()
        return accepted

    def _insert(self, session: Session, items: Sequence[InboxItem]) -> list[bool]:
        """Insert all items in one statement (ten times faster than one by one); return for each whether it was new."""
        insert = sqlite.insert if self._store.is_sqlite else postgresql.insert
        table = InboxRow.metadata.tables[InboxRow.__tablename__]  # no objects are made of the rows
        new = insert(table).on_conflict_do_nothing().returning(table.c.id)
        rows = [
            {
                "id": item.id,
                "channel": item.channel,
                "kind": item.kind,
                "payload": cleaned(item.payload),
                "dedupe_key": item.dedupe_key,
                "message_key": item.message_key,
            }
            for item in items
        ]
        inserted = set(session.execute(new, rows).scalars())
        return [item.id in inserted for item in items]

    def lease(self, limit: int, channels: Collection[str]) -> list[InboxItem]:
        """Take up to ``limit`` due items of the channels this process serves, oldest first."""
        with self._store.write() as session:
            rows = lease(
                session,
                InboxRow,
                worker=self._worker,
                seconds=self.lease_seconds,
                limit=limit,
                oldest=InboxRow.received_at,
                where=[InboxRow.channel.in_(channels)],
                more=1,  # once more, to tell the sender
            )
            return [_item(row) for row in rows]

    def heartbeat(self, ids: Sequence[str]) -> frozenset[str]:
        """Renew the leases on ``ids``; return those still held."""
        return heartbeat(self._store, InboxRow, ids, worker=self._worker, seconds=self.lease_seconds)

    def finish(self, session: Session, item_id: str) -> bool:
        """Mark an item done inside the caller's transaction; ``False`` if it was already finished."""
        row = session.get(InboxRow, item_id, with_for_update=True)
        if row is None or row.state in ("done", "dead"):
            return False
        row.state, row.leased_by, row.leased_until = "done", None, None
        return True

    def stop(self, item_id: str) -> bool:
        """Finish an item because its sender doesn't want it any more; return ``False`` if it was already finished.

        The worker that has it learns of this at its next heartbeat.
        """
        with self._store.write() as session:
            stopped = self.finish(session, item_id)
            if stopped:
                session.get_one(InboxRow, item_id).kind = STOPPED
        return stopped

    def forget(self, session: Session, item_id: str, left: Mapping[str, Any]) -> None:
        """Finish an item and replace what it says, inside the caller's transaction; its key stays taken."""
        row = session.get(InboxRow, item_id, with_for_update=True)
        if row is not None:
            self.finish(session, item_id)
            row.payload, row.kind = dict(left), DELETED

    def unhandled(self, channel: str, dedupe_prefix: str) -> tuple[InboxEntry, ...]:
        """Return a sender's items that wait, are being handled or were stopped, oldest first.

        :param dedupe_prefix: how the keys of the sender's items begin.
        """
        ended_by_sender = (InboxRow.state == "done") & (InboxRow.kind == STOPPED)
        mine = InboxRow.dedupe_key.startswith(dedupe_prefix, autoescape=True)
        query = select(InboxRow).where(
            InboxRow.channel == channel, InboxRow.state.in_(("received", "leased")) | ended_by_sender, mine
        )
        with self._store.read() as session:
            at = moment(session)
            return tuple(_entry(row, at) for row in session.scalars(query.order_by(InboxRow.received_at)))

    def failed(self, item: InboxItem, error: str, *, strike: bool = True, after: float = 1.0) -> bool:
        """Put an item back for a later attempt; return whether it has failed for good.

        Nothing changes if another worker has it by now.
        """
        with self._store.write() as session:
            row = session.get(InboxRow, item.id, with_for_update=True)
            if row is None or not is_held(row, self._worker):
                return False
            return put_back(row, error, strike=strike, after=after)

    def give_up(self, item: InboxItem) -> bool:
        """End an item that too many workers died with; return ``False`` if another worker has taken it."""
        with self._store.write() as session:
            row = session.get(InboxRow, item.id, with_for_update=True)
            if row is None or not is_held(row, self._worker):
                return False
            row.state, row.error = "dead", f"lost by {row.interruptions} workers"
            row.leased_by = row.leased_until = None
            return True

    def give_back(self, items: Sequence[InboxItem]) -> None:
        """Hand leased items back at once, without a strike: this process is stopping."""
        for item in items:
            self.failed(item, "", strike=False, after=0)

    def get(self, item_id: str) -> InboxEntry | None:
        """Return an item by id."""
        with self._store.read() as session:
            row = session.get(InboxRow, item_id)
            return _entry(row, moment(session)) if row is not None else None

    def of_message(self, message_key: str) -> InboxEntry | None:
        """Return the item that carried a message."""
        with self._store.read() as session:
            row = session.scalar(select(InboxRow).where(InboxRow.message_key == message_key))
            return _entry(row, moment(session)) if row is not None else None

    def find(
        self, session: Session, message_keys: Collection[str], *, prefix: str = "", ids: Collection[str] = ()
    ) -> tuple[InboxEntry, ...]:
        """Return the items of these messages inside the caller's transaction, oldest first.

        :param prefix: also those whose message key begins with it. Reads the whole inbox.
        :param ids: also the items with these ids.
        """
        matching: ColumnElement[bool] = or_(InboxRow.message_key.in_(message_keys), InboxRow.id.in_(ids))
        if prefix:
            matching = or_(matching, InboxRow.message_key.startswith(prefix, autoescape=True))
        rows = session.scalars(select(InboxRow).where(matching).order_by(InboxRow.received_at, InboxRow.id))
        at = moment(session)
        return tuple(_entry(row, at) for row in rows)

    def holding(self, session: Session, text: str) -> tuple[InboxEntry, ...]:
        """Return the items with a text in their payload, inside the caller's transaction. Reads the whole inbox."""
        rows = session.scalars(select(InboxRow).where(cast(InboxRow.payload, Text).contains(text, autoescape=True)))
        at = moment(session)
        return tuple(_entry(row, at) for row in rows)

    def rewrite(self, session: Session, item_id: str, payload: Mapping[str, Any]) -> None:
        """Replace an item's payload inside the caller's transaction, because a message in it was deleted."""
        session.get_one(InboxRow, item_id).payload = dict(payload)

    def depth(self) -> int:
        """Return how many items wait or are being handled."""
        with self._store.read() as session:
            return self._waiting(session)

    def backlog(self) -> Backlog:
        """Return how much is left to handle."""
        with self._store.read() as session:
            return backlog(session, InboxRow, InboxRow.received_at)

    @staticmethod
    def _waiting(session: Session) -> int:
        waiting = select(func.count()).select_from(InboxRow).where(InboxRow.state.in_(("received", "leased")))
        return session.scalar(waiting) or 0


def _entry(row: InboxRow, at: datetime) -> InboxEntry:
    lost = row.state == row.HELD and row.leased_until is not None and row.leased_until < at
    return InboxEntry(_item(row), row.state, row.received_at, lost)  # type: ignore[arg-type] # the constraint allows these


def _item(row: InboxRow) -> InboxItem:
    most, key = row.MOST_INTERRUPTIONS, row.dedupe_key
    given_up = most is not None and row.interruptions >= most
    return InboxItem(row.channel, row.kind, row.payload, key, row.message_key, row.id, row.attempts, given_up)
