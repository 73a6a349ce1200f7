"""``mentee departments``: list, add, remove and configure departments and their channels."""

from __future__ import annotations

import click
from rich.table import Table

from bot.app import open_mentee
from bot.commands.init import offered_departments
from bot.commands.output import console, emit_json, json_option
from bot.commands.pairs import pairs
from bot.messages import DepartmentSpec
from bot.settings import load_settings

ACTOR = "command line"


@click.group()
def departments() -> None:
    """Departments: who answers whom, from what, and how."""


@departments.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the departments."""
    mentee = open_mentee(load_settings())
    rows = mentee.departments.all()
    champions = {row.name: mentee.champions.get(row.name) for row in rows}
    mentee.close()
    if as_json:
        emit_json(
            [
                {
                    "name": row.name,
                    "title": row.title,
                    "open": row.open,
                    "members": sorted(row.members),
                    "adapter": champion.version if (champion := champions[row.name]) else None,
                }
                for row in rows
            ]
        )
        return
    table = Table("Name", "Title", "Open to", "Adapter")
    for row in rows:
        champion = champions[row.name]
        open_to = "everyone" if row.open else ", ".join(sorted(row.members)) or "nobody yet"
        table.add_row(row.name, row.title, open_to, champion.version if champion else "base model")
    console.print(table if rows else "No departments yet: `mentee departments add NAME`.")


@departments.command()
@click.argument("name")
@click.option("--title", help="Name as people see it.")
@click.option("--instructions", default="", help="What the model is told for this department.")
@click.option("--closed", is_flag=True, help="Open to members only.")
def add(name: str, title: str | None, instructions: str, *, closed: bool) -> None:
    """Add department NAME; if a plugin offers one of that name, its texts are taken from there."""
    mentee = open_mentee(load_settings())
    try:
        offered = {spec.name: spec for spec in offered_departments(mentee)}
        spec = offered.get(name, DepartmentSpec(name, title or name.replace("-", " ").title()))
        mentee.add_department(
            DepartmentSpec(
                name,
                title or spec.title,
                instructions or spec.instructions,
                spec.glossary,
                examples=spec.examples,
                open=not closed,
            ),
            actor=ACTOR,
        )
    finally:
        mentee.close()
    console.print(f"Department {name} added. Next: `mentee documents add PATH --department {name}`.")


@departments.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove department NAME and its documents; its answers and votes stay as history."""
    mentee = open_mentee(load_settings())
    try:
        mentee.departments.remove(name, actor=ACTOR)
    finally:
        mentee.close()
    console.print(f"Department {name} removed.")


@departments.command()
@click.argument("name")
@click.argument("values", nargs=-1, metavar="KEY=VALUE…")
@click.option("--member", "members", multiple=True, metavar="PRINCIPAL", help="Let somebody in, like user:ada.")
@click.option("--not-member", "former", multiple=True, metavar="PRINCIPAL", help="Take a member out.")
@click.option("--channel", "channels", multiple=True, metavar="slack:C…", help="Answer in this channel.")
@click.option("--channel-reads", "reads", multiple=True, metavar="PRINCIPAL", help="What all of its people may read.")
@click.option(
    "--train-eligible/--no-train-eligible", default=None, help="Whether rounds may learn from these channels."
)
def configure(  # noqa: PLR0913, PLR0917 - one parameter for each option
    name: str,
    values: tuple[str, ...],
    members: tuple[str, ...],
    former: tuple[str, ...],
    channels: tuple[str, ...],
    reads: tuple[str, ...],
    *,
    train_eligible: bool | None,
) -> None:
    """Change department NAME: title=…, instructions=…, open=true|false, answers.SETTING=… or tuning.SETTING=….

    A channel's answers are seen by everybody in it, so they come from what --channel-reads grants: nothing but open
    documents unless told, such as --channel-reads department:hr.
    """
    mentee = open_mentee(load_settings())
    try:
        mentee.departments.configure(name, pairs(values), actor=ACTOR)
        for principal in members:
            mentee.departments.set_member(name, principal, member=True, actor=ACTOR)
        for principal in former:
            mentee.departments.set_member(name, principal, member=False, actor=ACTOR)
        for channel in channels:
            mentee.departments.bind_channel(channel, name, actor=ACTOR, train_eligible=train_eligible, reads=reads)
    finally:
        mentee.close()
    console.print(f"Department {name} configured.")
