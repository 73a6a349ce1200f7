"""Edits, deletions and buttons of conversations, as inbox items. Pure, like :mod:`plugins.slack.events`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot.messages import InboxItem
from plugins.slack import events
from plugins.slack.conversations.threads import version_key
from plugins.slack.events import NAME, message_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plugins.slack.events import Heard

EDIT, DELETION, SHARE, ALONE, SETTINGS = "edit", "deletion", "share", "alone", "channel_settings"
SHARE_ACTION, DISCARD_ACTION, ALONE_ACTION = "mentee_share", "mentee_discard", "mentee_alone"
KINDS: Mapping[str, str] = {SHARE_ACTION: SHARE, ALONE_ACTION: ALONE}
EDIT_SECONDS = 3_600.0
"""An edit later than this after the message asks nobody anything: the conversation has moved on."""


def edit(body: Mapping[str, Any]) -> Heard | None:
    """Return the question in a message as it was edited, or ``None`` for other changes (link previews, replies)."""
    event = body["event"]
    new, old = event.get("message") or {}, event.get("previous_message") or {}
    edited = (new.get("edited") or {}).get("ts")
    if event.get("subtype") != "message_changed" or not edited or new.get("text") == old.get("text"):
        return None
    if float(edited) - float(new["ts"]) > EDIT_SECONDS:
        return None
    inner = {**new, "type": "message", "channel": event["channel"], "channel_type": event.get("channel_type")}
    heard = events.message({**body, "event": inner})
    if heard is None:
        return None
    key = version_key(str(heard.item.message_key), str(edited))
    return replace(heard, item=replace(heard.item, kind=EDIT, message_key=key))


def deletion(body: Mapping[str, Any]) -> InboxItem | None:
    """Return the deletion of a message, or ``None``.

    A message with replies becomes a tombstone, which Slack tells of as a change. Mentee's own are no matter.
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


def button(body: Mapping[str, Any]) -> InboxItem | None:
    """Return the pressed button of a message that one person alone sees, or ``None`` when it is none of ours."""
    action, channel = body["actions"][0], body.get("channel", {}).get("id")
    kind, about = KINDS.get(action.get("action_id", "")), str(action.get("value", ""))
    if kind is None or not about or not channel:
        return None
    payload = {
        "user": body["user"]["id"],
        "channel": channel,
        "about": about,
        "response_url": body.get("response_url", ""),
    }
    once = private_key(about, payload["user"]) if kind == ALONE else None  # a second press asks nothing more
    return InboxItem(NAME, kind, payload, f"{NAME}:{kind}:{about}:{payload['user']}:{action['action_ts']}", once)


def private_key(question_id: str, user: str) -> str:
    """Return the message key of a question that its asker has answered in private."""
    return f"{NAME}:{ALONE}:{question_id}:{user}"


def settings_entered(body: Mapping[str, Any], channel: str, values: Mapping[str, Any]) -> InboxItem:
    """Return what an operator entered in a channel's modal."""
    payload = {"user": body["user"]["id"], "channel": channel, "values": dict(values)}
    return InboxItem(NAME, SETTINGS, payload, f"{NAME}:view:{body['view']['id']}")


def same_words(one: str, other: str) -> bool:
    """Return whether two texts differ in nothing but case, punctuation and spaces."""
    return re.findall(r"\w+", one.casefold()) == re.findall(r"\w+", other.casefold())
