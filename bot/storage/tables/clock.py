"""Where the clock of leases begins on SQLite; :mod:`bot.storage.clock` has the rules."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from bot.storage.tables.base import Base


class ClockRow(Base):
    """The time at which the monotonic clock of one run of this machine was zero."""

    __tablename__ = "clock"
    boot: Mapped[str] = mapped_column(String(64), primary_key=True)
    zero: Mapped[datetime] = mapped_column()
