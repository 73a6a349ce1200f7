"""Rate limits per person or name: moving windows in this process's memory.

They are counted by the monotonic clock. The package ``limits`` counts by the machine's time, so that whoever had asked
before it was set back by ten minutes had to wait ten minutes.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING

from bot.domain.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_SECONDS = 60.0


class RateLimit:
    """Allows each key so many uses per minute.

    :param text: of the error for a key that goes over the limit.
    """

    def __init__(self, per_minute: int, text: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = per_minute
        self._text = text
        self._clock = clock
        self._uses: OrderedDict[tuple[str, ...], deque[float]] = OrderedDict()  # the key used last comes last
        self._lock = threading.Lock()

    def spend(self, *key: str) -> None:
        """Count one use.

        :raises BusyError: the limit is reached; ``retry_after`` says when the next use is allowed.
        """
        with self._lock:
            at = self._clock()
            self._forget(at - WINDOW_SECONDS)
            uses = self._uses.setdefault(key, deque(maxlen=self._most))
            if len(uses) == self._most and uses[0] > at - WINDOW_SECONDS:
                raise BusyError(self._text, retry_after=max(1.0, uses[0] + WINDOW_SECONDS - at))
            uses.append(at)
            self._uses.move_to_end(key)

    def _forget(self, before: float) -> None:
        """Drop keys that nobody used since, so that memory stays bounded by the uses of a minute."""
        while self._uses and next(iter(self._uses.values()))[-1] <= before:
            self._uses.popitem(last=False)
