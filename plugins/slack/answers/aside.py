"""A line that one person sees where they just did something; where that cannot be, in their direct conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from bot.errors import MenteeError
from plugins.slack.client import SlackRefusedError, call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from slack_sdk.web.async_client import AsyncWebClient

log = structlog.get_logger(__name__)


async def aside(  # noqa: PLR0913, PLR0917 - where, to whom, and what
    client: AsyncWebClient,
    channel: str,
    user: str,
    thread: str | None,
    text: str,
    blocks: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Say it. Whatever it is about is recorded already, so that a line Slack does not show loses nothing.

    :param blocks: what is shown instead of the text; a direct conversation gets the text.
    """
    where: dict[str, Any] = {"channel": channel, "user": user, "thread_ts": thread}
    try:
        try:
            await call(client.chat_postEphemeral, "chat.postEphemeral", text=text, blocks=list(blocks) or None, **where)
        except SlackRefusedError as error:
            log.info("slack_line_not_shown_there", problem=error.text)  # such as a channel that we are no member of
            await call(client.chat_postMessage, "chat.postMessage", channel=await direct(client, user), text=text)
    except MenteeError as error:
        log.info("slack_line_not_shown", problem=error.text)


async def direct(client: AsyncWebClient, user: str) -> str:
    """Return the id of our direct conversation with a person.

    :raises MenteeError: Slack does not open it.
    """
    opened = await call(client.conversations_open, "conversations.open", users=user)
    return str(opened["channel"]["id"])
