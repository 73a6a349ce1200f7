"""A circuit breaker: while a server keeps failing, requests fail immediately instead of waiting for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bot.inference.openai.errors import CircuitOpenError

if TYPE_CHECKING:
    from collections.abc import Callable


class CircuitBreaker:
    """Opens after consecutive failures; after a pause one trial request closes it if it succeeds.

    :param failures: consecutive failures after which it opens.
    :param pause: seconds that it stays open.
    """

    def __init__(self, failures: int = 5, pause: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = failures
        self._pause = pause
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether requests fail immediately now."""
        return self._failures >= self._limit and self._open_until > self._clock()

    def check(self, url: str) -> None:
        """Raise :class:`CircuitOpenError` while the breaker of the server at ``url`` is open."""
        left = self._open_until - self._clock()
        if self._failures < self._limit:
            return
        if left > 0:
            problem = f"The server {url} failed {self._failures} times in a row and gets no requests for a moment."
            raise CircuitOpenError(problem, retry_after=max(1.0, left))
        # This request is the trial; the breaker stays open for others.
        self._open_until = self._clock() + self._pause

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= self._limit:
            self._open_until = self._clock() + self._pause

    def succeeded(self) -> None:
        self._failures = 0
