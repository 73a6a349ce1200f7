"""``mentee slack channel``: how Mentee behaves in each channel."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from bot.cli.home import opened
from bot.cli.output import console, emit_json, json_option
from bot.cli.pairs import pairs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugins.slack.workspaces.channels import Channels, ChannelSettings

ACTOR = "command line"


@click.group()
def channel() -> None:
    """Configure how Mentee behaves in each Slack channel."""


@channel.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List configured channels. All others use the defaults."""
    with _channels() as channels:
        found = channels.all()
    if as_json:
        emit_json([{"channel": name, **settings.model_dump()} for name, settings in found.items()])
        return
    table = Table("Channel", "Settings other than the defaults")
    for name, settings in found.items():
        changed = settings.model_dump(exclude_defaults=True)
        table.add_row(name, escape(", ".join(f"{key}={_text(value)}" for key, value in changed.items())))
    console.print(table if found else "No channels are configured: all use the defaults.")


@channel.command()
@click.argument("name", metavar="CHANNEL")
@json_option
def show(name: str, *, as_json: bool) -> None:
    """Show the settings of CHANNEL, such as C024BE91L, and what each one does."""
    with _channels() as channels:
        settings = channels.get(name)
    _print(name, settings, as_json=as_json)


@channel.command("set")
@click.argument("name", metavar="CHANNEL")
@click.argument("values", nargs=-1, required=True, metavar="KEY=VALUE…")
@json_option
def set_(name: str, values: tuple[str, ...], *, as_json: bool) -> None:
    """Change settings of CHANNEL, such as answers=all quiet=react departments=travel,it.

    `mentee slack channel show CHANNEL` lists all settings. An empty value (askers=) resets a list to its default.
    """
    with _channels() as channels:
        settings = channels.change(name, pairs(values), actor=ACTOR)
    _print(name, settings, as_json=as_json)


@contextmanager
def _channels() -> Iterator[Channels]:
    from plugins.slack.settings import SlackSettings
    from plugins.slack.workspaces.channels import Channels

    with opened() as instance:
        yield Channels(instance.places, SlackSettings.of(instance.settings))


def _print(name: str, settings: ChannelSettings, *, as_json: bool) -> None:
    if as_json:
        emit_json({"channel": name, **settings.model_dump()})
        return
    table = Table("Setting", "Value", "Meaning")
    for key, value in settings:
        table.add_row(key, escape(_text(value)), type(settings).model_fields[key].description)
    console.print(table)


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ",".join(value) or "-"
    return "default" if value is None else str(value).lower()
