"""The shapes of what Slack sends, as recorded from its documentation and from running apps."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plugins.slack.testing.wire import Post

TEAM = "T0FAKE"
APP = "A0FAKE"
_numbers = itertools.count(1)


def event(body: dict[str, Any], *, external: bool = False) -> dict[str, Any]:
    """Wrap an event as the Events API does, under a fresh ``event_id``; ``external``: others share the channel."""
    return {
        "token": "not-checked",
        "team_id": TEAM,
        "api_app_id": APP,
        "event": {"event_ts": body.get("ts") or f"{time.time():.6f}", **body},
        "type": "event_callback",
        "event_id": f"Ev{next(_numbers):08d}",
        "event_time": int(time.time()),
        "authorizations": [{"enterprise_id": None, "team_id": TEAM, "user_id": "U0BOT", "is_bot": True}],
        "is_ext_shared_channel": external,
    }


def of_team(payload: dict[str, Any], team: str) -> dict[str, Any]:
    """Return what Slack sends as it is sent for a workspace."""
    told = {**payload, "team_id": team} if "team_id" in payload else dict(payload)
    if (payload.get("event") or {}).get("team") == TEAM:  # of an author who is not another company's
        told["event"] = {**payload["event"], "team": team}
    if isinstance(payload.get("user"), dict) and payload["user"].get("team_id") == TEAM:
        told["user"] = {**payload["user"], "team_id": team}
    if isinstance(told.get("team"), dict):
        told["team"] = {**told["team"], "id": team}
    if "authorizations" in told:
        told["authorizations"] = [{**each, "team_id": team} for each in told["authorizations"]]
    return told


def message(kind: str, **parts: Any) -> dict[str, Any]:
    """Return an ``app_mention`` or ``message`` event's inner body."""
    body = {"type": kind, "team": TEAM, "client_msg_id": f"c-{parts['channel']}-{parts['ts']}", **parts}
    return {key: value for key, value in body.items() if value is not None}


def reaction(kind: str, name: str, post: Post, *, user: str) -> dict[str, Any]:
    """Return a ``reaction_added`` or ``reaction_removed`` event's inner body."""
    item = {"type": "message", "channel": post.channel, "ts": post.ts}
    return {"type": kind, "user": user, "reaction": name, "item": item, "item_user": post.user}


def press(post: Post, element: dict[str, Any], value: str, *, user: str) -> dict[str, Any]:
    """Return the ``block_actions`` payload of a pressed thumb or button under a message."""
    number = next(_numbers)
    action = {"type": element["type"], "action_id": element["action_id"], "block_id": "b1", "value": value}
    return {
        "type": "block_actions",
        "user": {"id": user, "username": user.lower(), "team_id": TEAM},
        "api_app_id": APP,
        "token": "not-checked",
        "container": {
            "type": "message",
            "message_ts": post.ts,
            "channel_id": post.channel,
            "thread_ts": post.thread_ts,
            "is_ephemeral": post.ephemeral,
        },
        "trigger_id": f"{number}.{TEAM}.trigger",
        "team": {"id": TEAM, "domain": "fake"},
        "channel": {"id": post.channel, "name": "fake"},
        "message": {"type": "message", "user": "U0BOT", "ts": post.ts, "text": "an answer"},
        "response_url": "https://hooks.slack.invalid/actions",
        "actions": [{**action, "action_ts": f"{time.time():.6f}"}],
    }


def message_action(post: Post, callback_id: str, *, user: str) -> dict[str, Any]:
    """Return the ``message_action`` payload of an entry chosen in a message's menu."""
    return {
        "type": "message_action",
        "token": "not-checked",
        "action_ts": f"{time.time():.6f}",
        "team": {"id": TEAM, "domain": "fake"},
        "user": {"id": user, "username": user.lower(), "team_id": TEAM, "name": user.lower()},
        "channel": {"id": post.channel, "name": "directmessage" if post.channel.startswith("D") else "fake"},
        "is_enterprise_install": False,
        "enterprise": None,
        "callback_id": callback_id,
        "trigger_id": f"{next(_numbers)}.{TEAM}.trigger",
        "response_url": "https://hooks.slack.invalid/app",
        "message_ts": post.ts,
        "message": post.shape(with_metadata=False),
    }


def private_press(shown: dict[str, Any], button: dict[str, Any], response_url: str, *, user: str) -> dict[str, Any]:
    """Return the ``block_actions`` payload of a button in a message that one person alone sees."""
    action = {key: button[key] for key in ("type", "action_id", "value", "text")}
    number, channel = next(_numbers), shown["channel"]
    return {
        "type": "block_actions",
        "user": {"id": user, "username": user.lower(), "team_id": TEAM},
        "api_app_id": APP,
        "token": "not-checked",
        "container": {"type": "message", "message_ts": f"{number}.000001", "channel_id": channel, "is_ephemeral": True},
        "trigger_id": f"{number}.{TEAM}.trigger",
        "team": {"id": TEAM, "domain": "fake"},
        "channel": {"id": channel, "name": "fake"},
        "response_url": response_url,
        "actions": [{**action, "block_id": "b1", "action_ts": f"{time.time():.6f}"}],
    }


def edited(before: dict[str, Any], text: str, *, ts: str) -> dict[str, Any]:
    """Return the ``message_changed`` event's inner body of a message with another text; ``ts`` is the edit's own."""
    after = {**_inner(before), "text": text, "edited": {"user": before["user"], "ts": ts}}
    return {**_about(before, "message_changed", ts), "message": after, "previous_message": _inner(before)}


def deleted(before: dict[str, Any], *, ts: str, replies: bool) -> dict[str, Any]:
    """Return the event's inner body of a deletion: a message with replies leaves a tombstone."""
    if not replies:
        gone = {"deleted_ts": before["ts"], "previous_message": _inner(before)}
        return {**_about(before, "message_deleted", ts), **gone}
    tombstone = {
        "type": "message",
        "subtype": "tombstone",
        "text": "This message was deleted.",
        "user": "USLACKBOT",
        "hidden": True,
        "ts": before["ts"],
        "thread_ts": before["ts"],
    }
    return {**_about(before, "message_changed", ts), "message": tombstone, "previous_message": _inner(before)}


def _about(before: dict[str, Any], subtype: str, ts: str) -> dict[str, Any]:
    kind = before.get("channel_type") or ("im" if before["channel"].startswith("D") else "channel")
    about = {"type": "message", "subtype": subtype, "hidden": True, "channel": before["channel"]}
    return {**about, "channel_type": kind, "ts": ts}


def _inner(before: dict[str, Any]) -> dict[str, Any]:
    """Return a message as other events quote it."""
    left_out = ("channel", "channel_type", "event_ts")
    return {**{key: value for key, value in before.items() if key not in left_out}, "type": "message"}


def home_press(view: dict[str, Any], button: dict[str, Any], *, user: str) -> dict[str, Any]:
    """Return the ``block_actions`` payload of a button pressed in a Home tab."""
    action = {key: button[key] for key in ("type", "action_id", "value", "text")}
    return {
        "type": "block_actions",
        "user": {"id": user, "username": user.lower(), "team_id": TEAM},
        "api_app_id": APP,
        "token": "not-checked",
        "container": {"type": "view", "view_id": "VHOME"},
        "trigger_id": f"{next(_numbers)}.{TEAM}.trigger",
        "team": {"id": TEAM, "domain": "fake"},
        "view": {"id": "VHOME", **view},
        "actions": [{**action, "block_id": "b1", "action_ts": f"{time.time():.6f}"}],
    }


def home_opened(user: str, channel: str, tab: str) -> dict[str, Any]:
    """Return an ``app_home_opened`` event's inner body; ``tab`` is ``home`` or ``messages``."""
    return {"type": "app_home_opened", "user": user, "channel": channel, "tab": tab}


def thread_started(user: str, channel: str, thread_ts: str) -> dict[str, Any]:
    """Return an ``assistant_thread_started`` event's inner body, as apps with ``assistant_view`` get it."""
    context = {"channel_id": "C1", "team_id": TEAM, "enterprise_id": None}
    thread = {"user_id": user, "context": context, "channel_id": channel, "thread_ts": thread_ts}
    return {"type": "assistant_thread_started", "assistant_thread": thread}


def command(name: str, text: str, response_url: str, *, user: str, channel: str) -> dict[str, Any]:
    """Return a slash command's fields."""
    return {
        "token": "not-checked",
        "team_id": TEAM,
        "team_domain": "fake",
        "channel_id": channel,
        "channel_name": "fake",
        "user_id": user,
        "user_name": user.lower(),
        "command": name,
        "text": text,
        "api_app_id": APP,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": f"{next(_numbers)}.{TEAM}.trigger",
    }


def submission(user: str, view: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return the ``view_submission`` payload of an opened modal filled with ``values`` by action id."""
    state: dict[str, dict[str, Any]] = {}
    for block in view["blocks"]:
        if block["type"] == "input":
            action = block["element"]["action_id"]
            state[block["block_id"]] = {action: _state(block["element"], values.get(action))}
    return {
        "type": "view_submission",
        "team": {"id": TEAM, "domain": "fake"},
        "user": {"id": user, "username": user.lower(), "team_id": TEAM},
        "api_app_id": APP,
        "token": "not-checked",
        "trigger_id": f"{next(_numbers)}.{TEAM}.trigger",
        "view": {**view, "state": {"values": state}},
        "response_urls": [],
        "is_enterprise_install": False,
    }


def _state(element: dict[str, Any], value: str | None) -> dict[str, Any]:
    if element["type"] == "plain_text_input":
        return {"type": element["type"], "value": value}
    if element["type"] == "multi_static_select":
        chosen_many = [option for option in element["options"] if option["value"] in (value or ())]
        return {"type": element["type"], "selected_options": chosen_many}
    chosen = next((option for option in element["options"] if option["value"] == value), None)
    return {"type": element["type"], "selected_option": chosen}
