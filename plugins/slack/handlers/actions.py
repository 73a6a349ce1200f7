"""Actions that people confirm in Slack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.errors import BusyError, MenteeError, NotFoundError
from plugins.slack.copy import actions as copy
from plugins.slack.workspaces.connect import others_read
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.access.departments import Departments
    from bot.domain.deliveries import InboxItem
    from bot.domain.people import Audience, Person
    from bot.domain.plugins.actions import OfferedAction
    from bot.feedback.actions import Actions
    from bot.storage.session import Store
    from plugins.slack.outbound.ephemeral import EphemeralSender
    from plugins.slack.workspaces.channels import Channels
    from plugins.slack.workspaces.threads import Threads

LOOK_SECONDS = 2.0
"""How soon to look again for what came of an action that a lost worker began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionHandler:
    """Does what the person who asked confirms. What came of it is told by the outbox, under the answer.

    :param client: gives the Web API client of the moment.
    """

    store: Store
    departments: Departments
    actions: Actions
    channels: Channels
    threads: Threads
    ephemeral: EphemeralSender
    client: Callable[[], AsyncWebClient]

    async def handle(self, item: InboxItem) -> None:
        """Do it, once, or tell the person alone why not.

        :raises NotFoundError: no such action was offered in that conversation.
        :raises BusyError: Slack can't be asked for what decides, or what an earlier try began has not ended yet.
        """
        payload, action_id = item.payload, item.payload["action_id"]
        answer_id = await self.store.run(self.actions.answer_of, action_id)
        if not await self.store.run(self.threads.was_posted, answer_id, payload["channel"]):
            raise NotFoundError("No such action was offered there.")
        person = await self.store.run(self.departments.person, person_id(payload["user"]))
        audiences = await self._audiences(payload["channel"], person)
        try:
            said = self._said(item, action_id, await self.actions.confirm(action_id, person, audiences))
        except _UnderWayError:
            raise BusyError("The action is still running.", retry_after=LOOK_SECONDS) from None
        except MenteeError as error:
            said = str(error)
        if said:
            await self.ephemeral.tell(payload, said, thread=payload["thread"])

    async def _audiences(self, channel: str, person: Person) -> list[Audience]:
        """Return as whom the person acts there: as themselves, and in a channel as everyone who reads it.

        In channels shared with another company, nobody uses their own permissions.
        """
        own = await self.store.run(self.departments.audience_of, person)
        if channel.startswith("D"):
            return [own]
        external = await others_read(self.client(), channel)
        settings = await self.store.run(self.channels.get, channel)
        shared = self.channels.audience(settings, external=external)
        return [shared] if external else [own, shared]

    @staticmethod
    def _said(item: InboxItem, action_id: str, found: OfferedAction) -> str:
        """Return what the person alone is told; nothing where the answer itself shows what came of it."""
        if found.state == "running":
            if item.attempts > 1:
                raise _UnderWayError
            return copy.under_way()
        return found.result if found.id == action_id and found.state in ("expired", "cancelled") else ""


class _UnderWayError(Exception):
    """What this item asks for was begun by an earlier try, and may have been lost with its worker."""
