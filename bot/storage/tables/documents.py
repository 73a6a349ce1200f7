"""Documents and index snapshots."""

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


class DocumentRow(Base):
    """A document of a department. ``readers`` empty means: whoever may read the department."""

    __tablename__ = "documents"
    id: Mapped[str] = id_column("d")
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


class SnapshotRow(Base):
    """An index snapshot of a department; the newest active one is served."""

    __tablename__ = "snapshots"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("departments.name", ondelete="CASCADE"), index=True)
    embedder: Mapped[str] = mapped_column(String(128))
    documents: Mapped[int] = mapped_column(default=0)
    chunks: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)
    __table_args__ = (
        Index(
            "snapshots_one_active",
            "department",
            unique=True,
            sqlite_where=text("active = 1"),
            postgresql_where=text("active"),
        ),
    )
