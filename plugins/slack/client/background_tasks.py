"""Small calls to Slack beside the messages: a view, a status, a title.

Nothing waits for them, so they delay neither an acknowledgement nor an answer. One that fails is logged.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from bot.domain.errors import MenteeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

MAX_TASKS = 200
"""Tasks that may wait or run; further ones are dropped."""
MAX_RUNNING = 8
"""Tasks that run at the same time: after a burst of questions they must not delay the next acknowledgement."""

log = structlog.get_logger(__name__)


class BackgroundTasks:
    """Runs tasks until closed. Used from one event loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(MAX_RUNNING)
        self._closed = False

    def run(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        """Start a task and return at once; after :meth:`close` nothing is started.

        :param name: what it does, for the log.
        """
        if self._closed:
            return
        if len(self._tasks) >= MAX_TASKS:
            log.warning("slack_background_task_dropped", task=name, tasks=MAX_TASKS)
            return
        task = asyncio.create_task(self._quietly(name, work))
        self._tasks.add(task)  # the event loop itself keeps no reference
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel what is still running, and start nothing more."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _quietly(self, name: str, work: Callable[[], Awaitable[object]]) -> None:
        try:
            async with self._room:
                await work()
        except MenteeError as error:
            log.warning("slack_background_task_failed", task=name, problem=error.text)
        except Exception as error:  # noqa: BLE001 - by its type only: a database's error quotes what people wrote
            log.warning("slack_background_task_failed", task=name, problem=type(error).__name__)
