"""Slack Connect: whether people of another company read a channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.slack.client.web_api import SlackRefusedError, call

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient


async def others_read(client: AsyncWebClient, channel: str) -> bool:
    """Return whether another company reads the channel, or is invited to; one that Slack keeps from us counts as such.

    :raises BusyError: Slack asks to wait or cannot be reached.
    """
    try:
        told = (await call(client.conversations_info, "conversations.info", channel=channel))["channel"]
    except SlackRefusedError:
        return True
    return bool(told.get("is_ext_shared") or told.get("is_pending_ext_shared"))
