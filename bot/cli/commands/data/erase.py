"""``mentee erase``: erase a person or a document from everything that this instance stores."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from bot.cli.home import opened
from bot.cli.output import console, emit_json, json_option, progress_console

if TYPE_CHECKING:
    from bot.access.erasing import Erased

ACTOR = "cli:operator"

yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Change nothing; count what would be erased from the database."
)


@click.group()
def erase() -> None:
    """Erase a person or a document, and everything that was made from it. This can't be undone."""


@erase.command()
@click.argument("name", metavar="NAME|ID")
@yes_option
@dry_run_option
@json_option
def person(name: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Erase a person: NAME as they sign in, or an id such as slack:U024BE7LH.

    This includes their questions with the answers, and their votes, corrections, memberships and sessions.
    """
    _ask(f"Erase {name} and all they asked, voted and corrected?", yes=yes or dry_run)
    with opened() as instance:
        erased = instance.erasing.person(name, actor=ACTOR, dry_run=dry_run)
    _tell(erased, dry_run=dry_run, as_json=as_json)


@erase.command()
@click.argument("address")
@click.option("--department", required=True, metavar="NAME", help="The department.")
@yes_option
@dry_run_option
@json_option
def document(address: str, department: str, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Erase the document at ADDRESS: its text, its index, and every question whose answer is based on it."""
    _ask(f"Erase {address} of {department} and every answer that is based on it?", yes=yes or dry_run)
    with opened() as instance:
        erased = instance.erasing.document(address, department, actor=ACTOR, dry_run=dry_run)
    _tell(erased, dry_run=dry_run, as_json=as_json)


def _ask(question: str, *, yes: bool) -> None:
    if not yes:
        click.confirm(f"{question} This can't be undone.", abort=True)


def _tell(erased: Erased, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        copies = [{"department": department, "address": address} for department, address in erased.copies]
        emit_json({**asdict(erased), "copies": copies, "dry_run": dry_run})
    else:
        counts = ", ".join(_counted(name, number) for name, number in sorted(erased.counts.items()) if number)
        console.print(f"Would erase: {counts}." if dry_run else f"Erased ({erased.id}): {counts}.")
        for department, address in erased.copies:
            progress_console.print(
                f"[bold yellow]kept[/] {escape(address)} of {department}, a copy: "
                f"`mentee erase document {escape(address)} --department {department}` erases it too."
            )
        for place in erased.left:
            progress_console.print(f"[bold red]left[/] {escape(place)}")
    if erased.left:
        raise SystemExit(1)


def _counted(name: str, number: int) -> str:
    """Return a number and what is counted, such as ``1 document`` for ``documents``."""
    one = name[:-3] + "y" if name.endswith("ies") else name.removesuffix("s")
    return f"{number} {one if number == 1 else name}"
