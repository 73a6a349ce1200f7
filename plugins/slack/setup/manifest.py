"""What the plugin needs of a workspace, and the app manifest made from it.

These tables are the one place to extend when the plugin calls another method, hears another event or answers another
command or shortcut. Tests compare them with the code, and ``mentee slack doctor`` compares the scopes with the token's.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from bot.domain.errors import SettingsError
from plugins.slack.copy.feedback import shortcut_description, shortcut_name
from plugins.slack.items import COMMAND, CORRECT_SHORTCUT
from plugins.slack.settings import SlackSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.config.settings import Settings

EVENTS_PATH = "/slack/events"
INSTALL_PATH, REDIRECT_PATH = "/slack/install", "/slack/oauth_redirect"
HISTORY = ("channels:history", "groups:history", "im:history", "mpim:history")


@dataclass(frozen=True, slots=True)
class Shortcut:
    """An entry of the ⚡ menu (``global``) or of a message's menu (``message``)."""

    name: str
    callback_id: str
    description: str
    type: Literal["message", "global"]


@dataclass(frozen=True, slots=True)
class SlashCommand:
    """A slash command. ``usage_hint`` shows what may follow it."""

    command: str
    description: str
    usage_hint: str


METHODS: Mapping[str, tuple[str, ...]] = {
    "api.test": (),
    "apps.connections.open": (),  # the app-level token's connections:write
    "assistant.threads.setStatus": ("chat:write",),
    "assistant.threads.setSuggestedPrompts": ("assistant:write",),
    "assistant.threads.setTitle": ("assistant:write",),
    "auth.revoke": (),
    "auth.test": (),
    "bots.info": ("users:read",),
    "chat.appendStream": ("chat:write",),
    "chat.delete": ("chat:write",),
    "chat.getPermalink": (),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.startStream": ("chat:write",),
    "chat.stopStream": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": HISTORY,
    "conversations.info": ("channels:read", "groups:read", "mpim:read"),
    "conversations.open": ("im:write",),
    "conversations.replies": HISTORY,
    "files.info": ("files:read",),  # as do the files themselves
    "reactions.add": ("reactions:write",),
    "usergroups.users.list": ("usergroups:read",),
    "users.info": ("users:read",),
    "views.open": (),
    "views.publish": (),
}
"""The bot scopes of each Web API method that the plugin calls, from Slack's method pages."""

EVENTS: Mapping[str, tuple[str, ...]] = {
    "app_home_opened": (),
    "app_mention": ("app_mentions:read",),
    "app_uninstalled": (),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "message.im": ("im:history",),
    "message.mpim": ("mpim:history",),
    "reaction_added": ("reactions:read",),
    "reaction_removed": ("reactions:read",),
    "tokens_revoked": (),
}
"""The bot scopes of each event that the plugin hears, from Slack's event pages."""

SHORTCUTS = (Shortcut(shortcut_name(), CORRECT_SHORTCUT, shortcut_description(), "message"),)
COMMANDS = (
    SlashCommand(
        COMMAND, "Ask Mentee, or see what it can do here.", "help | ask | department | status | news | channel"
    ),
)


def scopes() -> dict[str, list[str]]:
    """Return the bot scopes that the plugin needs, each with the methods, events and commands that need it."""
    needs = [*METHODS.items(), *EVENTS.items()]
    needs += [(entry.name, ("commands",)) for entry in SHORTCUTS]
    needs += [(entry.command, ("commands",)) for entry in COMMANDS]
    found: dict[str, list[str]] = {}
    for what, needed in needs:
        for scope in needed:
            found.setdefault(scope, []).append(what)
    return dict(sorted(found.items()))


def transport(settings: Settings) -> Literal["socket", "http"]:
    """Return how Slack is to reach this instance: as set, and by Socket Mode while Slack is still off."""
    return "http" if SlackSettings.of(settings).transport == "http" else "socket"


def request_url(settings: Settings) -> str:
    """Return the address that Slack sends requests to.

    :raises SettingsError: ``web.public_url`` is no https address.
    """
    return public_address(
        settings, EVENTS_PATH, 'slack.transport is "http"', 'slack.transport = "socket", which needs no address'
    )


def redirect_url(settings: Settings) -> str:
    """Return the address that Slack sends an administrator's browser back to, after installing in a workspace.

    :raises SettingsError: ``web.public_url`` is no https address.
    """
    return public_address(
        settings, REDIRECT_PATH, "slack.workspaces names workspaces that install by OAuth", "no slack.workspaces"
    )


def public_address(settings: Settings, path: str, why: str, instead: str) -> str:
    """Return an address of this instance as Slack reaches it; ``why`` it must, and what to set ``instead``."""
    public = settings.web.public_url
    address = urlsplit(public)
    if address.scheme != "https" or not address.hostname:
        raise SettingsError(
            f'{why}, but web.public_url is "{public}"; expected an https address.',
            hint=f'Set web.public_url, such as "https://mentee.example.com", or {instead}.',
        )
    return public.rstrip("/") + path


def manifest(settings: Settings) -> dict[str, Any]:
    """Return the manifest of this instance's Slack app.

    :raises SettingsError: see :func:`request_url` and :func:`redirect_url`.
    """
    redirect = {"redirect_urls": [redirect_url(settings)]} if SlackSettings.of(settings).workspaces else {}
    where = {"request_url": request_url(settings)} if transport(settings) == "http" else {}
    command_url = {"url": where["request_url"]} if where else {}
    features: dict[str, Any] = {
        "app_home": {
            "home_tab_enabled": "views.publish" in METHODS,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": "mentee", "always_online": True},
        "agent_view": {
            "agent_description": "Ask about your company's documents. Answers name their sources; "
            "thumbs and corrections teach it."
        },
    }
    if SHORTCUTS:
        features["shortcuts"] = [asdict(entry) for entry in SHORTCUTS]
    if COMMANDS:
        features["slash_commands"] = [{**asdict(entry), **command_url, "should_escape": True} for entry in COMMANDS]
    return {
        "display_information": {
            "name": "Mentee",
            "description": "Answers from your company's own documents, and learns from your thumbs and corrections.",
            "background_color": "#1f3a5f",
        },
        "features": features,
        "oauth_config": {**redirect, "scopes": {"bot": list(scopes())}},
        "settings": {
            "event_subscriptions": {**where, "bot_events": list(EVENTS)},
            "interactivity": {"is_enabled": True, **where},
            "org_deploy_enabled": False,
            "socket_mode_enabled": not where,
            "token_rotation_enabled": False,
        },
    }


def as_yaml(made: Mapping[str, Any]) -> str:
    """Return a manifest as YAML, each scope with what needs it."""
    import yaml

    needed = scopes()
    text = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=200)
    return "# Paste at https://api.slack.com/apps > Create New App > From a manifest.\n" + re.sub(
        r"^ *- (\S+)$", lambda line: _explained(line, needed), text, flags=re.MULTILINE
    )


def _explained(line: re.Match[str], needed: Mapping[str, list[str]]) -> str:
    return f"{line[0]}  # {', '.join(needed[line[1]])}" if line[1] in needed else line[0]
