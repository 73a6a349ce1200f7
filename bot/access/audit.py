"""The audit log: who changed what. Entries are only ever added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bot.storage.tables.access import AuditRow

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from bot.storage.session import Store


SIGN_IN = "person.sign_in"
SIGN_IN_FAILED = "person.sign_in_failed"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change. ``action`` is such as ``department.add``, ``subject`` what was changed."""

    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    at: datetime


class AuditLog:
    """The audit log of an instance."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def newest(self, limit: int) -> tuple[AuditEntry, ...]:
        """Return the latest changes, newest first; signing in is none. Blocking."""
        changes = select(AuditRow).where(AuditRow.action.not_in((SIGN_IN, SIGN_IN_FAILED)))
        newest = changes.order_by(AuditRow.at.desc(), AuditRow.id).limit(limit)
        with self._store.read() as session:
            return tuple(
                AuditEntry(row.actor, row.action, row.subject, row.detail, row.at) for row in session.scalars(newest)
            )


def note_change(
    session: Session, *, actor: str, action: str, subject: str, detail: Mapping[str, Any] | None = None
) -> None:
    """Add an entry inside the transaction that makes the change, so that both are committed or neither."""
    session.add(AuditRow(actor=actor, action=action, subject=subject, detail=dict(detail or {})))
