"""Slack's user groups: who may ask where a channel is reserved to some. What cannot be known is refused."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from cachetools import TTLCache

from plugins.slack.client.web_api import SlackRefusedError, call

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slack_sdk.web.async_client import AsyncWebClient

REMEMBERED, REMEMBERED_SECONDS = 1_000, 300.0
"""Who joins or leaves a group is known here this much later: the method is limited to 20 calls a minute."""

log = structlog.get_logger(__name__)


class Groups:
    """Knows the members of user groups. Used from one event loop.

    :param client: gives the Web API client of the moment.
    :param clock: gives the time in seconds, never going back.
    """

    def __init__(self, client: Callable[[], AsyncWebClient], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._known: TTLCache[str, frozenset[str]] = TTLCache(REMEMBERED, REMEMBERED_SECONDS, timer=clock)
        self._asking = asyncio.Lock()

    async def hold(self, groups: Sequence[str], user: str) -> bool:
        """Return whether the user is in one of the groups. A group that Slack refuses to tell about holds nobody.

        :raises BusyError: Slack asks to wait or cannot be reached.
        """
        async with self._asking:  # a burst of questions asks once
            return any([user in await self._members(group) for group in groups])

    async def _members(self, group: str) -> frozenset[str]:
        known = self._known.get(group)
        if known is not None:
            return known
        client = self._client()
        try:
            answer = await call(client.usergroups_users_list, "usergroups.users.list", usergroup=group)
        except SlackRefusedError as error:
            log.warning("slack_group_unknown", group=group, problem=error.text)
            return frozenset()
        members: frozenset[str] = frozenset(answer["users"])
        self._known[group] = members
        return members
