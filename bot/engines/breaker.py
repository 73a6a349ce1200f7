"""A circuit breaker: a server that keeps failing is left alone for a while, so that askers are told at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bot.engines.server_errors import ServerLeftAloneError

if TYPE_CHECKING:
    from collections.abc import Callable


class Breaker:
    """Opens after failures in a row; lets one request try after a pause, and closes when that succeeds.

    :param failures: in a row, after which it opens.
    :param pause: seconds it stays open.
    """

    def __init__(self, failures: int = 5, pause: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._pause = pause
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the server is left alone now."""
        return self._failures >= self._limit and self._open_until > self._clock()

    def check(self, url: str) -> None:
        """Pass, or raise :class:`ServerLeftAloneError` while the server at ``url`` is left alone."""
        left = self._open_until - self._clock()
        if self._failures < self._limit:
            return
        if left > 0:
            problem = f"The server {url} failed {self._failures} times in a row and is left alone for a moment."
            raise ServerLeftAloneError(problem, retry_after=max(1.0, left))
        # This request is the trial; others wait for what it finds.
        self._open_until = self._clock() + self._pause

    def failed(self) -> None:
        """Count a failure."""
        self._failures += 1
        if self._failures >= self._limit:
            self._open_until = self._clock() + self._pause

    def succeeded(self) -> None:
        """Forget the failures."""
        self._failures = 0
