"""The inbox: every delivery is committed here before it is acknowledged, so that none is lost and none runs twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from bot.messages import InboxItem
from bot.store.leases import heartbeat, lease, put_back
from bot.store.models import InboxRow

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bot.store import Store

Refusal = Callable[[Session, InboxItem], bool]


class Inbox:
    """Accepts deliveries, and hands them to workers under leases.

    :param worker: this process's identity.
    :param lease_seconds: how long a lease lasts without a heartbeat.
    """

    def __init__(self, store: Store, worker: str, lease_seconds: float) -> None:
        self._store = store
        self._worker = worker
        self._seconds = lease_seconds
        self.on_accept: list[Callable[[], object]] = []

    def accept(self, item: InboxItem) -> bool:
        """Commit a delivery. Return ``False`` when it, or another event with the same message, is there already."""
        return self.accept_all([item])[0]

    def accept_all(
        self, items: Sequence[InboxItem], *, limit: int | None = None, refuse: Refusal | None = None
    ) -> list[bool]:
        """Commit deliveries that came at the same time, in one transaction; see :meth:`accept`.

        :param limit: how many may wait; beyond that ``refuse`` is asked about each new one.
        :param refuse: says so to its sender inside the same transaction and returns ``True``; the item is done then.
            ``False`` lets it wait all the same.
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
        """Insert in one statement, and return for each item whether it was new: one each takes ten times as long."""
        insert = sqlite.insert if self._store.is_sqlite else postgresql.insert
        table = InboxRow.metadata.tables[InboxRow.__tablename__]  # no objects are made of the rows
        new = insert(table).on_conflict_do_nothing().returning(table.c.id)
        rows = [
            {
                "id": item.id,
                "channel": item.channel,
                "kind": item.kind,
                "payload": dict(item.payload),
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
                waiting="received",
                worker=self._worker,
                seconds=self._seconds,
                limit=limit,
                channels=channels,
            )
            return [_item(row) for row in rows]

    def heartbeat(self, ids: Sequence[str]) -> frozenset[str]:
        """Prolong the leases on ``ids``; return those that are still held."""
        return heartbeat(self._store, InboxRow, ids, worker=self._worker, seconds=self._seconds)

    def finish(self, session: Session, item_id: str) -> bool:
        """Mark an item done inside the caller's transaction; ``False`` if another worker has finished it before."""
        row = session.get(InboxRow, item_id, with_for_update=True)
        if row is None or row.state in ("done", "dead"):
            return False
        row.state, row.leased_by, row.leased_until = "done", None, None
        return True

    def failed(self, item: InboxItem, error: str, *, strike: bool = True, after: float = 1.0) -> bool:
        """Put an item back for a later try; return ``True`` when it is dead (see :func:`bot.store.leases.put_back`)."""
        with self._store.write() as session:
            row = session.get(InboxRow, item.id, with_for_update=True)
            if row is None or row.state in ("done", "dead"):
                return False
            return put_back(row, "received", error, strike=strike, after=after)

    def give_back(self, items: Sequence[InboxItem]) -> None:
        """Hand leased items back at once, without a strike: this process is stopping."""
        for item in items:
            self.failed(item, "", strike=False, after=0)

    def depth(self) -> int:
        """Return how many items wait or run."""
        with self._store.read() as session:
            return self._waiting(session)

    @staticmethod
    def _waiting(session: Session) -> int:
        waiting = select(func.count()).select_from(InboxRow).where(InboxRow.state.in_(("received", "leased")))
        return session.scalar(waiting) or 0


def _item(row: InboxRow) -> InboxItem:
    return InboxItem(row.channel, row.kind, row.payload, row.dedupe_key, row.message_key, row.id, row.attempts)
