"""The tables. Rules live here, in constraints and unique indexes; Python only reports them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bot.messages import new_id, now


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time. SQLite drops time zones, so UTC is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Store UTC."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables of Mentee."""

    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON, list[Any]: JSON}  # noqa: RUF012


def _id(prefix: str) -> Mapped[str]:
    return mapped_column(String(64), primary_key=True, default=lambda: new_id(prefix))


# --- people and departments --------------------------------------------------------------------------------------


class PersonRow(Base):
    """Somebody known to the instance; ``id`` carries the channel (``web:ada``)."""

    __tablename__ = "people"
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    name: Mapped[str] = mapped_column(String(255), default="")
    role: Mapped[str] = mapped_column(String(16), default="employee")
    password_hash: Mapped[str | None] = mapped_column(Text)
    news: Mapped[bool] = mapped_column(default=True)  # whether they want to hear what became of their feedback
    created_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (CheckConstraint("role in ('employee', 'agent', 'operator')", name="people_role"),)


class SessionRow(Base):
    """A signed-in browser. ``id`` is the SHA-256 of the cookie's token, so that a copy of the table opens nothing."""

    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column()


class DepartmentRow(Base):
    """A department. ``config`` holds its overrides of answer settings and its tuning policy."""

    __tablename__ = "departments"
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(255))
    instructions: Mapped[str] = mapped_column(Text, default="")
    glossary: Mapped[dict[str, Any]] = mapped_column(default=dict)
    examples: Mapped[list[Any]] = mapped_column(default=list)
    open: Mapped[bool] = mapped_column(default=True)
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    created_at: Mapped[datetime] = mapped_column(default=now)


class MemberRow(Base):
    """A principal (``user:…``) who may ask a closed department."""

    __tablename__ = "department_members"
    department: Mapped[str] = mapped_column(ForeignKey("departments.name", ondelete="CASCADE"), primary_key=True)
    principal: Mapped[str] = mapped_column(String(255), primary_key=True)


class ChannelRow(Base):
    """A conversation place of a channel plugin (a Slack channel) and what it may do; ``config`` is the plugin's own."""

    __tablename__ = "channels"
    id: Mapped[str] = mapped_column(String(255), primary_key=True)  # "slack:C024BE91L"
    departments: Mapped[list[Any]] = mapped_column(default=list)
    principals: Mapped[list[Any]] = mapped_column(default=list)  # what its audience may read beyond everyone
    train_eligible: Mapped[bool | None] = mapped_column()  # null: the channel plugin's default
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)


class PluginStateRow(Base):
    """Whether a plugin is on and its settings, for one department or (``""``) for the instance."""

    __tablename__ = "plugin_states"
    plugin: Mapped[str] = mapped_column(String(128), primary_key=True)
    department: Mapped[str] = mapped_column(String(64), primary_key=True, default="")
    enabled: Mapped[bool | None] = mapped_column()
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    reason: Mapped[str] = mapped_column(Text, default="")
    changed_at: Mapped[datetime] = mapped_column(default=now)


class InstallationRow(Base):
    """A workspace that a channel's app is installed in; ``data`` is the channel plugin's own and holds a token."""

    __tablename__ = "installations"
    channel: Mapped[str] = mapped_column(String(64), primary_key=True)
    workspace: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    installed_at: Mapped[datetime] = mapped_column(default=now)


class InstallationStateRow(Base):
    """An installation begun in a browser; ``id`` is the SHA-256 of the token that ends it, once."""

    __tablename__ = "installation_states"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column()


class AuditRow(Base):
    """Who changed what. Append only."""

    __tablename__ = "audit"
    id: Mapped[str] = _id("au")
    actor: Mapped[str] = mapped_column(String(255))
    action: Mapped[str] = mapped_column(String(64), index=True)
    subject: Mapped[str] = mapped_column(String(255))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    at: Mapped[datetime] = mapped_column(default=now)


# --- messages ----------------------------------------------------------------------------------------------------


class InboxRow(Base):
    """An accepted delivery. Unique keys make a second delivery of the same thing a no-op."""

    __tablename__ = "inbox"
    id: Mapped[str] = _id("in")
    channel: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(64))
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    dedupe_key: Mapped[str] = mapped_column(String(255), unique=True)
    message_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    state: Mapped[str] = mapped_column(String(16), default="received")
    attempts: Mapped[int] = mapped_column(default=0)
    strikes: Mapped[int] = mapped_column(default=0)
    interruptions: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime] = mapped_column(default=now)
    leased_by: Mapped[str | None] = mapped_column(String(128))
    leased_until: Mapped[datetime | None] = mapped_column()
    error: Mapped[str] = mapped_column(Text, default="")
    received_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (
        CheckConstraint("state in ('received', 'leased', 'done', 'dead')", name="inbox_state"),
        Index("inbox_waiting", "state", "not_before"),
    )


class OutboxRow(Base):
    """Something to deliver. ``lane`` keeps the order within one conversation place.

    ``draft`` is what the channel shows of it before it is complete: null when nothing, ``{}`` while the channel begins.
    """

    __tablename__ = "outbox"
    id: Mapped[str] = _id("out")
    channel: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(32))
    lane: Mapped[str] = mapped_column(String(255))
    address: Mapped[dict[str, Any]] = mapped_column(default=dict)
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)
    answer_id: Mapped[str | None] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), index=True)
    state: Mapped[str] = mapped_column(String(16), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    strikes: Mapped[int] = mapped_column(default=0)
    interruptions: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime] = mapped_column(default=now)
    leased_by: Mapped[str | None] = mapped_column(String(128))
    leased_until: Mapped[datetime | None] = mapped_column()
    reference: Mapped[str | None] = mapped_column(String(255), index=True)
    error: Mapped[str] = mapped_column(Text, default="")
    draft: Mapped[dict[str, Any] | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(default=now)
    sent_at: Mapped[datetime | None] = mapped_column()
    __table_args__ = (
        CheckConstraint("state in ('draft', 'pending', 'leased', 'sent', 'dead')", name="outbox_state"),
        Index("outbox_waiting", "state", "not_before"),
        Index("outbox_lanes", "lane", "sent_at"),
    )


class QuestionRow(Base):
    """A question as asked. Of its attachments the names are kept, never the text."""

    __tablename__ = "questions"
    id: Mapped[str] = _id("q")
    text: Mapped[str] = mapped_column(Text)
    person_id: Mapped[str] = mapped_column(String(255), index=True)
    department: Mapped[str] = mapped_column(String(64), index=True)
    channel: Mapped[str] = mapped_column(String(64))
    place: Mapped[str] = mapped_column(String(255), default="")
    thread: Mapped[str] = mapped_column(String(255), default="", index=True)
    history: Mapped[list[Any]] = mapped_column(default=list)
    attachments: Mapped[list[Any]] = mapped_column(default=list)
    train_eligible: Mapped[bool] = mapped_column(default=True)
    asked_at: Mapped[datetime] = mapped_column(default=now)


class AnswerRow(Base):
    """An answer and everything it came from. ``prompt`` is what the model saw (design §1 provenance)."""

    __tablename__ = "answers"
    id: Mapped[str] = _id("a")
    question_id: Mapped[str] = mapped_column(ForeignKey("questions.id", ondelete="CASCADE"), unique=True)
    department: Mapped[str] = mapped_column(String(64), index=True)
    text: Mapped[str] = mapped_column(Text)
    known: Mapped[bool] = mapped_column(default=True)
    citations: Mapped[list[Any]] = mapped_column(default=list)
    provenance: Mapped[dict[str, Any]] = mapped_column(default=dict)
    adapter: Mapped[str | None] = mapped_column(String(128), index=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


# --- feedback ----------------------------------------------------------------------------------------------------


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
    __table_args__ = (CheckConstraint("value in ('up', 'down')", name="votes_value"),)


class VoteEventRow(Base):
    """Every change of a vote, in order. Append only."""

    __tablename__ = "vote_events"
    id: Mapped[str] = _id("ve")
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
    id: Mapped[str] = _id("co")
    answer_id: Mapped[str] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), index=True)
    person_id: Mapped[str] = mapped_column(String(255), index=True)
    role: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(Text)
    accepted: Mapped[bool] = mapped_column(default=False)
    at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (UniqueConstraint("answer_id", "person_id", name="corrections_one_per_person"),)


class CuratedAnswerRow(Base):
    """An agent's correction, given at once for questions that mean the same. ``vector`` is float32 bytes."""

    __tablename__ = "curated_answers"
    id: Mapped[str] = _id("cu")
    department: Mapped[str] = mapped_column(String(64), index=True)
    question: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    correction_id: Mapped[str | None] = mapped_column(ForeignKey("corrections.id", ondelete="CASCADE"), unique=True)
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)
    embedder: Mapped[str] = mapped_column(String(128), default="")
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)


class NewsRow(Base):
    """What somebody has been told became of their feedback; the key makes sure that they are told once.

    ``subject`` names the round or the answer. A row without a person says that a round's people have all been told.
    """

    __tablename__ = "news"
    person_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(128), primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)


class EscalationRow(Base):
    """A question that somebody handed to a person: one for an answer, open until it is resolved.

    ``notes`` are the ids of the outbox items that told the department's people.
    """

    __tablename__ = "escalations"
    id: Mapped[str] = _id("es")
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


# --- documents ---------------------------------------------------------------------------------------------------


class DocumentRow(Base):
    """A document of a department. ``readers`` empty means: whoever may read the department."""

    __tablename__ = "documents"
    id: Mapped[str] = _id("d")
    department: Mapped[str] = mapped_column(ForeignKey("departments.name", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(1024))
    source: Mapped[str] = mapped_column(String(1024))  # what the operator added: a file, a folder, an address
    title: Mapped[str] = mapped_column(String(512), default="")
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column()
    readers: Mapped[list[Any]] = mapped_column(default=list)
    state: Mapped[str] = mapped_column(String(16), default="ready")
    error: Mapped[str] = mapped_column(Text, default="")
    flags: Mapped[list[Any]] = mapped_column(default=list)
    content: Mapped[dict[str, Any]] = mapped_column(default=dict)  # the parsed sections, so an index can be rebuilt
    added_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (
        UniqueConstraint("department", "address", name="documents_address"),
        CheckConstraint("state in ('ready', 'failed')", name="documents_state"),
    )


class GenerationRow(Base):
    """An index generation of a department; the newest active one is served."""

    __tablename__ = "generations"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("departments.name", ondelete="CASCADE"), index=True)
    embedder: Mapped[str] = mapped_column(String(128))
    documents: Mapped[int] = mapped_column(default=0)
    chunks: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (
        Index(
            "generations_one_active",
            "department",
            unique=True,
            sqlite_where=text("active = 1"),
            postgresql_where=text("active"),
        ),
    )


# --- rounds and adapters -----------------------------------------------------------------------------------------


class RoundRow(Base):
    """A tuning round. At most one of a department is under way."""

    __tablename__ = "rounds"
    id: Mapped[str] = _id("r")
    department: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16), default="queued")
    stage: Mapped[str] = mapped_column(String(32), default="")
    verdict: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text, default="")
    started_by: Mapped[str] = mapped_column(String(255), default="")
    policy: Mapped[dict[str, Any]] = mapped_column(default=dict)
    dataset: Mapped[str | None] = mapped_column(String(128))
    metrics: Mapped[dict[str, Any]] = mapped_column(default=dict)
    adapter: Mapped[str | None] = mapped_column(String(128))
    champion: Mapped[str | None] = mapped_column(String(128))
    device: Mapped[str] = mapped_column(String(64), default="")
    interruptions: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None] = mapped_column()
    __table_args__ = (
        CheckConstraint("state in ('queued', 'running', 'finished', 'failed', 'cancelled')", name="rounds_state"),
        CheckConstraint(
            "verdict is null or verdict in ('better', 'not_worse', 'inconclusive', 'worse', 'refused')",
            name="rounds_verdict",
        ),
        Index(
            "rounds_one_under_way",
            "department",
            unique=True,
            sqlite_where=text("state in ('queued', 'running')"),
            postgresql_where=text("state in ('queued', 'running')"),
        ),
    )


class RoundMetricRow(Base):
    """A number of a round at a step, such as the training loss."""

    __tablename__ = "round_metrics"
    round_id: Mapped[str] = mapped_column(ForeignKey("rounds.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float] = mapped_column()
    at: Mapped[datetime] = mapped_column(default=now)


class HeldOutRow(Base):
    """A frozen question of a department's evaluation set. Once here it never trains."""

    __tablename__ = "held_out_questions"
    id: Mapped[str] = _id("h")
    department: Mapped[str] = mapped_column(String(64), index=True)
    question: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text)
    cluster: Mapped[str] = mapped_column(String(64), default="")
    answer_id: Mapped[str | None] = mapped_column(String(64))
    frozen_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (UniqueConstraint("department", "question", name="held_out_one"),)


class AdapterRow(Base):
    """An adapter version. ``version`` is ``<department>-<number>`` and is never reused."""

    __tablename__ = "adapters"
    version: Mapped[str] = mapped_column(String(128), primary_key=True)
    department: Mapped[str] = mapped_column(String(64), index=True)
    base_model: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))  # of the adapter's weights
    state: Mapped[str] = mapped_column(String(16), default="challenger")
    round_id: Mapped[str | None] = mapped_column(String(64))
    dataset: Mapped[str | None] = mapped_column(String(128))
    parent: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[datetime] = mapped_column(default=now)


class DatasetRowRow(Base):
    """Which examples a dataset holds: the way from an adapter back to answers, votes and people."""

    __tablename__ = "dataset_rows"
    dataset: Mapped[str] = mapped_column(String(128), primary_key=True)
    example: Mapped[str] = mapped_column(String(64), primary_key=True)
    answer_id: Mapped[str] = mapped_column(String(64), index=True)
    people: Mapped[list[Any]] = mapped_column(default=list)


class ChampionRow(Base):
    """The history of a department's champions; the newest row is in force. ``adapter`` null is the base model."""

    __tablename__ = "champions"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    department: Mapped[str] = mapped_column(String(64), index=True)
    adapter: Mapped[str | None] = mapped_column(ForeignKey("adapters.version"))
    action: Mapped[str] = mapped_column(String(16))
    actor: Mapped[str] = mapped_column(String(255))
    reason: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (CheckConstraint("action in ('promote', 'rollback')", name="champions_action"),)


class WorkerRow(Base):
    """A running process and the queues it serves; a stale heartbeat means it is gone."""

    __tablename__ = "workers"
    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    queues: Mapped[list[Any]] = mapped_column(default=list)
    device: Mapped[str] = mapped_column(String(64), default="")
    heartbeat_at: Mapped[datetime] = mapped_column(default=now)
