"""What plugins keep without tables of their own, and when their jobs run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from bot.domain.identifiers import now
from bot.domain.plugins.jobs import Outcome
from bot.storage.tables.base import Base, id_column
from bot.storage.tables.leased import Leased


class PluginValueRow(Base):
    """A value of a plugin by key. Department and person are empty where the value is of none.

    ``person_id`` makes the value go with the person when they are erased.
    """

    __tablename__ = "plugin_values"
    plugin: Mapped[str] = mapped_column(String(128), primary_key=True)
    department: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    value: Mapped[Any] = mapped_column(JSON)
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class PluginFailureRow(Base):
    """A failure of a plugin in one process. Secrets are masked in its texts.

    ``times`` counts failures of the same hook and department since the row before. ``paused_until`` is set while this
    failure keeps the plugin paused for the department in that process.
    """

    __tablename__ = "plugin_failures"
    id: Mapped[str] = id_column("pf")
    plugin: Mapped[str] = mapped_column(String(128), index=True)
    hook: Mapped[str] = mapped_column(Text)
    department: Mapped[str | None] = mapped_column(String(64))
    text: Mapped[str] = mapped_column(Text)
    traceback: Mapped[str] = mapped_column(Text)
    process: Mapped[str] = mapped_column(String(128))
    times: Mapped[int] = mapped_column(default=1)
    at: Mapped[datetime] = mapped_column(index=True)
    paused_until: Mapped[datetime | None] = mapped_column()


class JobRow(Leased, Base):
    """When a plugin's job is due (``not_before``), who runs it, and what became of its last run.

    ``id`` is the plugin's and the job's name with a slash between them. ``error`` is the last failure, which may
    be older than the last run.
    """

    __tablename__ = "jobs"
    WAITING = "waiting"
    MOST_INTERRUPTIONS = None
    id: Mapped[str] = mapped_column(String(255), primary_key=True)
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    last_at: Mapped[datetime | None] = mapped_column()
    seconds: Mapped[float] = mapped_column(default=0.0)
    outcome: Mapped[Outcome] = mapped_column(String(16), default="")
    error_at: Mapped[datetime | None] = mapped_column()
    __table_args__ = (CheckConstraint("state in ('waiting', 'leased')", name="jobs_state"),)
