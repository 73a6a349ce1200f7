"""Slack: mentions, direct messages and thread follow-ups, answered in their thread; thumbs, reactions and reasons.

Switched on by ``slack.transport``: ``socket`` needs no public address, ``http`` receives signed requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.hookspecs import hookimpl
from bot.protocols import WebRoutes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click

    from bot.app import Mentee
    from bot.protocols import Channel

EVENTS_PATH = "/slack/events"
INSTALL_PATH, REDIRECT_PATH = "/slack/install", "/slack/oauth_redirect"
PEOPLE = ("U", "W")
"""What the ids of people begin with."""


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add ``mentee slack``."""
    from plugins.slack.conversations.commands import channel
    from plugins.slack.install.commands import slack

    slack.add_command(channel)
    cli.add_command(slack)


@hookimpl
def register_channels(mentee: Mentee) -> Sequence[Channel] | None:
    """Bring the channel ``slack`` when it is switched on."""
    if mentee.settings.slack.transport == "off":
        return None
    from plugins.slack.channel import SlackChannel

    return [SlackChannel(mentee)]


@hookimpl
def register_routes(mentee: Mentee) -> Sequence[WebRoutes] | None:
    """Bring the address of Slack's events (transport ``http``) and those of installing in several workspaces."""
    slack, routes = mentee.settings.slack, []
    if slack.transport == "http":
        from plugins.slack.transport.requests import SlackRequests

        routes.append(WebRoutes(EVENTS_PATH, SlackRequests(mentee)))
    if slack.transport != "off" and slack.workspaces:
        from plugins.slack.install.oauth import Installer

        installer = Installer(mentee)
        routes += [WebRoutes(path, installer) for path in (INSTALL_PATH, REDIRECT_PATH)]
    return routes or None


@hookimpl
def find_address(mentee: Mentee, target: str) -> Mapping[str, Any] | None:
    """Return the address of ``slack:U…``, a person's direct conversation, or of ``slack:C…``, a channel.

    With several workspaces the id of one stands before: ``slack:T…:U…``.
    """
    channel, _, place = target.partition(":")
    if mentee.settings.slack.transport == "off" or channel != "slack" or not place:
        return None
    team, _, name = place.rpartition(":")
    where = {"team": team} if team else {}
    return {**where, "user": name} if name.startswith(PEOPLE) else {**where, "channel": name, "thread_ts": None}
