"""The shapes of what Slack sends, as recorded from its documentation and from running apps."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.testing.slack.wire import Post

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


def message(kind: str, **parts: Any) -> dict[str, Any]:
    """Return an ``app_mention`` or ``message`` event's inner body."""
    body = {"type": kind, "team": TEAM, "client_msg_id": f"c-{parts['channel']}-{parts['ts']}", **parts}
    return {key: value for key, value in body.items() if value is not None}


def reaction(kind: str, name: str, post: Post, *, user: str) -> dict[str, Any]:
    """Return a ``reaction_added`` or ``reaction_removed`` event's inner body."""
    item = {"type": "message", "channel": post.channel, "ts": post.ts}
    return {"type": kind, "user": user, "reaction": name, "item": item, "item_user": post.user}


def press(post: Post, element: dict[str, Any], value: str, *, user: str) -> dict[str, Any]:
    """Return the ``block_actions`` payload of a pressed thumb."""
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
    chosen = next((option for option in element["options"] if option["value"] == value), None)
    return {"type": element["type"], "selected_option": chosen}
