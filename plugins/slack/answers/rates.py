"""How often Slack lets us do what readers could do without: from its tiers, for each workspace.

Several replicas share Slack's limit and not our count of it, so Slack's own word (``Retry-After``) counts as well.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from plugins.slack.client import RateLimitedError, SlackRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

STARTS, EDITS, APPENDS = 20, 50, 100
"""A minute: tier 2 (``chat.startStream``), 3 (``chat.update``) and 4 (``chat.appendStream``)."""
POST_SECONDS = 1.0
"""Between two messages in one conversation."""


class TokenBucket:
    """Lets ``most`` through at once, and on average ``most`` in so many ``seconds``."""

    def __init__(self, most: int, seconds: float = 60.0, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._rate = most / seconds
        self._clock = clock
        self._left = float(most)
        self._at = clock()
        self._closed_until = 0.0

    def take(self) -> bool:
        """Return whether one more may go through now, and count it."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1 or now < self._closed_until:
            return False
        self._left -= 1
        return True

    def close(self, seconds: float) -> None:
        """Let nothing through for so long."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)


class Pace:
    """Lets one new message at a time through, each so many ``seconds`` after the one before it had arrived.

    Counted from its start, a slow message and the quick one after it would reach Slack closer together. What Slack
    refused has not arrived.
    """

    def __init__(self, seconds: float = POST_SECONDS, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._one = asyncio.Lock()
        self._free_at = clock()

    @property
    def free(self) -> bool:
        """Whether a message would go through at once."""
        return not self._one.locked() and self._clock() >= self._free_at

    async def __aenter__(self) -> None:
        """Wait for the turn of one message."""
        await self._one.acquire()
        try:
            await asyncio.sleep(self._free_at - self._clock())
        except BaseException:
            self._one.release()
            raise

    async def __aexit__(self, _: object, error: BaseException | None, *__: object) -> None:
        """Count from now."""
        if not isinstance(error, RateLimitedError | SlackRefusedError):
            self._free_at = self._clock() + self._seconds
        self._one.release()


class Rates:
    """The buckets of one workspace, and the pace of each of its conversations."""

    def __init__(self) -> None:
        self.starts = TokenBucket(STARTS)
        self.appends = TokenBucket(APPENDS)
        self.edits = TokenBucket(EDITS)
        self.posts: defaultdict[str, Pace] = defaultdict(Pace)
