"""The manners of conversations in one place: what each inbox item asks, and what is better not posted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from bot.errors import MenteeError, NotFoundError
from plugins.slack.client import SlackRefusedError, call
from plugins.slack.conversations.addresses import better_unsaid, for_one_reader
from plugins.slack.conversations.arrivals import ALONE, DELETION, EDIT, SETTINGS, SHARE
from plugins.slack.conversations.form import ChannelForm
from plugins.slack.conversations.groups import Groups
from plugins.slack.conversations.private import Private
from plugins.slack.conversations.questions import Questions
from plugins.slack.conversations.revisions import Revisions
from plugins.slack.conversations.threads import NOTHING_POSTED
from plugins.slack.conversations.whispers import Whispers
from plugins.slack.events import QUESTION
from plugins.slack.texts import channels as texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.messages import InboxItem, OutboxItem, Question
    from plugins.slack.answers.delivery import Poster
    from plugins.slack.surfaces.errands import Errands

KINDS = frozenset({QUESTION, EDIT, DELETION, SHARE, ALONE, SETTINGS})
"""The kinds of inbox items that :class:`Manners` handles."""

log = structlog.get_logger(__name__)


class Manners:
    """Handles conversations.

    :param poster: knows what was posted.
    :param client: gives the Web API client of the moment.
    """

    def __init__(self, mentee: Mentee, poster: Poster, errands: Errands, client: Callable[[], AsyncWebClient]) -> None:
        groups = Groups(client)
        self._mentee = mentee
        self._client = client
        self._errands = errands
        self._questions = Questions(mentee, groups, client)
        self._private = Private(mentee, groups, client)
        self._revisions = Revisions(mentee, poster, client)
        self._form = ChannelForm(mentee, client)
        self._whispers = Whispers(client)

    async def interpret(self, item: InboxItem) -> Question | None:
        """Return the question that an item asks, or do what else it says and return ``None``."""
        try:
            return await self._interpret(item)
        except NotFoundError as error:
            log.info("slack_item_ignored", kind=item.kind, item=item.id, problem=error.text)
            return None

    async def deliver(self, item: OutboxItem) -> str | None:
        """Deliver what goes to one person, or is better not posted; ``None`` for what the channel is to see.

        :raises BusyError: Slack asks to wait or cannot be reached.
        """
        if better_unsaid(item.address, item.payload):
            await self._stay_quiet(item)
            self.delivered(item)
            return NOTHING_POSTED
        if for_one_reader(item.address):
            reference = await self._whispers.deliver(item)
            self.delivered(item)
            return reference
        return None

    def delivered(self, item: OutboxItem) -> None:
        """See whether the asker could be answered better in private."""
        if item.kind == "answer":
            self._errands.run("private answer", partial(self._mentee.store.run, self._private.offer, item))

    async def _interpret(self, item: InboxItem) -> Question | None:
        match item.kind:
            case "edit":
                return await self._questions.interpret(item) if await self._revisions.supersede(item) else None
            case "deletion":
                await self._revisions.delete(item)
            case "share":
                await self._private.share(item)
            case "alone":
                return await self._private.alone(item)
            case "channel_settings":
                await self._save(item)
            case _:
                return await self._questions.interpret(item)
        return None

    async def _save(self, item: InboxItem) -> None:
        try:
            await self._mentee.store.run(self._form.save, item)
        except MenteeError as error:
            log.warning("slack_channel_settings_refused", channel=item.payload["channel"], problem=error.text)

    async def _stay_quiet(self, item: OutboxItem) -> None:
        if item.address["quiet"] != "react":
            return
        client, address = self._client(), item.address
        try:
            await call(
                client.reactions_add, "reactions.add", attempts=item.attempts, channel=address["channel"],
                timestamp=address["asked"], name=texts.QUIET_EMOJI,
            )  # fmt: skip
        except SlackRefusedError as error:
            log.info("slack_reaction_refused", problem=error.text)  # such as already_reacted, after a lost reply
