"""Slack's own tables; the migrations that make them are in ``migrations/``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bot.domain.identifiers import now
from bot.storage.migrate import PluginTables
from bot.storage.tables.base import COLUMN_TYPES


class SlackTable(DeclarativeBase):
    """A table of this plugin."""

    type_annotation_map = COLUMN_TYPES


class InstallationRow(SlackTable):
    """A workspace that the app is installed in; ``data`` holds its token."""

    __tablename__ = "slack_installations"
    workspace: Mapped[str] = mapped_column(String(64), primary_key=True)
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)
    installed_at: Mapped[datetime] = mapped_column(default=now)


class InstallationStateRow(SlackTable):
    """An installation begun in a browser; ``id`` is the SHA-256 of the token that ends it, once."""

    __tablename__ = "slack_installation_states"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column()


TABLES = PluginTables(SlackTable.metadata, Path(__file__).parent / "migrations")
