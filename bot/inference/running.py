"""The engine of an instance while it runs: started when first needed, and always used in the same event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

    from bot.domain.ports import Engine

T = TypeVar("T")
STOP_SECONDS = 5.0
"""How long an engine in a loop of its own may take to stop."""


class RunningEngine:
    """Starts and stops an engine, and lets threads use it.

    The engine belongs to the loop of the server or of the command that answers. Where there is none, such as in a
    command that only runs a hook, it gets a loop in a thread of its own.

    :param open_engine: returns the engine, which isn't started yet; the same one each time.
    """

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open = open_engine
        self._starting = asyncio.Lock()
        self._started = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._own: threading.Thread | None = None
        self._lock = threading.Lock()

    @property
    def engine(self) -> Engine:
        """The engine."""
        return self._open()

    def bind(self) -> None:
        """Let the engine belong to the loop that runs here, unless it belongs to another that is open."""
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Start the engine unless it is running."""
        self.bind()
        async with self._starting:
            if not self._started:
                await self._open().start()
                self._started = True

    async def stop(self) -> None:
        """Stop the engine if it was started."""
        async with self._starting:
            if self._started:
                await self._open().stop()
                self._started = False

    def is_here(self) -> bool:
        """Return whether this code runs in the engine's loop, which it must not block."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine in the engine's loop; from any thread."""
        with self._lock:
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.new_event_loop()
                self._own = threading.Thread(target=self._loop.run_forever, name="engine", daemon=True)
                self._own.start()
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Stop an engine that has a loop of its own, and that loop."""
        if self._own is None or self._loop is None:
            return
        done = threading.Event()
        self.submit(self.stop()).add_done_callback(lambda _: done.set())
        done.wait(STOP_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._own.join(STOP_SECONDS)
        if not self._own.is_alive():
            self._loop.close()
        self._own = None
