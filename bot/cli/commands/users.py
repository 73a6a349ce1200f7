"""``mentee users``: who may sign in on the web, and who is an agent or an operator."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.table import Table

from bot.access.people import People
from bot.cli.home import opened_store
from bot.cli.output import console, emit_json, json_option
from bot.domain.people import Role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.access.people import Account

ACTOR = "cli:operator"

from_stdin = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group()
def users() -> None:
    """Manage people: who may sign in, and their roles."""


@users.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.EMPLOYEE.value,
    show_default=True,
    help="What the person may do. Agents correct answers; operators run Mentee.",
)
@from_stdin
def add(name: str, role: str, *, password_stdin: bool) -> None:
    """Add NAME. People on the web sign in with a password.

    A Slack user such as slack:U024BE7LH needs no password.
    """
    password = None if ":" in name else _password(from_stdin=password_stdin)
    with _people() as people:
        person = people.add(name, role=Role(role), password=password, actor=ACTOR)
    console.print(f"Added {person.id} ({person.role.value}).")


@users.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List people and their roles."""
    with _people() as people:
        accounts = people.all()
    if as_json:
        emit_json([asdict(account) for account in accounts])
        return
    table = Table("Person", "Name", "Role", "Signs in", box=None, pad_edge=False)
    for account in accounts:
        table.add_row(account.id, account.name, _roles(account), "password" if account.has_password else "-")
    console.print(table)


@users.command("password")
@click.argument("name")
@from_stdin
def password(name: str, *, password_stdin: bool) -> None:
    """Set NAME's password and sign them out everywhere. Their API tokens stay valid."""
    with _people() as people:
        people.set_password(name, _password(from_stdin=password_stdin), actor=ACTOR)
    console.print("The password is set.")


@users.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice([role.value for role in Role]))
@click.option("--department", metavar="NAME", help="Only in this department. `employee` takes the role back.")
def role_(name: str, role: str, department: str | None) -> None:
    """Set NAME's role: employee, agent or operator.

    Agents correct answers and handle escalations, in all departments or in one.
    """
    with _people() as people:
        people.set_role(name, Role(role), department=department, actor=ACTOR)
    console.print(f"{name} now has the role {role} in {department or 'all departments'}.")


@users.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Remove NAME and sign them out everywhere."""
    with _people() as people:
        people.remove(name, actor=ACTOR)
    console.print(f"Removed {name}.")


def _roles(account: Account) -> str:
    return ", ".join([account.role.value, *(f"{role.value} of {name}" for name, role in account.roles.items())])


@contextmanager
def _people() -> Iterator[People]:
    with opened_store() as store:
        yield People(store)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
