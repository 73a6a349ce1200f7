"""Budgets per person and per name: a moving window in this process's memory."""

from __future__ import annotations

import time

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from bot.errors import BusyError


class Budget:
    """So many per minute for each key.

    :param text: what is said to who goes over it.
    """

    def __init__(self, per_minute: int, text: str) -> None:
        self._limit: RateLimitItem = RateLimitItemPerMinute(per_minute)
        self._text = text
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def spend(self, *key: str) -> None:
        """Use one up.

        :raises BusyError: none is left; ``retry_after`` says when one will be.
        """
        if not self._windows.hit(self._limit, *key):
            frees_at = self._windows.get_window_stats(self._limit, *key).reset_time
            raise BusyError(self._text, retry_after=max(1.0, frees_at - time.time()))
