"""What Slack sends, as inbox items. Pure functions: nothing is looked up and nothing is answered here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.messages import InboxItem, now
from plugins.slack.conversations.attachments import kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.messages import VoteValue

NAME = "slack"
QUESTION, VOTE, REACTION, REASON = "question", "vote", "reaction", "reason"
GREETING, CORRECTION, PROPOSAL = "greeting", "correction", "proposal"
SPOKEN = (None, "file_share", "thread_broadcast")
"""Subtypes of messages that people write; edits, deletions, joins and the like have others."""
SLACKBOT = "USLACKBOT"
"""Slack's own voice, which carries no bot id."""
THUMBS: Mapping[str, VoteValue] = {"+1": "up", "thumbsup": "up", "-1": "down", "thumbsdown": "down"}


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that may be a question. ``addressed`` is false for one that neither mentions us nor is direct."""

    item: InboxItem
    addressed: bool


def message(body: Mapping[str, Any]) -> Heard | None:
    """Return the question in an ``app_mention`` or ``message`` event, or ``None`` when it cannot be one.

    A mention comes as both events; they share the message key, so they become one inbox row.
    """
    event, me = body["event"], _me(body)
    files = kept(event)
    user, text = event.get("user"), event.get("text", "" if files else None)
    if event.get("subtype") not in SPOKEN or event.get("bot_id") or not user or user in (me, SLACKBOT) or text is None:
        return None
    direct = event.get("channel_type") == "im"
    mentioned = event["type"] == "app_mention" or bool(me and f"<@{me}>" in text)
    team, channel, ts = body.get("team_id", ""), event["channel"], event["ts"]
    payload = {
        "me": me,
        "team": team,
        "channel": channel,
        "direct": direct,
        "external": bool(body.get("is_ext_shared_channel")),
        "user": user,
        "text": text,
        "ts": ts,
        "thread": event.get("thread_ts") or ts,
        "addressed": direct or mentioned,
        **({"files": files} if files else {}),
    }
    item = InboxItem(NAME, QUESTION, payload, f"{NAME}:{body['event_id']}", message_key(team, channel, ts))
    return Heard(item, addressed=direct or mentioned)


def message_key(team: str, channel: str, ts: str) -> str:
    """Return the identity of a message, whatever events tell of it."""
    return f"{NAME}:{team}:{channel}:{ts}"


def reaction(body: Mapping[str, Any]) -> InboxItem | None:
    """Return the vote in an emoji reaction to one of our messages, or ``None``. Skin tones count alike."""
    event, me = body["event"], _me(body)
    value = THUMBS.get(event["reaction"].partition("::")[0])
    item = event.get("item", {})
    ours = not me or event.get("item_user") in (None, me)
    if value is None or item.get("type") != "message" or not ours or event["user"] == me:
        return None
    payload = {
        "user": event["user"],
        "channel": item["channel"],
        "ts": item["ts"],
        "value": value,
        "removed": event["type"] == "reaction_removed",
        "at": float(event["event_ts"]),
    }
    return InboxItem(NAME, REACTION, payload, f"{NAME}:{body['event_id']}")


def press(body: Mapping[str, Any]) -> InboxItem | None:
    """Return the vote in a pressed thumb, or ``None`` when its value is none of ours."""
    action, container = body["actions"][0], body["container"]
    side, _, answer_id = str(action.get("value", "")).partition(":")
    channel, user = body.get("channel", {}).get("id") or container.get("channel_id"), body["user"]["id"]
    if side not in ("up", "down") or not answer_id or not channel:
        return None
    payload = {
        "user": user,
        "channel": channel,
        "ts": container["message_ts"],
        "thread": container.get("thread_ts") or (None if container.get("is_ephemeral") else container["message_ts"]),
        "answer_id": answer_id,
        "value": side,
        "at": float(action["action_ts"]),
    }
    key = f"{NAME}:press:{channel}:{container['message_ts']}:{user}:{action['action_ts']}"
    return InboxItem(NAME, VOTE, payload, key)


def submission(body: Mapping[str, Any], values: Mapping[str, str]) -> InboxItem:
    """Return the reason that somebody gave in the modal; ``values`` are its inputs by name."""
    view = body["view"]
    about = json.loads(view["private_metadata"])
    payload = {**about, **values, "user": body["user"]["id"], "at": now().timestamp()}
    return InboxItem(NAME, REASON, payload, f"{NAME}:view:{view['id']}")


def command(body: Mapping[str, Any], text: str, department: str | None) -> InboxItem:
    """Return the question asked by a slash command: of one person, and answered to that person alone.

    :param department: the department that the person named.
    """
    trigger = body["trigger_id"]
    payload = {
        "me": "",
        "team": body.get("team_id", ""),
        "channel": body["channel_id"],
        "direct": True,
        "external": False,
        "user": body["user_id"],
        "text": text,
        "ts": trigger,
        "thread": f"command:{trigger}",
        "department": department,
        "response_url": body["response_url"],
    }
    return InboxItem(NAME, QUESTION, payload, f"{NAME}:command:{trigger}")


@dataclass(frozen=True, slots=True)
class Opened:
    """Somebody opened App Home (``tab`` is ``home``) or their direct conversation with us (``messages``)."""

    user: str
    channel: str
    tab: str
    greeting: InboxItem


def opened(body: Mapping[str, Any]) -> Opened | None:
    """Return what was opened, or ``None`` where people of another company read along.

    The greeting's key is the conversation, so that it is said once and not at each opening.
    """
    event = body["event"]
    if body.get("is_ext_shared_channel"):
        return None
    user, channel = event["user"], event["channel"]
    payload = {"user": user, "channel": channel, "thread": None}
    greeting = InboxItem(NAME, GREETING, payload, f"{NAME}:greeting:{body.get('team_id', '')}:{channel}")
    return Opened(user, channel, event.get("tab", ""), greeting)


def thread_started(body: Mapping[str, Any]) -> InboxItem:
    """Return the greeting of a thread that Slack opened for somebody, in an app with ``assistant_view``."""
    thread = body["event"]["assistant_thread"]
    payload = {"user": thread["user_id"], "channel": thread["channel_id"], "thread": thread["thread_ts"]}
    return InboxItem(NAME, GREETING, payload, f"{NAME}:{body['event_id']}")


def correction(body: Mapping[str, Any], text: str, kind: str = CORRECTION) -> InboxItem:
    """Return what somebody wrote in the modal that corrects an answer, or (:data:`PROPOSAL`) proposes a correction."""
    view = body["view"]
    about = json.loads(view["private_metadata"])
    payload = {**about, "text": text, "user": body["user"]["id"], "at": now().timestamp()}
    return InboxItem(NAME, kind, payload, f"{NAME}:view:{view['id']}")


def _me(body: Mapping[str, Any]) -> str:
    """Return our own user id: Slack says with each event for whom it is."""
    authorizations = body.get("authorizations") or [{}]
    return str(authorizations[0].get("user_id") or "")
