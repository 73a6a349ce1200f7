"""What is due by itself: reminders of open escalations, and news for voters. Looked for now and then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from bot.errors import MenteeError

if TYPE_CHECKING:
    from bot.app import Mentee

SECONDS = 15.0

log = structlog.get_logger(__name__)


class Followups:
    """Implements :class:`bot.protocols.Service`. Several processes may run it: whatever is told is claimed first."""

    name = "followups"

    def __init__(self, mentee: Mentee) -> None:
        self._mentee = mentee
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._forever())

    async def stop(self) -> None:
        """Stop looking; what is not told yet is found again at the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def look(self) -> None:
        """Do what is due now. Blocking."""
        self._mentee.escalations.remind()
        self._mentee.news.tell()

    async def _forever(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            try:
                await self._mentee.store.run(self.look)
            except MenteeError as error:
                log.warning("followups_failed", problem=error.text)
            except Exception as error:  # noqa: BLE001 - by its type only: a database's error quotes what people wrote
                log.warning("followups_failed", problem=type(error).__name__)
