"""``mentee curated``: agents' corrections that are given as answers."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from bot.cli.home import opened
from bot.cli.output import console, emit_json, id_column, json_option
from bot.domain.identifiers import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.app import Mentee
    from bot.feedback.curated.answers import CuratedAnswer

ACTOR = "cli:operator"


@click.group()
def curated() -> None:
    """List, check and change curated answers."""


@curated.command("list")
@click.option("--department", metavar="NAME", help="Only this department.")
@click.option("--review", is_flag=True, help="Only those that wait for a check.")
@click.option("--all", "retired", is_flag=True, help="Also those that were retired.")
@json_option
def list_(department: str | None, *, review: bool, retired: bool, as_json: bool) -> None:
    """List curated answers.

    A curated answer waits for a check if somebody voted it down ("flagged"), or if a document that it is based on
    was removed ("withheld": nobody gets it until you keep it). Pairs that answer the same question follow the list.
    """
    with opened() as mentee:
        names = [mentee.departments.get(department).name] if department else mentee.departments.names()
        found = [
            each
            for each in mentee.curated.all(department, retired=retired)
            if not review or each.flagged_at or each.needs_review
        ]
        conflicts = [pair for name in names for pair in _conflicts(mentee, name)]
    if as_json:
        emit_json([_json(each, conflicts) for each in found])
        return
    table = Table(
        id_column("Id"), "Department", "Question", "Answer", "Author", "Edited", "State", box=None, pad_edge=False
    )
    for each in found:
        edited = f"{each.edited_at:%Y-%m-%d}"
        texts = (each.id, each.department, each.question, each.text, each.author, edited, each.state)
        table.add_row(*map(escape, texts))
    console.print(table)
    for first, second in conflicts:
        console.print(f"{first} and {second} answer the same question. Retire one, or edit its question.")


@curated.command()
@click.argument("curated_id", metavar="ID")
@json_option
def show(curated_id: str, *, as_json: bool) -> None:
    """Show curated answer ID with its versions."""
    with opened() as mentee:
        found, versions = mentee.curated.get(curated_id)
        conflicts = _conflicts(mentee, found.department)
    if as_json:
        emit_json({**_json(found, conflicts), "versions": versions})
        return
    ends = f", until {found.expires_at:%Y-%m-%d %H:%M} UTC" if found.expires_at else ""
    console.print(f"{found.id} in {escape(found.department)}: {found.state}{ends}")
    for each in versions:
        console.print(f"\n[bold]Version {each.revision}[/], {each.at:%Y-%m-%d %H:%M} UTC, {escape(each.author)}")
        console.print(f"[dim]{escape(each.question)}[/]\n{escape(each.text)}")
    for other in _others(found.id, conflicts):
        console.print(f"\n{other} answers the same question. Retire one, or edit its question.")


@curated.command()
@click.argument("curated_id", metavar="ID")
@click.option("--text", default="", help="The new answer.")
@click.option("--question", default="", help="The question, worded differently.")
@click.option("--revision", type=int, metavar="N", help="Fail if it is no longer at version N.")
def edit(curated_id: str, text: str, question: str, revision: int | None) -> None:
    """Change curated answer ID. A retired one is given again.

    Without --text and --question, your editor opens with the current text.
    """
    with opened() as mentee:
        if not text and not question:
            found, _ = mentee.curated.get(curated_id)
            text, revision = click.edit(found.text) or "", found.revision if revision is None else revision
            if not text.strip():
                raise click.UsageError("Nothing was saved in the editor, so nothing has changed.")
        edited = mentee.curated.edit(curated_id, text=text, question=question, revision=revision, actor=ACTOR)
    console.print(f"{curated_id} is at version {edited.revision}.")


@curated.command()
@click.argument("curated_id", metavar="ID")
def keep(curated_id: str) -> None:
    """Confirm that curated answer ID is right as it is.

    It is given again even if a document that it is based on was removed. People who could not read the document still
    don't get the answer.
    """
    with opened() as mentee:
        mentee.curated.keep(curated_id, actor=ACTOR)
    console.print(f"{curated_id} is confirmed.")


@curated.command()
@click.argument("curated_id", metavar="ID")
@click.option(
    "--on", "date", type=click.DateTime(["%Y-%m-%d"]), help="The first day (UTC) on which it is no longer given."
)
@click.option("--days", type=click.IntRange(1, 36_500), help="Number of days from now until it expires.")
@click.option("--never", is_flag=True, help="Never let it expire.")
def expire(curated_id: str, date: datetime | None, days: int | None, *, never: bool) -> None:
    """Set when curated answer ID expires."""
    if sum((date is not None, days is not None, never)) != 1:
        raise click.UsageError("Give one of --on, --days and --never.")
    at = date.replace(tzinfo=UTC) if date else now() + timedelta(days=days) if days else None
    with opened() as mentee:
        mentee.curated.expire(curated_id, at, actor=ACTOR)
    console.print(f"{curated_id} {f'is given until {at:%Y-%m-%d %H:%M} UTC' if at else 'never expires'}.")


@curated.command()
@click.argument("curated_id", metavar="ID")
def retire(curated_id: str) -> None:
    """Stop giving curated answer ID. Its versions stay, and an edit brings it back."""
    with opened() as mentee:
        mentee.curated.retire(curated_id, actor=ACTOR)
    console.print(f"{curated_id} is no longer given.")


def _conflicts(mentee: Mentee, department: str) -> tuple[tuple[str, str], ...]:
    return mentee.curated.conflicts(mentee.departments.get(department))


def _others(curated_id: str, conflicts: Sequence[tuple[str, str]]) -> list[str]:
    """Return the curated answers that answer the same question as this one."""
    return [other for pair in conflicts if curated_id in pair for other in pair if other != curated_id]


def _json(found: CuratedAnswer, conflicts: Sequence[tuple[str, str]]) -> dict[str, Any]:
    return {**asdict(found), "state": found.state, "same_question": _others(found.id, conflicts)}
