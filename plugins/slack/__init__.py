"""Slack: mentions, direct messages and thread follow-ups, answered in their thread; thumbs, reactions and reasons.

Switched on by ``slack.transport``: ``socket`` needs no public address, ``http`` receives signed requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.hookspecs import hookimpl
from bot.protocols import WebRoutes

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from bot.app import Mentee
    from bot.protocols import Channel

EVENTS_PATH = "/slack/events"


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add ``mentee slack``."""
    from plugins.slack.commands import slack

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
    """Bring the address that Slack sends events to, for the transport ``http``."""
    if mentee.settings.slack.transport != "http":
        return None
    from plugins.slack.requests import SlackRequests

    return [WebRoutes(EVENTS_PATH, SlackRequests(mentee))]
