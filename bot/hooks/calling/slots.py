"""How many calls of one plugin may run at the same time."""

from __future__ import annotations

import threading

from bot.hooks.calling.errors import BusyWorkersError, ClosedError, NotCalledError


class Slots:
    """The calls of one plugin: those that run, and those that hang and were given up.

    :param size: calls that may run at the same time.
    :param replaceable: calls that may hang before each further one leaves the plugin one call less.
    """

    def __init__(self, size: int, replaceable: int) -> None:
        self._size = size
        self._replaceable = replaceable
        self._room = size
        self._running = 0
        self._hung = 0
        self._closed = False
        self._waiting = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)

    def take(self, seconds: float) -> None:
        """Begin a call, after a wait of at most so many seconds.

        :raises CallError: it can't begin.
        """
        with self._lock:
            if self._closed or self._running >= self._room:
                self._wait(seconds)
            self._running += 1

    def give_back(self) -> None:
        """End a call."""
        with self._lock:
            self._running -= 1
            if self._waiting:  # notify() is slow even if nobody waits
                self._changed.notify()

    def give_up(self) -> None:
        """Leave a call that hangs to itself."""
        with self._lock:
            self._running -= 1
            self._note_hung(1)

    def returned(self) -> None:
        """Note that a call which was given up has ended after all."""
        with self._lock:
            self._note_hung(-1)

    def close(self) -> None:
        """Begin no more calls."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    def _note_hung(self, change: int) -> None:
        self._hung += change
        self._room = min(self._size, self._size + self._replaceable - self._hung)
        self._changed.notify_all()

    def _wait(self, seconds: float) -> None:
        """Wait until a call can begin, or raise if it can't."""
        self._waiting += 1
        try:
            decided = self._changed.wait_for(
                lambda: self._closed or self._room <= 0 or self._running < self._room, seconds
            )
        finally:
            self._waiting -= 1
        if self._closed:
            raise ClosedError
        if self._room <= 0:
            raise NotCalledError(f"all its {self._hung} threads hang")
        if not decided:
            raise BusyWorkersError(f"none of its {self._running} threads became free in {seconds:g} s")
