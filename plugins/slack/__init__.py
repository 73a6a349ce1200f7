"""Slack: answers mentions, direct messages and follow-ups in their thread, and learns from thumbs and reactions.

``slack.transport`` turns it on: ``socket`` needs no public address, ``http`` receives signed requests.

What becomes of a mention:

1. ``inbound/socket.py`` or ``inbound/http.py`` receives Slack's event and gives it to Bolt (``inbound/intake.py``).
2. ``inbound/conversation_listeners.py`` makes an inbox item of it (``inbound/events.py``), commits it
   (``inbound/acceptor.py``) and acknowledges.
3. A worker of the core takes the item to ``channel.py``, which finds its handler by its kind, in the table of
   ``assembly/handlers.py``.
4. ``handlers/questions.py`` says who asks, who will read the answer, and what was said before: a ``Question``.
5. The core answers it. Meanwhile ``outbound/streaming.py`` shows what is written.
6. The core commits the answer as an outbox item. ``outbound/router.py`` finds its sender by its kind, in the table of
   ``assembly/senders.py``.
7. ``outbound/thread.py`` posts it, or completes what is shown, with sources and thumbs (``outbound/blocks.py``).

Everything else goes the same way: a thumb, say, is an item of another kind with another handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.domain.ports import WebRoutes
from bot.hooks.specs import hookimpl
from plugins.slack.settings import SlackSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import click

    from bot.domain.ports import Channel, ConsolePanel, Eraser
    from bot.hooks.instance import Instance
    from bot.storage.migrate import PluginTables

PEOPLE = ("U", "W")
"""What the ids of people begin with."""


@hookimpl
def register_section() -> type[SlackSettings]:
    """Bring the section ``[slack]``."""
    return SlackSettings


@hookimpl
def register_tables() -> PluginTables:
    """Bring the tables of installations."""
    from plugins.slack.workspaces.tables import TABLES

    return TABLES


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add ``mentee slack``."""
    from plugins.slack.setup.channel_commands import channel
    from plugins.slack.setup.commands import slack

    slack.add_command(channel)
    cli.add_command(slack)


@hookimpl
def register_erasers() -> Sequence[Eraser]:
    """Tell the ids by which Slack's data know people."""
    from plugins.slack.workspaces.erasure import PersonEraser

    return [PersonEraser()]


@hookimpl
def register_channels(instance: Instance) -> Sequence[Channel] | None:
    """Bring the channel ``slack`` when it is turned on."""
    if SlackSettings.of(instance.settings).transport == "off":
        return None
    from plugins.slack.assembly.build import Assembly

    return [Assembly(instance).channel()]


@hookimpl
def register_routes(instance: Instance) -> Sequence[WebRoutes] | None:
    """Bring the address of Slack's events (transport ``http``) and those of installing in several workspaces."""
    slack = SlackSettings.of(instance.settings)
    if slack.transport == "off" or (slack.transport == "socket" and not slack.workspaces):
        return None
    from plugins.slack.assembly.build import Assembly
    from plugins.slack.setup.manifest import EVENTS_PATH, INSTALL_PATH, REDIRECT_PATH

    assembly, routes = Assembly(instance), []
    if slack.transport == "http":
        routes.append(WebRoutes(EVENTS_PATH, assembly.requests(), raw=(EVENTS_PATH,)))
    if slack.workspaces:
        installer = assembly.installer()
        routes += [WebRoutes(path, installer) for path in (INSTALL_PATH, REDIRECT_PATH)]
    return routes


@hookimpl
def register_panels() -> Sequence[ConsolePanel]:
    """Say on the operators' page when rounds learn from Slack."""
    from plugins.slack.console import TRAINING

    return [TRAINING]


@hookimpl
def find_address(instance: Instance, target: str) -> Mapping[str, Any] | None:
    """Return the address of ``slack:U…``, a person's direct conversation, or of ``slack:C…``, a channel.

    With several workspaces the id of one stands before: ``slack:T…:U…``.
    """
    channel, _, place = target.partition(":")
    if SlackSettings.of(instance.settings).transport == "off" or channel != "slack" or not place:
        return None
    team, _, name = place.rpartition(":")
    where = {"team": team} if team else {}
    return {**where, "user": name} if name.startswith(PEOPLE) else {**where, "channel": name, "thread_ts": None}
