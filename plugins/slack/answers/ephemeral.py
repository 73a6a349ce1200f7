"""Answers that one person sees: posted by the response URL of their command, in any conversation, member or not.

Slack takes five such posts within half an hour. They cannot be looked up again: a try whose reply is lost is repeated,
and its one reader may see the answer twice.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.errors import BusyError
from plugins.slack.answers.delivery import BLOCKS_REFUSED, PLAIN_CHARACTERS
from plugins.slack.answers.render import render
from plugins.slack.client import CALL_SECONDS, LOGGER, LONGEST_WAIT, SlackRefusedError
from plugins.slack.texts.formats import shortened

if TYPE_CHECKING:
    from slack_sdk.webhook.webhook_response import WebhookResponse

    from bot.messages import OutboxItem
    from plugins.slack.answers.render import SlackMessage

NAME = "response_url"
CHARACTERS = 30_000
"""Every full message holds more than 6,000 characters, so this many need at most the five posts that Slack takes."""


async def deliver_ephemeral(item: OutboxItem) -> str:
    """Post an item to the one person who asked, and return a reference to it.

    :raises BusyError: Slack asks to wait or cannot be reached.
    :raises SlackRefusedError: Slack refused for good, such as ``expired_url`` after half an hour.
    """
    url, wait = item.address["response_url"], min(LONGEST_WAIT, 2.0**item.attempts)
    text = shortened(item.payload["text"], CHARACTERS)
    for message in render(replace(item, payload={**item.payload, "text": text})):
        try:
            await _send(url, message, wait)
        except SlackRefusedError as error:
            if error.name not in BLOCKS_REFUSED:
                raise
            await _send(url, replace(message, text=message.plain[:PLAIN_CHARACTERS], blocks=()), wait)
    return f"{item.address['channel']}:{item.id}"


async def _send(url: str, message: SlackMessage, wait: float) -> None:
    client = AsyncWebhookClient(url, timeout=CALL_SECONDS, retry_handlers=[], logger=LOGGER)
    try:
        reply = await client.send(
            text=message.text,
            blocks=message.blocks or None,  # type: ignore[arg-type] # plain dictionaries are taken as well
            response_type="ephemeral",
            unfurl_links=False,
            unfurl_media=False,
        )
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BusyError(f"Slack cannot be reached for {NAME} ({type(error).__name__}).", retry_after=wait) from None
    _check(reply, wait)


def _check(reply: WebhookResponse, wait: float) -> None:
    if reply.status_code == 429:  # noqa: PLR2004 - HTTP's Too Many Requests
        raise BusyError("Slack asks to wait.", retry_after=float(reply.headers.get("Retry-After", LONGEST_WAIT)))
    if reply.status_code >= 500:  # noqa: PLR2004 - HTTP's server errors
        raise BusyError(f"Slack failed in {NAME} (HTTP {reply.status_code}).", retry_after=wait)
    try:
        said = json.loads(reply.body)
    except ValueError:
        said = {"ok": reply.status_code == 200, "error": reply.body}  # noqa: PLR2004 - HTTP's OK; then the body is "ok"
    if not said.get("ok"):
        raise SlackRefusedError(NAME, str(said.get("error", reply.status_code)))
