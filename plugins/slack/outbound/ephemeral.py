"""Messages that one person alone sees: answers and notices in a channel, answers to a command, short confirmations.

Slack keeps none of them. They can't be looked up again, so a try whose reply is lost is repeated and its reader may see
the message twice; and they are gone when the reader's Slack reloads, so nothing depends on them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from bot.domain.errors import MenteeError
from plugins.slack.block_kit import Block, actions, button, context
from plugins.slack.client.response_urls import respond
from plugins.slack.client.web_api import LONGEST_WAIT, SlackRefusedError, call, direct_conversation
from plugins.slack.copy import channels as copy
from plugins.slack.copy.formats import shortened
from plugins.slack.items import ANSWER
from plugins.slack.outbound.addresses import PRIVATE, SHARE
from plugins.slack.outbound.blocks import (
    ANSWER_PRIVATELY_ACTION,
    BLOCKS_REFUSED,
    DISCARD_ACTION,
    SHARE_ACTION,
    render,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.domain.deliveries import OutboxItem
    from plugins.slack.outbound.blocks import SlackMessage

RESPONSE_CHARACTERS = 30_000
"""Every full message holds more than 6,000 characters, so this many need at most the five posts that Slack takes."""

log = structlog.get_logger(__name__)


class EphemeralSender:
    """Shows messages to one person.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, client: Callable[[], AsyncWebClient]) -> None:
        self._client = client

    async def send(self, item: OutboxItem) -> str:
        """Show an item to the person of its address, in the channel, and return a reference to it.

        :raises BusyError: Slack asks to wait or cannot be reached.
        :raises SlackRefusedError: Slack refused for good, such as ``user_not_in_channel``.
        """
        messages = render(item)
        messages[-1] = replace(messages[-1], blocks=[*messages[-1].blocks, *_buttons(item)])
        for message in messages:
            try:
                await self._post(item, message)
            except SlackRefusedError as error:
                if error.name not in BLOCKS_REFUSED:
                    raise
                await self._post(item, message.without_blocks())
        return f"{item.address['channel']}:{item.id}"

    async def send_response(self, item: OutboxItem) -> str:
        """Show an item to the person who typed a command, by its response URL, and return a reference to it.

        :raises BusyError: Slack asks to wait or cannot be reached.
        :raises SlackRefusedError: Slack refused for good, such as ``expired_url`` after half an hour.
        """
        url, wait = item.address["response_url"], min(LONGEST_WAIT, 2.0**item.attempts)
        text = shortened(item.payload["text"], RESPONSE_CHARACTERS)
        for message in render(replace(item, payload={**item.payload, "text": text})):
            try:
                await respond(url, message.text, message.blocks, wait=wait)
            except SlackRefusedError as error:
                if error.name not in BLOCKS_REFUSED:
                    raise
                await respond(url, message.without_blocks().text, (), wait=wait)
        return f"{item.address['channel']}:{item.id}"

    async def tell(
        self, about: Mapping[str, Any], text: str, *, thread: str | None, blocks: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        """Tell somebody a line where they just did something; where that can't be, in their direct conversation.

        What it is about is recorded already, so that a line Slack does not show loses nothing.

        :param about: an inbox payload, for its ``channel`` and ``user``.
        :param blocks: what is shown instead of the text; a direct conversation gets the text.
        """
        client, where = self._client(), {"channel": about["channel"], "user": about["user"], "thread_ts": thread}
        shown = list(blocks) or None
        try:
            try:
                await call(client.chat_postEphemeral, "chat.postEphemeral", text=text, blocks=shown, **where)
            except SlackRefusedError as error:
                log.info("slack_line_not_shown_there", problem=error.text)  # such as a channel that we are no member of
                channel = await direct_conversation(client, about["user"])
                await call(client.chat_postMessage, "chat.postMessage", channel=channel, text=text)
        except MenteeError as error:
            log.info("slack_line_not_shown", problem=error.text)

    async def _post(self, item: OutboxItem, message: SlackMessage) -> None:
        client, address = self._client(), item.address
        await call(
            client.chat_postEphemeral, "chat.postEphemeral", attempts=item.attempts, channel=address["channel"],
            user=address["user"], thread_ts=address["shown_in"], text=message.text, blocks=message.blocks or None,
        )  # fmt: skip


def _buttons(item: OutboxItem) -> list[Block]:
    """Return what the reader can do with the message."""
    offer = item.address.get("offer")
    if offer == PRIVATE:
        return [actions([button(ANSWER_PRIVATELY_ACTION, copy.alone_button(), item.payload["question_id"])])]
    if offer != SHARE or item.kind != ANSWER:
        return []
    answer_id = item.payload["answer_id"]
    share = {**button(SHARE_ACTION, copy.share_button(), answer_id), "style": "primary"}
    discard = button(DISCARD_ACTION, copy.discard_button(), answer_id)
    return [context([copy.only_you()]), actions([share, discard])]
