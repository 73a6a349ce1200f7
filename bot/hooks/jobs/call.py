"""One call of a job's function, in a thread."""

from __future__ import annotations

import asyncio
import inspect
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bot.hooks.calling.awaiting import run_coroutine
from bot.hooks.calling.errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class JobCall:
    """Calls a job's function once. A coroutine can be cancelled from any thread; a plain function can't.

    :param ended: called in the thread once the work is over, however it ended.
    """

    def __init__(self, function: Callable[[], object], ended: Callable[[], object]) -> None:
        self._function = function
        self._ended = ended
        self._lock = threading.Lock()
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]] | None = None
        self.cancelled = False
        self.going_on = False

    def __call__(self) -> None:
        """Do the work.

        :raises ClosedError: it was cancelled.
        """
        self.going_on = True
        try:
            if self.cancelled:
                raise ClosedError
            value = self._function()
            if inspect.iscoroutine(value):
                run_coroutine(self._cancellable(value))
        finally:
            self.going_on = False
            self._ended()

    def cancel(self) -> None:
        """Cancel the work if it is a coroutine or hasn't begun."""
        with self._lock:
            self.cancelled = True
            running = self._running
        if running is not None:
            loop, task = running
            with suppress(RuntimeError):  # the loop has closed: the work is over
                loop.call_soon_threadsafe(task.cancel)

    async def _cancellable(self, coroutine: Coroutine[Any, Any, object]) -> None:
        work = asyncio.ensure_future(coroutine)
        with self._lock:
            self._running = asyncio.get_running_loop(), work
            if self.cancelled:
                work.cancel()
        try:
            await work
        except asyncio.CancelledError:
            if self.cancelled:
                raise ClosedError from None
            raise
