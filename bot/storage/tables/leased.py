"""The columns of rows that workers take under a lease."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


class Leased:
    """A row that one worker at a time holds; :mod:`bot.storage.leases` has the rules."""

    if TYPE_CHECKING:
        id: Mapped[str]
        state: Mapped[str]

    WAITING: ClassVar[str]
    HELD: ClassVar[str] = "leased"
    DEAD: ClassVar[str] = "dead"
    MOST_INTERRUPTIONS: ClassVar[int | None] = 10
    """Lost leases after which a row is dead even without a strike: it may be what kills the workers."""

    attempts: Mapped[int] = mapped_column(default=0)
    strikes: Mapped[int] = mapped_column(default=0)
    interruptions: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime] = mapped_column(default=AT_ONCE)
    leased_by: Mapped[str | None] = mapped_column(String(128))
    leased_until: Mapped[datetime | None] = mapped_column()
    error: Mapped[str] = mapped_column(Text, default="")
