"""Actions that plugins offer under answers, and what became of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from bot.domain.identifiers import now
from bot.storage.tables.base import Base, id_column


class ActionRow(Base):
    """An action under an answer. ``person_id`` is who asked and alone may confirm it.

    ``payload`` is emptied when the action ends or expires. ``due_at``, by the clock of leases, is when a running
    action's result is given up.
    """

    __tablename__ = "actions"
    id: Mapped[str] = id_column("act")
    answer_id: Mapped[str] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), index=True)
    number: Mapped[int] = mapped_column()  # their order under the answer
    plugin: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(64))
    label: Mapped[str] = mapped_column(String(75))
    style: Mapped[str] = mapped_column(String(16), default="default")
    confirm: Mapped[str] = mapped_column(String(300), default="")
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    person_id: Mapped[str] = mapped_column(String(255), index=True)
    state: Mapped[str] = mapped_column(String(16), default="offered")
    result: Mapped[str] = mapped_column(Text, default="")
    offered_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column()
    started_at: Mapped[datetime | None] = mapped_column()
    due_at: Mapped[datetime | None] = mapped_column()
    ended_at: Mapped[datetime | None] = mapped_column()
    __table_args__ = (
        CheckConstraint(
            "state in ('offered', 'running', 'done', 'failed', 'unknown', 'expired', 'cancelled')", name="actions_state"
        ),
        CheckConstraint("style in ('default', 'primary', 'danger')", name="actions_style"),
        Index("actions_due", "state", "due_at"),
    )
