"""The status line of a thread while its answer is made, and not any longer.

Slack takes the line away when the answer appears. A call that reached Slack after the answer would bring it back for
two minutes, so one that was still under way then is followed by another that takes the line away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cachetools import LRUCache

from plugins.slack.client.web_api import call
from plugins.slack.copy import views as copy

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_sdk.web.async_client import AsyncWebClient

REMEMBERED = 500
"""Threads of which we know that their answer is there."""


class StatusLines:
    """Shows status lines. Used from one event loop.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, client: Callable[[], AsyncWebClient]) -> None:
        self._client = client
        self._answered: LRUCache[tuple[str, str], None] = LRUCache(REMEMBERED)

    def begin(self, channel: str, thread: str) -> None:
        """Note that an answer is being made."""
        self._answered.pop((channel, thread), None)

    def end(self, channel: str, thread: str | None) -> None:
        """Note that the answer is about to appear."""
        if thread is not None:
            self._answered[channel, thread] = None

    async def show(self, channel: str, thread: str, step: str = "") -> None:
        """Say that an answer is being made, unless it is there.

        :param step: what is being done; without it, what will be done is shown in turns.
        :raises MenteeError: Slack does not take it (:func:`plugins.slack.client.web_api.call`).
        """
        if (channel, thread) in self._answered:
            return
        steps = [f"{step}…"] if step else copy.status_steps()
        await self._set(channel, thread, copy.status(), steps)
        if (channel, thread) in self._answered:
            await self._set(channel, thread, "")

    async def _set(self, channel: str, thread: str, status: str, steps: list[str] | None = None) -> None:
        client = self._client()
        await call(
            client.assistant_threads_setStatus, "assistant.threads.setStatus",
            channel_id=channel, thread_ts=thread, status=status, loading_messages=steps,
        )  # fmt: skip
