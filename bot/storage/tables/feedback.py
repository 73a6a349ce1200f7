"""Votes, corrections, ratings, curated answers, escalations and notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from bot.domain.identifiers import now
from bot.storage.tables.base import Base, id_column


class VoteRow(Base):
    """The one current vote of a person on an answer."""

    __tablename__ = "votes"
    answer_id: Mapped[str] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    value: Mapped[str] = mapped_column(String(8))
    reason: Mapped[str] = mapped_column(String(64), default="")
    comment: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(default=now)
    reviewed: Mapped[bool] = mapped_column(default=False)  # an operator brought it in
    usable: Mapped[bool] = mapped_column(default=False)  # screened: neither held nor discarded
    __table_args__ = (CheckConstraint("value in ('up', 'down')", name="votes_value"),)


class VoteEventRow(Base):
    """Every change of a vote, in order. Append only."""

    __tablename__ = "vote_events"
    id: Mapped[str] = id_column("ve")
    answer_id: Mapped[str] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[str] = mapped_column(String(255), index=True)
    role: Mapped[str] = mapped_column(String(16))
    value: Mapped[str | None] = mapped_column(String(8))
    reason: Mapped[str] = mapped_column(String(64), default="")
    comment: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(default=now)


class CorrectionRow(Base):
    """What would have been right. ``accepted`` once an agent wrote or confirmed it."""

    __tablename__ = "corrections"
    id: Mapped[str] = id_column("co")
    answer_id: Mapped[str] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[str] = mapped_column(String(255), index=True)
    role: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    accepted: Mapped[bool] = mapped_column(default=False)
    at: Mapped[datetime] = mapped_column(default=now)
    reviewed: Mapped[bool] = mapped_column(default=False)  # an operator brought it in
    __table_args__ = (UniqueConstraint("answer_id", "person_id", name="corrections_one_per_person"),)


class RejectionRow(Base):
    """An agent's decision to keep an answer despite a proposed correction or, without one, despite its votes.

    It covers only what existed at that moment. Later proposals and votes wait for a decision of their own.
    """

    __tablename__ = "rejections"
    id: Mapped[str] = id_column("rj")
    answer_id: Mapped[str] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), index=True)
    correction_id: Mapped[str | None] = mapped_column(ForeignKey("corrections.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[str] = mapped_column(String(255), index=True)
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(default=now)


class RatingRow(Base):
    """An agent's grades for an answer: 1 is yes, 2 partly, 3 no. ``rubric`` is the version they were given by.

    ``sampled`` says that the answer was drawn at random.
    """

    __tablename__ = "ratings"
    answer_id: Mapped[str] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), primary_key=True)
    person_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    correct: Mapped[int] = mapped_column()
    complete: Mapped[int] = mapped_column()
    tone: Mapped[int] = mapped_column()
    format: Mapped[int] = mapped_column()
    cause: Mapped[str] = mapped_column(String(64), default="")
    sampled: Mapped[bool] = mapped_column(default=False)
    rubric: Mapped[int] = mapped_column()
    at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (
        CheckConstraint(
            "correct between 1 and 3 and complete between 1 and 3 and tone between 1 and 3 and format between 1 and 3",
            name="ratings_grades",
        ),
    )


class CuratedAnswerRow(Base):
    """An agent's correction, given at once to who asks the same. ``vector`` is float32 bytes.

    Question, text, ``rests_on`` and author are those of the version ``revision``. ``flagged_at`` says since when
    somebody who was given it has found it wrong.
    """

    __tablename__ = "curated_answers"
    id: Mapped[str] = id_column("cu")
    department: Mapped[str] = mapped_column(String(64), index=True)
    question: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    correction_id: Mapped[str | None] = mapped_column(ForeignKey("corrections.id", ondelete="CASCADE"), unique=True)
    rests_on: Mapped[list[Any]] = mapped_column(default=list)  # what the corrected answer rests on
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)
    embedder: Mapped[str] = mapped_column(String(128), default="")
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    author: Mapped[str] = mapped_column(String(255), default="")
    revision: Mapped[int] = mapped_column(default=0)
    edited_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None] = mapped_column()
    flagged_at: Mapped[datetime | None] = mapped_column()


class CuratedVersionRow(Base):
    """What a curated answer said from one edit to the next, by whom. It goes with its author and its correction."""

    __tablename__ = "curated_versions"
    id: Mapped[str] = id_column("cv")
    curated_id: Mapped[str] = mapped_column(ForeignKey("curated_answers.id", ondelete="CASCADE"), index=True)
    revision: Mapped[int] = mapped_column()
    question: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    rests_on: Mapped[list[Any]] = mapped_column(default=list)
    person_id: Mapped[str] = mapped_column(String(255), index=True)
    correction_id: Mapped[str | None] = mapped_column(ForeignKey("corrections.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (UniqueConstraint("curated_id", "revision", name="curated_versions_in_order"),)


class NotificationRow(Base):
    """What somebody has been told became of their feedback; the key makes sure that they are told once.

    ``subject`` names the round or the answer. A row without a person says that a round's people have all been told.
    """

    __tablename__ = "notifications"
    person_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(128), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)


class EscalationRow(Base):
    """A question that somebody handed to a person: one for an answer, open until it is resolved.

    ``notes`` are the ids of the outbox items that told the department's people.
    """

    __tablename__ = "escalations"
    id: Mapped[str] = id_column("es")
    answer_id: Mapped[str] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), unique=True)
    department: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16), default="open")
    opened_by: Mapped[str] = mapped_column(String(255))
    opened_at: Mapped[datetime] = mapped_column(default=now)
    notes: Mapped[list[Any]] = mapped_column(default=list)
    reminded_at: Mapped[datetime | None] = mapped_column()
    resolved_by: Mapped[str | None] = mapped_column(String(255))
    resolved_at: Mapped[datetime | None] = mapped_column()
    outcome: Mapped[str | None] = mapped_column(String(16))
    reply: Mapped[str] = mapped_column(Text, default="")
    __table_args__ = (
        CheckConstraint("state in ('open', 'resolved')", name="escalations_state"),
        CheckConstraint("outcome is null or outcome in ('replied', 'corrected', 'closed')", name="escalations_outcome"),
        CheckConstraint(
            "(state = 'resolved') = (outcome is not null and resolved_by is not null and resolved_at is not null)",
            name="escalations_end",
        ),
        Index("escalations_waiting", "state", "opened_at"),
    )
