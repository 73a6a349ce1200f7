"""Deletes what is past its retention, so that no table grows without bound.

Several processes may do this at the same time: what one has deleted, the others don't find.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import delete, select

from bot.domain.identifiers import now
from bot.storage.tables.access import AuditRow, SessionRow
from bot.storage.tables.delivery import InboxRow, OutboxRow
from bot.storage.tables.feedback import EscalationRow, NotificationRow, VoteEventRow
from bot.storage.tables.plugins import PluginFailureRow, PluginValueRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement

    from bot.config.core import RetentionSettings
    from bot.storage.session import Store

AT_ONCE = 500
"""Rows deleted in one transaction, so that nobody waits long for the database."""

log = structlog.get_logger(__name__)


class Retention:
    """Applies ``[retention]`` to the core's tables. Everything here is blocking."""

    def __init__(self, store: Store, settings: RetentionSettings) -> None:
        self._store = store
        self._settings = settings

    def apply(self) -> dict[str, int]:
        """Delete what is past its days and return how many rows went, by table."""
        counts: dict[str, int] = {}
        for table, due in self._due():
            number = self._delete(table, due)
            if number:
                counts[table.__tablename__] = number
        if counts:
            log.info("retention_applied", **counts)
        return counts

    def _due(self) -> Iterator[tuple[Any, list[ColumnElement[bool]]]]:
        keep = self._settings
        yield SessionRow, [SessionRow.expires_at < now()]
        yield PluginValueRow, [PluginValueRow.expires_at < now()]
        if keep.inbox_days:
            over = InboxRow.state.in_(("done", "dead"))
            yield InboxRow, [over, InboxRow.received_at < now() - timedelta(days=keep.inbox_days)]
        if keep.outbox_days:
            with self._store.read() as session:
                waiting = session.scalars(select(EscalationRow.notes).where(EscalationRow.state == "open"))
                needed = {note for notes in waiting for note in notes}
            over = OutboxRow.state.in_(("sent", "dead"))
            old = OutboxRow.created_at < now() - timedelta(days=keep.outbox_days)
            yield OutboxRow, [over, old, OutboxRow.id.not_in(needed)]
        if keep.events_days:
            before = now() - timedelta(days=keep.events_days)
            yield VoteEventRow, [VoteEventRow.at < before]
            yield NotificationRow, [NotificationRow.at < before]
        if keep.plugin_failures_days:
            before = now() - timedelta(days=keep.plugin_failures_days)
            yield PluginFailureRow, [PluginFailureRow.at < before]
        if keep.audit_days:
            yield AuditRow, [AuditRow.at < now() - timedelta(days=keep.audit_days)]

    def _delete(self, table: Any, due: list[ColumnElement[bool]]) -> int:
        keys = list(table.__table__.primary_key.columns)
        number = 0
        while True:
            with self._store.write() as session:
                rows = session.execute(select(*keys).where(*due).limit(AT_ONCE)).all()
                for row in rows:
                    session.execute(delete(table).where(*(key == part for key, part in zip(keys, row, strict=True))))
            number += len(rows)
            if len(rows) < AT_ONCE:
                return number
