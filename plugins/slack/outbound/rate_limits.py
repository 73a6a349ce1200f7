"""Rate limits for calls that readers could do without, by Slack's tiers and for each workspace.

Replicas share Slack's limit but each counts only its own calls, so Slack's own word (``Retry-After``) counts as well.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from aiolimiter import AsyncLimiter

from plugins.slack.client.web_api import RateLimitedError, SlackRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STARTS, EDITS, APPENDS = 20, 50, 100
"""A minute: tier 2 (``chat.startStream``), 3 (``chat.update``) and 4 (``chat.appendStream``)."""
POST_SECONDS = 1.0
"""Between two messages in one conversation."""
PACES = 1_000
"""With this many conversations in a workspace, the paces of quiet ones are forgotten."""


class CallLimit:
    """Lets ``most`` calls through at once, and on average ``most`` in so many ``seconds``; others are left out.

    The bucket is aiolimiter's, asked without waiting; it knows nothing of a ``Retry-After``, so that is kept here.
    """

    def __init__(self, most: int, seconds: float = 60.0) -> None:
        self._bucket = AsyncLimiter(most, seconds)
        self._closed_until = 0.0

    async def take(self) -> bool:
        """Return at once whether one more may go through now, and count it."""
        if asyncio.get_running_loop().time() < self._closed_until or not self._bucket.has_capacity():
            return False
        await self._bucket.acquire()
        return True

    def close(self, seconds: float) -> None:
        """Let nothing through for so long."""
        self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + seconds)


class Pace:
    """Lets one new message at a time through, each so many ``seconds`` after the one before it had arrived.

    aiolimiter can't do this: it counts from a call's start, so that a slow message and the quick one after it would
    reach Slack closer together; and a message that Slack refused has not arrived and doesn't count.
    """

    def __init__(self, seconds: float = POST_SECONDS, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._one = asyncio.Lock()
        self._users = 0
        self._free_at = clock()

    @property
    def free(self) -> bool:
        """Whether a message would go through at once."""
        return not self._users and self._clock() >= self._free_at

    async def __aenter__(self) -> None:
        """Wait for the turn of one message."""
        self._users += 1
        try:
            await self._one.acquire()
        except BaseException:
            self._users -= 1
            raise
        try:
            await asyncio.sleep(self._free_at - self._clock())
        except BaseException:
            self._leave()
            raise

    async def __aexit__(self, _: object, error: BaseException | None, *__: object) -> None:
        """Count from now."""
        if not isinstance(error, RateLimitedError | SlackRefusedError):
            self._free_at = self._clock() + self._seconds
        self._leave()

    def _leave(self) -> None:
        self._users -= 1
        self._one.release()


class WorkspaceLimits:
    """The limits of one workspace, and the pace of each of its conversations."""

    def __init__(self) -> None:
        self.starts = CallLimit(STARTS)
        self.appends = CallLimit(APPENDS)
        self.edits = CallLimit(EDITS)
        self._paces: dict[str, Pace] = {}

    def pace(self, conversation: str) -> Pace:
        """Return the pace of a conversation. Ask for it for each message: a quiet conversation's is forgotten."""
        if conversation not in self._paces:
            if len(self._paces) >= PACES:  # a pace that is free is like a new one
                self._paces = {name: pace for name, pace in self._paces.items() if not pace.free}
            self._paces[conversation] = Pace()
        return self._paces[conversation]


class RateLimits:
    """The limits of every workspace. Used from one event loop."""

    def __init__(self) -> None:
        self._workspaces: defaultdict[str, WorkspaceLimits] = defaultdict(WorkspaceLimits)

    def of(self, address: Mapping[str, Any]) -> WorkspaceLimits:
        """Return the limits of the workspace of an address."""
        return self._workspaces[address.get("team", "")]
