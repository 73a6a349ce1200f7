"""The desk's own tables; the migrations that make them are in ``migrations/``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bot.domain.identifiers import now
from bot.storage.migrate import PluginTables
from bot.storage.tables.base import COLUMN_TYPES


class DeskTable(DeclarativeBase):
    """A table of this plugin."""

    type_annotation_map = COLUMN_TYPES


class ClaimRow(DeskTable):
    """Who is working on what. It goes with the person; one that ran out goes with the next claim.

    ``subject`` is the answer, and ``until`` is measured by :mod:`bot.storage.clock`. ``token`` names the page that
    opened the item.
    """

    __tablename__ = "desk_claims"
    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    person_id: Mapped[str] = mapped_column(String(255), primary_key=True)
    item: Mapped[str] = mapped_column(String(80))
    department: Mapped[str] = mapped_column(String(64))
    token: Mapped[str] = mapped_column(String(64))
    until: Mapped[datetime] = mapped_column()


class SampleRow(DeskTable):
    """An answer that was drawn at random for agents to rate."""

    __tablename__ = "desk_samples"
    answer_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    department: Mapped[str] = mapped_column(String(64))
    drawn_at: Mapped[datetime] = mapped_column(default=now)


TABLES = PluginTables(DeskTable.metadata, Path(__file__).parent / "migrations")
