"""``mentee db``: the database's schema."""

from __future__ import annotations

import click

from bot.commands.output import console
from bot.settings import load_settings
from bot.store import Store, migrate


@click.group()
def db() -> None:
    """The database."""


@db.command()
def upgrade() -> None:
    """Bring the database to this version's schema."""
    store = Store(load_settings().database_url)
    migrate.upgrade(store)
    console.print("The database is up to date.")
