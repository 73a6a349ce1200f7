"""Questions and answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ForeignKey,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from bot.domain.identifiers import now
from bot.storage.tables.base import Base, id_column


class QuestionRow(Base):
    """A question as asked. Of its attachments the names are kept, never the text.

    ``quotes`` has the ids of those whose messages ``text`` repeats, and the keys of these messages. ``compared`` says
    whether :class:`RephrasingRow` is known of it.
    """

    __tablename__ = "questions"
    id: Mapped[str] = id_column("q")
    text: Mapped[str] = mapped_column(Text)
    person_id: Mapped[str] = mapped_column(String(255), index=True)
    department: Mapped[str] = mapped_column(String(64), index=True)
    channel: Mapped[str] = mapped_column(String(64))
    place: Mapped[str] = mapped_column(String(255), default="")
    thread: Mapped[str] = mapped_column(String(255), default="", index=True)
    history: Mapped[list[Any]] = mapped_column(default=list)
    attachments: Mapped[list[Any]] = mapped_column(default=list)
    train_eligible: Mapped[bool] = mapped_column(default=True)
    quotes: Mapped[list[Any]] = mapped_column(default=list)
    asked_at: Mapped[datetime] = mapped_column(default=now, index=True)
    compared: Mapped[bool] = mapped_column(default=False, index=True)


class RephrasingRow(Base):
    """That a person asked ``earlier`` again in other words soon after, as ``later``. It goes with either of them."""

    __tablename__ = "rephrasings"
    earlier_id: Mapped[str] = mapped_column(ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True)
    later_id: Mapped[str] = mapped_column(ForeignKey("questions.id", ondelete="CASCADE"), primary_key=True, index=True)


class ThreadTitleRow(Base):
    """The title that a person gave one of their threads."""

    __tablename__ = "thread_titles"
    person_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    channel: Mapped[str] = mapped_column(String(64), primary_key=True)
    thread: Mapped[str] = mapped_column(String(255), primary_key=True)
    title: Mapped[str] = mapped_column(Text)


class AnswerRow(Base):
    """An answer and everything it came from."""

    __tablename__ = "answers"
    id: Mapped[str] = id_column("a")
    question_id: Mapped[str] = mapped_column(ForeignKey("questions.id", ondelete="CASCADE"), unique=True)
    department: Mapped[str] = mapped_column(String(64), index=True)
    text: Mapped[str] = mapped_column(Text)
    known: Mapped[bool] = mapped_column(default=True)
    citations: Mapped[list[Any]] = mapped_column(default=list)
    provenance: Mapped[dict[str, Any]] = mapped_column(default=dict)
    rests_on: Mapped[list[Any]] = mapped_column(default=list)  # what its readers must be allowed to read
    adapter: Mapped[str | None] = mapped_column(String(128), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
