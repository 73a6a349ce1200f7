"""``mentee init``: make a home."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bot.app import Mentee
from bot.commands.output import console, progress_console
from bot.errors import SettingsError
from bot.settings import CONFIG_NAME, home_path, load_settings
from bot.store import Store, migrate

if TYPE_CHECKING:
    from bot.messages import DepartmentSpec

TEMPLATE = """\
# Settings of this Mentee instance. Every setting and its default: docs/reference/settings.md.
# An environment variable wins: MENTEE_WEB__PORT=9000. Secrets go into the environment only.

[web]
host = "127.0.0.1"
port = 8080
sign_in = "{sign_in}"
"""


@click.command()
@click.option("--demo", is_flag=True, help="Add the demo departments with the 18F handbook, and sign everyone in.")
@click.pass_context
def init(context: click.Context, *, demo: bool) -> None:
    """Make a home: mentee.toml, the database and folders. An existing home is left as it is."""
    home = home_path()
    config = home / CONFIG_NAME
    if config.is_file() and not demo:
        raise SettingsError(f"{home} is a Mentee home already.", hint="Nothing was changed. `mentee doctor` checks it.")
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"{home} cannot be made: {error.strerror}.", hint="Set MENTEE_HOME to another folder."
        ) from None
    if not config.is_file():
        config.write_text(TEMPLATE.format(sign_in="demo" if demo else "password"), encoding="utf-8")
    settings = load_settings()
    store = Store(settings.database_url)
    migrate.upgrade(store)
    store.close()
    console.print(f"Home: {home}")
    if demo:
        _add_demo(context, Mentee(settings))
        console.print("The demo is ready. Next: `mentee serve`, or `mentee ask QUESTION --department travel`.")
    else:
        console.print(
            "Next: `mentee model fetch`, `mentee departments add NAME`, `mentee documents add PATH --department NAME`."
        )


def _add_demo(context: click.Context, mentee: Mentee) -> None:
    """Add the departments that plugins offer, with their documents; those that exist already are left alone.

    Documents are added by the command that a plugin brought: the core knows no other way to read any.
    """
    documents = context.find_root().command
    for name in ("documents", "add"):
        documents = documents.commands[name]  # type: ignore[attr-defined] # both are groups until the last
    try:
        known = mentee.departments.names()
        missing = [spec for spec in offered_departments(mentee) if spec.name not in known]
        for number, spec in enumerate(missing, start=1):
            progress_console.print(f"[bold]{spec.title}[/] (department {number} of {len(missing)})")
            mentee.add_department(spec, actor="mentee init")
            if spec.sources:
                context.invoke(documents, addresses=spec.sources, department=spec.name, readers=(), as_json=False)
    finally:
        mentee.close()


def offered_departments(mentee: Mentee) -> list[DepartmentSpec]:
    """Return the departments that plugins offer, in the order in which the plugins were registered."""
    offers = list(mentee.plugins.values("register_departments"))
    return [spec for _, specs in reversed(offers) for spec in specs]
