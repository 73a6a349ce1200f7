"""``mentee init``: make a home."""

from __future__ import annotations

from pathlib import Path

import click

from bot.app import Mentee
from bot.cli.output import console, progress_console
from bot.cli.sources import add_documents
from bot.config.private import make_private
from bot.config.settings import CONFIG_NAME, home_path, load_settings
from bot.domain.errors import SettingsError
from bot.feedback.recorded import record_past
from bot.storage import migrate

TEMPLATE = """\
# Settings of this Mentee instance. Every setting and its default: docs/reference/settings.md.
# An environment variable wins: MENTEE_WEB__PORT=9000. Secrets go into the environment only.

[web]
host = "127.0.0.1"
port = 8080
sign_in = "{sign_in}"
"""


@click.command()
@click.option("--demo", is_flag=True, help="Add demo departments with the 18F handbook, and sign everyone in.")
@click.pass_context
def init(context: click.Context, *, demo: bool) -> None:
    """Create a home: mentee.toml, the database and folders. Does nothing if there is one already."""
    home = home_path()
    config = home / CONFIG_NAME
    if config.is_file() and not demo:
        raise SettingsError(f"{home} is already a Mentee home.", hint="Nothing was changed. `mentee doctor` checks it.")
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(
            f"{home} can't be created: {error.strerror}.", hint="Set MENTEE_HOME to another folder."
        ) from None
    if not config.is_file():
        config.write_text(TEMPLATE.format(sign_in="demo" if demo else "password"), encoding="utf-8")
    make_private(load_settings())
    mentee = Mentee(load_settings())
    try:
        migrate.upgrade(mentee.store, mentee.plugins.register_tables())
        console.print(f"Home: {home}")
        if demo:
            _add_demo(context, mentee)
    finally:
        mentee.close()
    if demo:
        console.print("The demo is ready. Next: `mentee serve`, or `mentee ask QUESTION --department travel`.")
    else:
        console.print(
            "Next: `mentee model fetch`, `mentee departments add NAME`, `mentee documents add PATH --department NAME`."
        )


def _add_demo(context: click.Context, mentee: Mentee) -> None:
    """Add the departments that plugins offer, with their documents. Existing ones are left alone."""
    known = mentee.departments.names()
    missing = [spec for spec in mentee.plugins.register_departments() if spec.name not in known]
    for number, spec in enumerate(missing, start=1):
        progress_console.print(f"[bold]{spec.title}[/] (department {number} of {len(missing)})")
        mentee.add_department(spec, actor="mentee init", offered=spec)
        if spec.sources:
            add_documents(context, spec.name, spec.sources)
        if spec.demo:
            recorded = record_past(mentee.store, spec.name, Path(spec.demo))
            progress_console.print(f"recorded a made-up past: {recorded.questions} questions, {recorded.votes} votes")
