"""``mentee model``: fetch, list and verify the models on this machine."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bot.cli.output import console, emit_json, json_option, progress_console
from bot.config.settings import Settings, load_settings
from bot.domain.errors import ArtifactError
from bot.inference.models.catalogue import CATALOGUE, StoredModel, stored_models, verified
from bot.inference.models.fetch import Step, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@click.group()
def model() -> None:
    """Manage the models on this machine."""


@model.command("fetch")
@click.argument("names", nargs=-1, metavar="[NAME|PATH|HUB_NAME]...")
@click.option("--as", "own_name", default="", help="Name to store the model under.")
@json_option
def fetch_command(*, names: tuple[str, ...], own_name: str, as_json: bool) -> None:
    """Fetch models. Without a name, fetch the configured ones that are missing."""
    settings = load_settings(must_exist=False)
    if own_name and len(names) != 1:
        raise click.UsageError("--as names one model: give exactly one NAME, PATH or HUB_NAME with it.")
    results = []
    for name in names or _wanted(settings):
        with _shown(name) as progress:
            found, fetched = fetch(settings.models_dir, name, progress, name=own_name)
        results.append({**_row(found), "fetched": fetched})
        if not as_json:
            state = "fetched and verified" if fetched else "already there, verified"
            console.print(f"[bold]{escape(found.name)}[/] ({found.role}, {found.size / 1e6:.0f} MB): {state}")
            for note in found.notes:
                console.print(f"  note: {escape(note)}")
    if as_json:
        emit_json(results)


@model.command("list")
@json_option
def list_command(*, as_json: bool) -> None:
    """List the models on this machine and those you can fetch by name."""
    rows = stored_models(load_settings(must_exist=False).models_dir)
    if as_json:
        emit_json([_row(row) for row in rows])
        return
    for row in rows:
        state = f"{row.size / 1e6:.0f} MB  {row.path}" if row.path else f"not fetched: mentee model fetch {row.name}"
        console.print(f"[bold]{escape(row.name)}[/]  {row.role}  {escape(state)}")


@model.command("verify")
@click.argument("names", nargs=-1)
@json_option
def verify_command(*, names: tuple[str, ...], as_json: bool) -> None:
    """Check every model file against its hash. Exits with 3 if one is missing or changed."""
    settings = load_settings(must_exist=False)
    rows = {row.name: row for row in stored_models(settings.models_dir)}
    chosen = names or tuple(name for name, row in rows.items() if row.path)
    results = [_verify(name, rows.get(name)) for name in chosen]
    if as_json:
        emit_json(results)
    else:
        for result in results:
            state = "[green]ok[/]" if result["ok"] else f"[red]bad[/]  {escape(str(result['problem']))}"
            console.print(f"[bold]{escape(str(result['name']))}[/]  {state}")
    if not results and not as_json:
        console.print("No models yet. Run `mentee model fetch`.")
    sys.exit(0 if all(result["ok"] for result in results) else ArtifactError.exit_code)


def _verify(name: str, row: StoredModel | None) -> dict[str, Any]:
    if row is None or row.path is None:
        return {"name": name, "ok": False, "problem": "It is not on this machine. Run `mentee model fetch`."}
    try:
        verified(row.path)
    except ArtifactError as error:
        return {"name": name, "ok": False, "problem": str(error)}
    return {"name": name, "ok": True, "problem": ""}


def _wanted(settings: Settings) -> list[str]:
    """Return the configured models, except those that an operator fetched from a folder or a hub."""
    names = [settings.model.name] if settings.model.engine == "local" else []
    names += [settings.model.embedder] if settings.model.embedder != "hashing" else []
    own = {row.name for row in stored_models(settings.models_dir) if row.path} - set(CATALOGUE)
    return [name for name in names if name not in own]


def _row(row: StoredModel) -> dict[str, Any]:
    return {
        "name": row.name,
        "role": row.role,
        "present": row.path is not None,
        "path": str(row.path) if row.path else None,
        "bytes": row.size,
        "sha256": row.sha256,
        "source": row.source,
        "notes": list(row.notes),
    }


@contextmanager
def _shown(name: str) -> Iterator[Callable[[Step, int, int], None]]:
    """Show a progress bar per step; without a terminal, print a line when a step begins."""
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=progress_console,
    )
    tasks: dict[str, TaskID] = {}

    def report(step: Step, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = bars.add_task(f"{escape(name)}: {step}", total=total or None)
            if not progress_console.is_terminal:
                progress_console.print(f"{escape(name)}: {step}")
        bars.update(tasks[step], completed=done, total=total or None)

    if progress_console.is_terminal:
        with bars:
            yield report
    else:
        yield report
