"""The inbox and the outbox."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
)
from sqlalchemy.orm import Mapped, mapped_column

from bot.domain.identifiers import now
from bot.storage.tables.base import Base, id_column
from bot.storage.tables.leased import Leased


class InboxRow(Leased, Base):
    """An accepted delivery. Unique keys make a second delivery of the same thing a no-op."""

    __tablename__ = "inbox"
    WAITING = "received"
    id: Mapped[str] = id_column("in")
    channel: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    dedupe_key: Mapped[str] = mapped_column(String(255), unique=True)
    message_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    state: Mapped[str] = mapped_column(String(16), default="received")
    received_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (
        CheckConstraint("state in ('received', 'leased', 'done', 'dead')", name="inbox_state"),
        Index("inbox_waiting", "state", "not_before"),
    )


class OutboxRow(Leased, Base):
    """Something to deliver. ``lane`` keeps the order within one conversation place.

    ``draft`` is what the channel shows of it before it is complete: null when nothing, ``{}`` while the channel begins.
    """

    __tablename__ = "outbox"
    WAITING = "pending"
    id: Mapped[str] = id_column("out")
    channel: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    lane: Mapped[str] = mapped_column(String(255))
    address: Mapped[dict[str, Any]] = mapped_column(default=dict)
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    answer_id: Mapped[str | None] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(String(16), default="pending")
    reference: Mapped[str | None] = mapped_column(String(255), index=True)
    draft: Mapped[dict[str, Any] | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None] = mapped_column()
    __table_args__ = (
        CheckConstraint("state in ('draft', 'pending', 'leased', 'sent', 'dead')", name="outbox_state"),
        Index("outbox_waiting", "state", "not_before"),
        Index("outbox_lanes", "lane", "sent_at"),
    )
