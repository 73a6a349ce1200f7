"""Messages that one person alone sees in a channel (``chat.postEphemeral``), with the buttons under them.

Slack keeps none of them: they cannot be looked up again, so a try whose reply is lost is repeated and its one reader
may see it twice; and they are gone when the reader's Slack reloads, so nothing depends on them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog
from slack_sdk.webhook.async_client import AsyncWebhookClient

from plugins.slack.answers.delivery import BLOCKS_REFUSED, PLAIN_CHARACTERS
from plugins.slack.answers.render import render
from plugins.slack.client import CALL_SECONDS, LOGGER, SlackRefusedError, call
from plugins.slack.conversations.addresses import ALONE, SHARE
from plugins.slack.conversations.arrivals import ALONE_ACTION, DISCARD_ACTION, SHARE_ACTION
from plugins.slack.texts import channels as texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.messages import OutboxItem
    from plugins.slack.answers.render import SlackMessage

log = structlog.get_logger(__name__)


class Whispers:
    """Posts what one person alone sees.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, client: Callable[[], AsyncWebClient]) -> None:
        self._client = client

    async def deliver(self, item: OutboxItem) -> str:
        """Post an item to its one reader and return a reference to it.

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
                await self._post(item, replace(message, text=message.plain[:PLAIN_CHARACTERS], blocks=()))
        return f"{item.address['channel']}:{item.id}"

    async def _post(self, item: OutboxItem, message: SlackMessage) -> None:
        client, address = self._client(), item.address
        await call(
            client.chat_postEphemeral, "chat.postEphemeral", attempts=item.attempts, channel=address["channel"],
            user=address["user"], thread_ts=address["shown_in"], text=message.text, blocks=message.blocks or None,
        )  # fmt: skip


async def dismiss(response_url: str) -> None:
    """Take a message away whose button was pressed. One that stays is no harm: pressing it again changes nothing."""
    if not response_url:
        return
    client = AsyncWebhookClient(response_url, timeout=CALL_SECONDS, retry_handlers=[], logger=LOGGER)
    try:
        await client.send(delete_original=True)
    except (aiohttp.ClientError, TimeoutError) as error:
        log.info("slack_whisper_not_dismissed", problem=type(error).__name__)


def _buttons(item: OutboxItem) -> list[dict[str, Any]]:
    """Return what the reader can do with the message."""
    offer = item.address.get("offer")
    if offer == ALONE:
        return [_actions([_button(ALONE_ACTION, texts.alone_button(), item.payload["question_id"])])]
    if offer != SHARE or item.kind != "answer":
        return []
    answer_id = item.payload["answer_id"]
    share = {**_button(SHARE_ACTION, texts.share_button(), answer_id), "style": "primary"}
    discard = _button(DISCARD_ACTION, texts.discard_button(), answer_id)
    line = {"type": "context", "elements": [{"type": "mrkdwn", "text": texts.only_you()}]}
    return [line, _actions([share, discard])]


def _actions(buttons: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"type": "actions", "elements": buttons}


def _button(action: str, text: str, value: str) -> dict[str, Any]:
    return {"type": "button", "action_id": action, "text": {"type": "plain_text", "text": text}, "value": value}
