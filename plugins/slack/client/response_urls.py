"""Response URLs: a message to the one person who typed a command or pressed a button, in any conversation.

Slack takes five such messages within half an hour.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.domain.errors import BusyError
from plugins.slack.client.web_api import CALL_SECONDS, LOGGER, LONGEST_WAIT, SlackRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slack_sdk.webhook.webhook_response import WebhookResponse

NAME = "response_url"

log = structlog.get_logger(__name__)


async def respond(url: str, text: str, blocks: Sequence[Mapping[str, Any]], *, wait: float) -> None:
    """Show a message to the person to whom the URL belongs.

    :param wait: seconds until the next try, should Slack be unreachable.
    :raises BusyError: Slack asks to wait or cannot be reached.
    :raises SlackRefusedError: Slack refused for good, such as ``expired_url`` after half an hour.
    """
    try:
        reply = await _webhook(url).send(
            text=text,
            blocks=list(blocks) or None,  # type: ignore[arg-type] # plain dictionaries are taken as well
            response_type="ephemeral",
            unfurl_links=False,
            unfurl_media=False,
        )
    except (aiohttp.ClientError, TimeoutError) as error:
        raise BusyError(f"Can't reach Slack for {NAME} ({type(error).__name__}).", retry_after=wait) from None
    _check(reply, wait)


async def dismiss(url: str) -> None:
    """Remove the message whose button was pressed. If it stays, no harm: pressing it again changes nothing."""
    if not url:
        return
    try:
        await _webhook(url).send(delete_original=True)
    except (aiohttp.ClientError, TimeoutError) as error:
        log.info("slack_message_not_dismissed", problem=type(error).__name__)


def _webhook(url: str) -> AsyncWebhookClient:
    return AsyncWebhookClient(url, timeout=CALL_SECONDS, retry_handlers=[], logger=LOGGER)


def _check(reply: WebhookResponse, wait: float) -> None:
    if reply.status_code == 429:  # noqa: PLR2004 - HTTP's Too Many Requests
        raise BusyError("Slack asks Mentee to wait.", retry_after=float(reply.headers.get("Retry-After", LONGEST_WAIT)))
    if reply.status_code >= 500:  # noqa: PLR2004 - HTTP's server errors
        raise BusyError(f"Slack failed in {NAME} (HTTP {reply.status_code}).", retry_after=wait)
    try:
        said = json.loads(reply.body)
    except ValueError:
        said = {"ok": reply.status_code == 200, "error": reply.body}  # noqa: PLR2004 - HTTP's OK; then the body is "ok"
    if not said.get("ok"):
        raise SlackRefusedError(NAME, str(said.get("error", reply.status_code)))
