"""Stopping in time: parts that hang are left behind, and a process that can't end by itself is ended."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import threading
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

CONNECTIONS_SECONDS = 3
"""How long open requests may go on after a stop; event streams end at once. The drain limit follows."""

LINGER_SECONDS = 2.0
"""How long a process whose work is done may take to end."""

FORCED_EXIT_CODE = 1

log = structlog.get_logger(__name__)


async def stop_parts(parts: Mapping[str, Callable[[], Awaitable[object]]], seconds: float) -> None:
    """Stop parts side by side and return after ``seconds`` at the latest; failures are logged, as are parts that hang.

    A part that hangs goes on stopping in the background.
    """
    tasks = {asyncio.create_task(_caught(stop)): name for name, stop in parts.items()}
    if not tasks:
        return
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task, name in tasks.items():
        if task in late:
            log.error("stop_hangs", part=name, seconds=seconds)
        elif not task.cancelled() and (error := task.result()) is not None:
            log.error("stop_failed", part=name, exc_info=error)


async def outcome(call: Callable[[], Awaitable[object]], seconds: float) -> BaseException | None:
    """Await what a plugin does, for ``seconds`` at most, and return what it raised, ``SystemExit`` included."""
    task = asyncio.create_task(_caught(call))
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            task.cancel()
    if not done:
        return TimeoutError(f"it took longer than {seconds:g} s")
    return asyncio.CancelledError("it was cancelled") if task.cancelled() else task.result()


async def _caught(call: Callable[[], Awaitable[object]]) -> BaseException | None:
    try:
        awaited = call()
        if not inspect.isawaitable(awaited):
            return TypeError(f"it returned {type(awaited).__name__}; declare it as `async def`")
        await awaited
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin may raise anything; none of it may end the server
        return error
    return None


class ExitDeadline:
    """Ends the process in time after it was told to stop, whatever hangs: the event loop, a thread or a plugin.

    Python waits for the threads of executors when it exits, for as long as they run; this does not.
    """

    def __init__(self) -> None:
        self._started = False
        self._code = FORCED_EXIT_CODE

    def start(self, seconds: float) -> None:
        """Let the process be ended after ``seconds`` unless it has ended by then. Only the first call counts."""
        if not self._started:
            self._started = True
            self._end_after(seconds)

    def work_is_done(self) -> None:
        """Note that nothing is left to do but to exit, so the process ends soon and with success."""
        self._code = 0
        if self._started:
            self._end_after(LINGER_SECONDS)

    def _end_after(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self._end)
        timer.name, timer.daemon = "exit deadline", True
        timer.start()

    def _end(self) -> None:
        others = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
        (log.error if self._code else log.info)("exit_forced", code=self._code, threads=sorted(others))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self._code)
