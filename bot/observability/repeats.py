"""Keeps a log short while something goes on failing: a full disk isn't filled by what the log says about it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

AGAIN_SECONDS = 60.0


class Repeats:
    """Tells whether a problem is worth another line: if it is another one than the last, or a minute has passed."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = ""
        self._said_at = float("-inf")

    def is_news(self, error: Exception) -> bool:
        """Return whether to log the error now."""
        problem, at = f"{type(error).__name__}: {error}", self._clock()
        if problem == self._last and at - self._said_at < AGAIN_SECONDS:
            return False
        self._last, self._said_at = problem, at
        return True
