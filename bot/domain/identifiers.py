"""Identifiers and the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4


def new_id(prefix: str) -> str:
    """Return a fresh identifier such as ``a_3f…``; the prefix names the kind of thing it identifies."""
    return f"{prefix}_{uuid4().hex}"


def now() -> datetime:
    """Return the current time, always with a time zone (UTC)."""
    return datetime.now(UTC)
