"""``mentee db``: the database's schema."""

from __future__ import annotations

import click

from bot.app import Mentee
from bot.cli.output import console
from bot.config.settings import load_settings
from bot.storage import migrate


@click.group()
def db() -> None:
    """Manage the database."""


@db.command()
def upgrade() -> None:
    """Upgrade the database schema, plugins' tables included, to this version of Mentee."""
    mentee = Mentee(load_settings())
    try:
        migrate.upgrade(mentee.store, mentee.plugins.register_tables())
    finally:
        mentee.close()
    console.print("The database is up to date.")
