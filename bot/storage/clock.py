"""The clock of leases and pacing. It never runs backwards or jumps because somebody corrects a machine's time.

PostgreSQL's own clock is the same for all replicas. All processes that share an SQLite file run on one machine, so
there it is the time since the machine's start, which no correction changes, counted from a start that the first of
them stores.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from bot.domain.identifiers import now
from bot.storage.tables.clock import ClockRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def moment(session: Session) -> datetime:
    """Return the time that leases and pacing are measured by. Other columns hold the machine's time."""
    if session.get_bind().dialect.name != "sqlite":
        at: datetime = session.scalars(select(func.clock_timestamp())).one()
        return at.astimezone(UTC)
    since = time.monotonic()
    zero = session.scalar(select(ClockRow.zero).where(ClockRow.boot == _boot()))
    if zero is None:
        zero = _set_zero(session, now() - timedelta(seconds=since))
    return zero + timedelta(seconds=since)


def _set_zero(session: Session, zero: datetime) -> datetime:
    """Store the time of this machine's start, if the session may write; what was stored of earlier ones goes."""
    if session.connection().get_execution_options().get("writes"):
        session.execute(delete(ClockRow))
        session.add(ClockRow(boot=_boot(), zero=zero))
        session.flush()
    return zero


@cache
def _boot() -> str:
    """Name this run of the machine; where the system doesn't, each process has a clock of its own."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return str(uuid.uuid4())
