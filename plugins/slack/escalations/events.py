"""What Slack sends about escalations, as inbox items. Pure functions: nothing is looked up and nothing is answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.messages import InboxItem
from plugins.slack.events import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

ASK, CHECK, CLOSE, STOP_NEWS = "ask_person", "check", "close_escalation", "stop_news"
KINDS = frozenset({ASK, CHECK, CLOSE, STOP_NEWS})
CHECKS = frozenset({"white_check_mark", "heavy_check_mark", "ballot_box_with_check"})
"""Emoji that mark the reply which answers."""


def check(body: Mapping[str, Any]) -> InboxItem | None:
    """Return the check mark that somebody put on a message, or ``None`` for another reaction."""
    event = body["event"]
    item = event.get("item", {})
    if event["type"] != "reaction_added" or event["reaction"] not in CHECKS or item.get("type") != "message":
        return None
    payload = {"user": event["user"], "channel": item["channel"], "ts": item["ts"]}
    return InboxItem(NAME, CHECK, payload, f"{NAME}:{body['event_id']}")


def press(body: Mapping[str, Any], kind: str, name: str) -> InboxItem | None:
    """Return what a pressed button asks for, or ``None`` when it says nothing about what.

    :param name: of the button's value in the payload.
    """
    action, container = body["actions"][0], body["container"]
    channel, value = body.get("channel", {}).get("id") or container.get("channel_id"), action.get("value")
    if not channel or not value:
        return None
    ts, user = container["message_ts"], body["user"]["id"]
    payload = {"user": user, "channel": channel, "thread": container.get("thread_ts"), name: str(value)}
    return InboxItem(NAME, kind, payload, f"{NAME}:press:{channel}:{ts}:{user}:{action['action_ts']}")
