"""``mentee slack``: make the Slack app, and see whether it works."""

from __future__ import annotations

import asyncio
import sys

import click
from rich.markup import escape

from bot.commands.output import console, emit_json, json_option
from bot.settings import load_settings


@click.group()
def slack() -> None:
    """Make the Slack app, and see whether it works."""


@slack.command("manifest")
@json_option
def manifest_command(*, as_json: bool) -> None:
    """Print the app manifest, to paste at https://api.slack.com/apps.

    It asks for what Mentee uses and nothing else. By slack.transport it has Socket Mode on, or the request URLs under
    web.public_url.
    """
    from plugins.slack.install.manifest import as_yaml, manifest

    made = manifest(load_settings())
    if as_json:
        emit_json(made)
    else:
        click.echo(as_yaml(made), nl=False)


@slack.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Check tokens, scopes, socket and clock with Slack.

    Each check says what it found and how to mend it; exit 1 when something needs mending.
    """
    from plugins.slack.install.doctor import examine

    findings = asyncio.run(examine(load_settings()))
    if as_json:
        emit_json(findings)
    else:
        for found in findings:
            mark = "[green]ok[/]  " if found.ok else "[red]bad[/] "
            console.print(f"{mark} [bold]{found.check}[/]  {escape(found.detail)}")
            if found.fix:
                console.print(f"     {escape(found.fix)}")
    sys.exit(0 if all(found.ok for found in findings) else 1)
