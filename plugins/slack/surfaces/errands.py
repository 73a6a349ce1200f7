"""Small calls to Slack beside the messages: a view, a status, a title.

Nobody waits for them, so none may keep an acknowledgement or an answer back, and one that fails loses nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from bot.errors import MenteeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MOST = 200
"""Errands waiting or under way; further ones are left out."""
AT_ONCE = 8
"""Errands under way: after a burst of questions they must not crowd the event loop, which acknowledges the next."""

log = structlog.get_logger(__name__)


class Errands:
    """Runs errands until closed. Used from one event loop."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._closed = False

    def run(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Begin an errand and return at once; after :meth:`close` nothing is begun.

        :param name: what it does, for the log.
        """
        if self._closed:
            return
        if len(self._running) >= MOST:
            log.warning("slack_errand_left_out", errand=name, under_way=MOST)
            return
        task = asyncio.create_task(self._quietly(name, work))
        self._running.add(task)  # the event loop itself keeps no reference
        task.add_done_callback(self._running.discard)

    async def close(self) -> None:
        """Let go of what is still under way, and begin nothing more."""
        self._closed = True
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _quietly(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        try:
            async with self._room:
                await work()
        except MenteeError as error:
            log.warning("slack_errand_failed", errand=name, problem=error.text)
        except Exception as error:  # noqa: BLE001 - by its type only: a database's error quotes what people wrote
            log.warning("slack_errand_failed", errand=name, problem=type(error).__name__)
