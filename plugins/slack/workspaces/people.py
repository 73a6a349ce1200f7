"""People of a workspace, with the names by which Slack shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from bot.domain.errors import MenteeError
from plugins.slack.client.web_api import SlackRefusedError, call
from plugins.slack.workspaces.current import meet, person_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.access.people import People
    from bot.domain.people import Person
    from bot.storage.session import Store

NAME_CHARACTERS = 255

log = structlog.get_logger(__name__)


class SlackPeople:
    """Looks up people.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, store: Store, people: People, client: Callable[[], AsyncWebClient]) -> None:
        self._store = store
        self._people = people
        self._client = client

    async def meet(self, user: str, here: str) -> None:
        """Learn from Slack of which company somebody is who reacts in a shared channel: the event doesn't tell.

        :param here: our own workspace.
        :raises BusyError: Slack cannot be asked just now.
        """
        client = self._client()
        try:
            answer = await call(client.users_info, "users.info", user=user)
        except SlackRefusedError as error:
            log.info("slack_company_unknown", problem=error.text)
            return
        own = str(answer["user"].get("team_id") or "")
        meet(user, own if own != here else "")

    async def named(self, user: str) -> Person:
        """Return a person with their name; Slack is asked for it once."""
        person = await self._store.run(self._people.get, person_id(user))
        if person.name:
            return person
        client = self._client()
        try:
            answer = await call(client.users_info, "users.info", user=user)
        except MenteeError as error:
            log.info("slack_name_unknown", problem=error.text)  # an answer does not wait for a name
            return person
        profile = answer["user"].get("profile", {})
        name = profile.get("display_name") or profile.get("real_name") or user
        return await self._store.run(self._people.rename, person, str(name)[:NAME_CHARACTERS])
