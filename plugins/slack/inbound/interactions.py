"""Buttons, modals and commands as inbox items. Pure, like :mod:`plugins.slack.inbound.events`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bot.domain.deliveries import InboxItem
from bot.domain.identifiers import now
from plugins.slack.items import (
    ANSWER_PRIVATELY,
    CHANNEL_SETTINGS,
    CORRECTION,
    NAME,
    QUESTION,
    REASON,
    SHARE,
    VOTE,
    private_key,
)
from plugins.slack.outbound.blocks import ANSWER_PRIVATELY_ACTION, SHARE_ACTION

if TYPE_CHECKING:
    from collections.abc import Mapping

PRIVATE_BUTTONS: Mapping[str, str] = {SHARE_ACTION: SHARE, ANSWER_PRIVATELY_ACTION: ANSWER_PRIVATELY}


def thumb(body: Mapping[str, Any]) -> InboxItem | None:
    """Return the vote in a pressed thumb, or ``None`` when its value is none of ours."""
    action, container = body["actions"][0], body["container"]
    side, _, answer_id = str(action.get("value", "")).partition(":")
    channel = _channel(body)
    if side not in ("up", "down") or not answer_id or not channel:
        return None
    payload = {
        **_sender(body),
        "channel": channel,
        "ts": container["message_ts"],
        "thread": container.get("thread_ts") or (None if container.get("is_ephemeral") else container["message_ts"]),
        "answer_id": answer_id,
        "value": side,
        "at": float(action["action_ts"]),
    }
    return InboxItem(NAME, VOTE, payload, _press_key(body, channel))


def pressed(body: Mapping[str, Any], kind: str, name: str) -> InboxItem | None:
    """Return what a button under an answer or a note asks for, or ``None`` when it does not say about what.

    :param name: of the button's value in the payload.
    """
    channel, value = _channel(body), body["actions"][0].get("value")
    if not channel or not value:
        return None
    thread = body["container"].get("thread_ts")
    payload = {**_sender(body), "channel": channel, "thread": thread, name: str(value)}
    return InboxItem(NAME, kind, payload, _press_key(body, channel))


def private_button(body: Mapping[str, Any]) -> InboxItem | None:
    """Return the pressed button of a message that one person alone sees, or ``None`` when it is none of ours."""
    action, channel = body["actions"][0], body.get("channel", {}).get("id")
    kind, about = PRIVATE_BUTTONS.get(action.get("action_id", "")), str(action.get("value", ""))
    if kind is None or not about or not channel:
        return None
    payload = {
        **_sender(body),
        "channel": channel,
        "about": about,
        "response_url": body.get("response_url", ""),
    }
    key = f"{NAME}:{kind}:{about}:{payload['user']}:{action['action_ts']}"
    once = private_key(about, payload["user"]) if kind == ANSWER_PRIVATELY else None  # a second press asks nothing more
    return InboxItem(NAME, kind, payload, key, once)


def reason(body: Mapping[str, Any], values: Mapping[str, str]) -> InboxItem:
    """Return the reason that somebody gave in the modal; ``values`` are its inputs by name."""
    return _submitted(body, REASON, values)


def correction(body: Mapping[str, Any], text: str, kind: str = CORRECTION) -> InboxItem:
    """Return what somebody wrote in the modal that corrects an answer, or proposes a correction (``kind``)."""
    return _submitted(body, kind, {"text": text})


def channel_settings(body: Mapping[str, Any], channel: str, values: Mapping[str, Any]) -> InboxItem:
    """Return what an operator entered in a channel's modal."""
    payload = {**_sender(body), "channel": channel, "values": dict(values)}
    return InboxItem(NAME, CHANNEL_SETTINGS, payload, f"{NAME}:view:{body['view']['id']}")


def command_question(body: Mapping[str, Any], text: str, department: str | None) -> InboxItem:
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


def _submitted(body: Mapping[str, Any], kind: str, values: Mapping[str, str]) -> InboxItem:
    view = body["view"]
    about = json.loads(view["private_metadata"])
    payload = {**about, **values, **_sender(body), "at": now().timestamp()}
    return InboxItem(NAME, kind, payload, f"{NAME}:view:{view['id']}")


def _sender(body: Mapping[str, Any]) -> dict[str, str]:
    """Return who did it, with their own workspace if it is another company's (Slack Connect)."""
    user, team = body["user"], (body.get("team") or {}).get("id")
    own = user.get("team_id")
    guest = own and team and own != team and not body.get("enterprise")
    return {"user": user["id"], **({"user_team": own} if guest else {})}


def _channel(body: Mapping[str, Any]) -> str | None:
    channel: str | None = body.get("channel", {}).get("id") or body["container"].get("channel_id")
    return channel


def _press_key(body: Mapping[str, Any], channel: str) -> str:
    action, ts, user = body["actions"][0], body["container"]["message_ts"], body["user"]["id"]
    return f"{NAME}:press:{channel}:{ts}:{user}:{action['action_ts']}"
