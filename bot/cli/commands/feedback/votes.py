"""``mentee votes``: votes and corrections in and out."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import Progress

from bot.cli.home import opened
from bot.cli.output import console, emit_json, json_option, progress_console
from bot.feedback.transfer import export_votes, import_votes


@click.group()
def votes() -> None:
    """Import and export votes and corrections."""


@votes.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def import_(file: Path, *, as_json: bool) -> None:
    """Import votes and corrections from FILE (JSON lines). If a line is invalid, nothing is imported."""
    with opened() as mentee, Progress(console=progress_console, transient=True) as progress:
        task = progress.add_task(f"Importing {file.name}", total=None)
        summary = import_votes(
            mentee.store,
            mentee.departments,
            file,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    if as_json:
        emit_json(summary)
        return
    console.print(
        f"Rows: {summary.rows}. Imported votes: {summary.votes}, corrections: {summary.corrections}. "
        f"Already there: {summary.unchanged}."
    )


@votes.command()
@click.option("--department", metavar="NAME", help="Only this department.")
def export(department: str | None) -> None:
    """Print current votes, corrections and ratings as JSON lines, for `mentee votes import`, which skips ratings."""
    with opened() as mentee:
        for row in export_votes(mentee.store, mentee.departments, department):
            emit_json(row)
