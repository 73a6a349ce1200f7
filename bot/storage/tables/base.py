"""What every table shares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    String,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bot.domain.identifiers import new_id


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time. SQLite drops time zones, so UTC is put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        """Store UTC."""
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the signature is SQLAlchemy's
        """Return UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


COLUMN_TYPES: dict[Any, Any] = {datetime: UtcDateTime, dict[str, Any]: JSON, list[Any]: JSON}
"""What annotations mean in a table; a plugin's tables may use it as their ``type_annotation_map``."""


class Base(DeclarativeBase):
    """The core's tables."""

    type_annotation_map = COLUMN_TYPES


def id_column(prefix: str) -> Mapped[str]:
    """Return a primary key filled with fresh identifiers that start with ``prefix``."""
    return mapped_column(String(64), primary_key=True, default=lambda: new_id(prefix))
