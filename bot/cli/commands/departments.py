"""``mentee departments``: list, add, remove and configure departments and their channels."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from bot.cli.home import opened
from bot.cli.output import console, emit_json, json_option
from bot.cli.pairs import pairs
from bot.cli.sources import add_documents
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.app import Mentee

ACTOR = "command line"


@click.group()
def departments() -> None:
    """Manage departments, their members and their channels."""


@departments.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the departments."""
    with opened() as mentee:
        rows = mentee.departments.all()
        champions = {row.name: mentee.active_adapters.get(row.name) for row in rows}
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
@click.option("--title", help="Display name.")
@click.option("--instructions", default="", help="Instructions for the model.")
@click.option("--closed", is_flag=True, help="Only members may ask.")
@click.pass_context
def add(context: click.Context, name: str, title: str | None, instructions: str, *, closed: bool) -> None:
    """Add department NAME.

    If a plugin offers a department of that name, everything else comes from there: title, instructions, glossary,
    whether it is open, and its documents.
    """
    with opened() as mentee:
        offered = _offered(mentee).get(name)
        spec = offered or DepartmentSpec(name, title or name.replace("-", " ").title())
        mentee.add_department(
            replace(
                spec,
                title=title or spec.title,
                instructions=instructions or spec.instructions,
                open=spec.open and not closed,
            ),
            actor=ACTOR,
            offered=offered,
        )
    console.print(f"Department {name} added{'' if spec.open and not closed else '. Only members can ask it'}.")
    if not spec.open or closed:
        console.print(f"Add members: `mentee departments configure {name} --member user:NAME`.")
    if spec.sources:
        add_documents(context, name, spec.sources)
    else:
        console.print(f"Next: `mentee documents add PATH --department {name}`.")


@departments.command()
@click.argument("name", required=False)
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.pass_context
def refresh(context: click.Context, name: str | None, *, dry_run: bool) -> None:
    """Bring departments up to date with the plugins that offer them: NAME, or all.

    What you have changed yourself stays. Documents that a plugin no longer offers stay, too.
    """
    sources: dict[str, Sequence[str]] = {}
    with opened() as mentee:
        if name:
            mentee.departments.get(name)
        known = [name] if name else mentee.departments.names()
        offered = _offered(mentee)
        if name and name not in offered:
            raise NotFoundError(
                f"No plugin offers the department {name!r}.", hint="`mentee plugins list` lists plugins."
            )
        for each in (offered[each] for each in known if each in offered):
            change = mentee.departments.outdated if dry_run else partial(mentee.departments.refresh, actor=ACTOR)
            changed = change(each)
            sources[each.name] = changed.get("sources", ())
            _print_change(each.name, changed, dry_run=dry_run)
    for department, added in sources.items():
        if added and not dry_run:
            add_documents(context, department, added)


def _print_change(name: str, changed: Mapping[str, Any], *, dry_run: bool) -> None:
    if not changed:
        console.print(f"{name} is up to date.")
        return
    console.print(f"{name} {'would change' if dry_run else 'changed'}:")
    for key, value in changed.items():
        console.print(f"  {key}: {escape(str(value))}")


def _offered(mentee: Mentee) -> dict[str, DepartmentSpec]:
    return {spec.name: spec for spec in mentee.plugins.register_departments()}


@departments.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove department NAME and its documents. Its answers and votes are kept."""
    with opened() as mentee:
        mentee.departments.remove(name, actor=ACTOR)
    console.print(f"Department {name} removed.")


@departments.command()
@click.argument("name")
@click.argument("values", nargs=-1, metavar="KEY=VALUE…")
@click.option("--member", "members", multiple=True, metavar="PRINCIPAL", help="Add a member, such as user:ada.")
@click.option("--not-member", "former", multiple=True, metavar="PRINCIPAL", help="Remove a member.")
@click.option("--channel", "channels", multiple=True, metavar="slack:C…", help="Answer in this Slack channel.")
@click.option(
    "--channel-reads",
    "reads",
    multiple=True,
    metavar="PRINCIPAL",
    help="What everyone in the channel may read, such as department:hr.",
)
@click.option("--train-eligible/--no-train-eligible", default=None, help="Whether rounds may learn from the channel.")
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
    """Change department NAME.

    KEY is title, instructions, open (true or false), or a setting such as answers.SETTING or tuning.SETTING.

    Everyone in a channel sees the answers there. Mentee therefore uses only documents that are open to everyone, and
    those that you grant with --channel-reads.
    """
    with opened() as mentee:
        mentee.departments.configure(name, pairs(values), actor=ACTOR)
        for principal in members:
            mentee.departments.set_member(name, principal, member=True, actor=ACTOR)
        for principal in former:
            mentee.departments.set_member(name, principal, member=False, actor=ACTOR)
        for channel in channels:
            mentee.places.bind(channel, name, actor=ACTOR, train_eligible=train_eligible, principals=reads)
    console.print(f"Department {name} configured.")
