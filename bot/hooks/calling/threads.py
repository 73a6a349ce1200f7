"""Daemon threads that run one piece of work after the other."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Work = Callable[[], Callable[[], object] | None]
    """Returns what tells whoever waits that it is done; ``None`` ends the thread, because nobody waits any more."""


class Threads:
    """Runs each piece of work in an idle thread, or in a new one.

    They are daemon threads, so one that hangs doesn't hold up the end of the process.
    """

    def __init__(self) -> None:
        self._idle: list[_Thread] = []
        self._closed = False

    def run(self, work: Work) -> None:
        """Start the work.

        :raises RuntimeError: the system has no more threads.
        """
        try:
            thread = self._idle.pop()
        except IndexError:
            thread = _Thread(self)
            thread.start()
        thread.work.put(work)

    def close(self) -> None:
        """Let the idle threads end, and the others when they are done."""
        self._closed = True
        while self._idle:
            self._idle.pop().work.put(None)

    def take_back(self, thread: _Thread) -> None:
        """Keep a thread for the next work."""
        self._idle.append(thread)
        if self._closed:
            self.close()


class _Thread(threading.Thread):
    def __init__(self, threads: Threads) -> None:
        super().__init__(name="plugins", daemon=True)
        self._threads = threads
        self.work: SimpleQueue[Work | None] = SimpleQueue()

    def run(self) -> None:
        while (work := self.work.get()) is not None:
            tell = work()
            if tell is None:
                return
            self._threads.take_back(self)  # before anybody is told, so that who goes on at once finds it idle
            tell()
            del work, tell  # an idle thread keeps nothing of what it did
