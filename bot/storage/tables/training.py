"""What rounds may learn from, rounds and their workers, adapters and champions."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from bot.domain.identifiers import now
from bot.storage.tables.base import Base, id_column
from bot.storage.tables.leased import Leased


class RoundRow(Leased, Base):
    """A tuning round. At most one of a department is under way.

    ``results`` holds what each finished stage returned; the worker that takes the round up goes on after them.
    """

    __tablename__ = "rounds"
    WAITING, HELD, DEAD = "queued", "running", "failed"
    MOST_INTERRUPTIONS = None  # a long round may see many restarts
    id: Mapped[str] = id_column("r")
    department: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(16), default="queued")
    stage: Mapped[str] = mapped_column(String(32), default="")
    results: Mapped[dict[str, Any]] = mapped_column(default=dict)
    verdict: Mapped[str | None] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text, default="")
    started_by: Mapped[str] = mapped_column(String(255), default="")
    policy: Mapped[dict[str, Any]] = mapped_column(default=dict)
    dataset: Mapped[str | None] = mapped_column(String(128))
    metrics: Mapped[dict[str, Any]] = mapped_column(default=dict)
    adapter: Mapped[str | None] = mapped_column(String(128))
    approval: Mapped[str | None] = mapped_column(String(16))  # null: nobody is asked
    champion: Mapped[str | None] = mapped_column(String(128))
    device: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None] = mapped_column()
    __table_args__ = (
        CheckConstraint("state in ('queued', 'running', 'finished', 'failed', 'cancelled')", name="rounds_state"),
        CheckConstraint(
            "verdict is null or verdict in ('better', 'not_worse', 'inconclusive', 'worse', 'refused')",
            name="rounds_verdict",
        ),
        CheckConstraint("approval is null or approval in ('waiting', 'approved', 'rejected')", name="rounds_approval"),
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
    id: Mapped[str] = id_column("h")
    department: Mapped[str] = mapped_column(String(64), index=True)
    question: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text)
    cluster: Mapped[str] = mapped_column(String(64), default="")
    answer_id: Mapped[str | None] = mapped_column(String(64))
    frozen_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (UniqueConstraint("department", "question", name="held_out_one"),)


class AdapterRow(Base):
    """An adapter version. ``version`` is ``<department>-<number>`` and is never reused.

    ``stale_since`` is set when something it learned from is erased; a round must replace it by ``replace_by``.
    """

    __tablename__ = "adapters"
    version: Mapped[str] = mapped_column(String(128), primary_key=True)
    department: Mapped[str] = mapped_column(String(64), index=True)
    base_model: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))  # of the adapter's weights
    state: Mapped[str] = mapped_column(String(16), default="challenger")
    round_id: Mapped[str | None] = mapped_column(String(64), unique=True)
    dataset: Mapped[str | None] = mapped_column(String(128))
    parent: Mapped[str | None] = mapped_column(String(128))
    stale_since: Mapped[datetime | None] = mapped_column()
    replace_by: Mapped[datetime | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(default=now)


class DatasetRowRow(Base):
    """Which examples a dataset holds: the way from an adapter back to answers, votes and people."""

    __tablename__ = "dataset_rows"
    dataset: Mapped[str] = mapped_column(String(128), primary_key=True)
    example: Mapped[str] = mapped_column(String(64), primary_key=True)
    answer_id: Mapped[str] = mapped_column(String(64), index=True)
    people: Mapped[list[Any]] = mapped_column(default=list)


class VoteDecisionRow(Base):
    """What an operator decided about votes that were held. The id is a hash of whose they are and what they say."""

    __tablename__ = "vote_decisions"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    answer_id: Mapped[str] = mapped_column(ForeignKey("answers.id", ondelete="CASCADE"), index=True)
    department: Mapped[str] = mapped_column(String(64), index=True)
    decision: Mapped[str] = mapped_column(String(16))
    at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (CheckConstraint("decision in ('released', 'discarded')", name="vote_decisions_decision"),)


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
    heartbeat_at: Mapped[datetime] = mapped_column(default=now)
