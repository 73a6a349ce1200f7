"""Edits and deletions of messages, as inbox items. Pure, like :mod:`plugins.slack.inbound.events`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot.domain.deliveries import InboxItem
from plugins.slack.inbound import events
from plugins.slack.items import DELETION, EDIT, NAME, message_key, version_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugins.slack.inbound.events import IncomingMessage

EDIT_SECONDS = 3_600.0
"""An edit later than this after the message asks nothing: the conversation has moved on."""


def edit(body: Mapping[str, Any]) -> IncomingMessage | None:
    """Return the question in a message as it was edited, or ``None`` for other changes (link previews, replies)."""
    event = body["event"]
    new, old = event.get("message") or {}, event.get("previous_message") or {}
    edited = (new.get("edited") or {}).get("ts")
    if event.get("subtype") != "message_changed" or not edited or new.get("text") == old.get("text"):
        return None
    if float(edited) - float(new["ts"]) > EDIT_SECONDS:
        return None
    inner = {**new, "type": "message", "channel": event["channel"], "channel_type": event.get("channel_type")}
    message = events.message({**body, "event": inner})
    if message is None:
        return None
    key = version_key(str(message.item.message_key), str(edited))
    return replace(message, item=replace(message.item, kind=EDIT, message_key=key))


def deletion(body: Mapping[str, Any]) -> InboxItem | None:
    """Return the deletion of a message, or ``None``.

    A message with replies becomes a tombstone, which Slack reports as a change. Mentee's own don't matter.
    """
    event = body["event"]
    message = event.get("message") or {}
    tombstone = event.get("subtype") == "message_changed" and message.get("subtype") == "tombstone"
    if event.get("subtype") != "message_deleted" and not tombstone:
        return None
    ts = message["ts"] if tombstone else event["deleted_ts"]
    thread = (event.get("previous_message") or message).get("thread_ts") or ts
    channel = event["channel"]
    payload = {"key": message_key(body.get("team_id", ""), channel, ts), "channel": channel, "thread": thread}
    return InboxItem(NAME, DELETION, payload, f"{NAME}:{body['event_id']}")
