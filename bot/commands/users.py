"""``mentee users``: who may sign in on the web, and who is an agent or an operator."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.table import Table

from bot.commands.output import console, emit_json, json_option
from bot.messages import Role
from bot.people import People
from bot.settings import load_settings
from bot.store import Store, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

ACTOR = "cli:operator"

from_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group()
def users() -> None:
    """People: who may sign in, and their roles."""


@users.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.EMPLOYEE.value,
    show_default=True,
    help="What the person may do: agents correct, operators run Mentee.",
)
@from_stdin
def add(name: str, role: str, *, password_stdin: bool) -> None:
    """Add NAME, who signs in on the web with a password.

    A name with a channel, such as slack:U024BE7LH, gets a role and no password.
    """
    password = None if ":" in name else _password(from_stdin=password_stdin)
    with _people() as people:
        person = people.add(name, role=Role(role), password=password, actor=ACTOR)
    console.print(f"Added {person.id} ({person.role.value}).")


@users.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List everybody known."""
    with _people() as people:
        accounts = people.all()
    if as_json:
        emit_json([asdict(account) for account in accounts])
        return
    table = Table("Person", "Name", "Role", "Signs in", box=None, pad_edge=False)
    for account in accounts:
        table.add_row(account.id, account.name, account.role.value, "password" if account.has_password else "-")
    console.print(table)


@users.command("password")
@click.argument("name")
@from_stdin
def password(name: str, *, password_stdin: bool) -> None:
    """Set the password of NAME."""
    with _people() as people:
        people.set_password(name, _password(from_stdin=password_stdin), actor=ACTOR)
    console.print("The password is set.")


@users.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Remove NAME and sign them out everywhere."""
    with _people() as people:
        people.remove(name, actor=ACTOR)
    console.print(f"Removed {name}.")


@contextmanager
def _people() -> Iterator[People]:
    store = Store(load_settings().database_url)
    migrate.check(store)
    try:
        yield People(store)
    finally:
        store.close()


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
