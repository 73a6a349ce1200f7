"""``mentee slack``: make the Slack app, and see whether it works."""

from __future__ import annotations

import asyncio
import sys

import click
from rich.markup import escape

from bot.cli.home import opened
from bot.cli.output import console, emit_json, json_option
from bot.config.settings import load_settings


@click.group()
def slack() -> None:
    """Set up and check the Slack app."""


@slack.command("manifest")
@json_option
def manifest_command(*, as_json: bool) -> None:
    """Print the app manifest, to paste at https://api.slack.com/apps.

    It requests only the scopes and events that Mentee uses. Depending on slack.transport it turns on Socket Mode or
    contains the request URLs under web.public_url.
    """
    from plugins.slack.setup.manifest import as_yaml, manifest

    made = manifest(load_settings())
    if as_json:
        emit_json(made)
    else:
        click.echo(as_yaml(made), nl=False)


@slack.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Check tokens, scopes, socket and clock against Slack.

    Each check says what it found and how to fix it. Exits with 1 if anything needs fixing.
    """
    from plugins.slack.setup.doctor import examine

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


@slack.command("encrypt-tokens")
def encrypt_tokens() -> None:
    """Encrypt the tokens of all workspaces with the first key in MENTEE_SLACK_TOKEN_KEY. Use this to rotate the key."""
    from plugins.slack.settings import SlackSettings
    from plugins.slack.workspaces.encryption import TokenCipher
    from plugins.slack.workspaces.installations import Installations

    with opened() as mentee:
        slack = SlackSettings.of(mentee.settings)
        count = Installations(mentee.store, lambda: TokenCipher(slack), mentee.publish).encrypt_again()
    console.print(f"Tokens encrypted with the first key: {count}. You can remove the other keys.")
