"""``mentee votes``: votes and corrections in and out."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import Progress

from bot.app import open_mentee
from bot.commands.output import console, emit_json, json_option, progress_console
from bot.settings import load_settings
from bot.votes_file import export_votes, import_votes


@click.group()
def votes() -> None:
    """Votes and corrections."""


@votes.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def import_(file: Path, *, as_json: bool) -> None:
    """Import FILE, JSON lines of votes and corrections; all of it or, when a row is bad, nothing."""
    mentee = open_mentee(load_settings())
    try:
        with Progress(console=progress_console, transient=True) as progress:
            task = progress.add_task(f"Importing {file.name}", total=None)
            summary = import_votes(
                mentee, file, progress=lambda done, total: progress.update(task, completed=done, total=total)
            )
    finally:
        mentee.close()
    if as_json:
        emit_json(summary)
        return
    console.print(
        f"{summary.rows} rows: {summary.votes} votes and {summary.corrections} corrections imported, "
        f"{summary.unchanged} were there already."
    )


@votes.command()
@click.option("--department", metavar="NAME", help="Only this department's.")
def export(department: str | None) -> None:
    """Print current votes and corrections as JSON lines that `mentee votes import` reads."""
    mentee = open_mentee(load_settings())
    try:
        for row in export_votes(mentee, department):
            emit_json(row)
    finally:
        mentee.close()
