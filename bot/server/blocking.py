"""Tells when a plugin's code blocks the event loop, while it does: nothing else runs in the loop then."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bot.hooks.calling.tracebacks import of_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def watching(call: Callable[[], object], seconds: float, tell: Callable[[str], object]) -> Iterator[None]:
    """Tell, in a thread of its own, where a call has blocked this thread's event loop for so long.

    :param call: a function whose code counts, whatever it awaits included, only while it runs and not while it waits.
    :param tell: is given the traceback.
    """
    thread = threading.get_ident()

    def look() -> None:
        frame = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way to see where a thread is
        while frame is not None and not any(value is call for value in frame.f_locals.values()):
            frame = frame.f_back
        if frame is not None:
            tell(of_thread(thread))

    timer = threading.Timer(seconds, look)
    timer.name, timer.daemon = "watches the event loop", True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
