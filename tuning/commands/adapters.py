"""``mentee adapters``: list, inspect, promote and roll back the adapters of a department."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from bot.cli.home import opened
from bot.cli.output import console, emit_json, id_column, json_option
from tuning import services
from tuning.rounds.registry import BASE

if TYPE_CHECKING:
    from datetime import datetime

ACTOR = "cli:operator"

department_option = click.option("--department", required=True, metavar="NAME", help="The department.")


@click.group()
def adapters() -> None:
    """List, inspect, promote and roll back adapters."""


@adapters.command("list")
@department_option
@json_option
def list_(department: str, *, as_json: bool) -> None:
    """List the department's adapters, oldest first."""
    with opened() as instance:
        instance.departments.get(department)
        registry = services.registry(instance)
        champion = registry.champion(department)
        found = registry.versions(department)
        rows: list[dict[str, Any]] = [
            {
                "version": row.version,
                "state": row.state,
                "champion": row.version == champion,
                "base_model": row.base_model,
                "round": row.round_id,
                "dataset": row.dataset,
                "created_at": row.created_at,
                "stale_since": row.stale_since,
                "replace_by": row.replace_by,
            }
            for row in found
        ]
    if as_json:
        emit_json({"department": department, "champion": champion, "adapters": rows})
        return
    columns = ("state", id_column("base model"), id_column("round"), "made", "replace by")
    table = Table("", id_column("version"), *columns, box=None, header_style="bold")
    table.add_row("●" if champion is None else "", BASE, "champion" if champion is None else "", *[""] * 4)
    for row in rows:
        made = row["created_at"].strftime("%Y-%m-%d %H:%M")
        mark = "[green]●[/]" if row["champion"] else ""
        table.add_row(
            mark, row["version"], row["state"], row["base_model"], row["round"] or "", made, _day(row["replace_by"])
        )
    console.print(table)


@adapters.command()
@click.argument("version", required=False)
@department_option
@json_option
def show(version: str | None, department: str, *, as_json: bool) -> None:
    """Show where VERSION came from: round, dataset, answers, votes and people. Default: the champion."""
    with opened() as instance:
        instance.departments.get(department)
        registry = services.registry(instance)
        version = version or registry.champion(department)
        if version is None:
            found: dict[str, Any] = {"version": BASE, "department": department, "state": "champion"}
            found["base_model"] = instance.settings.model.name
        else:
            found = registry.provenance(department, version)
    if as_json:
        emit_json(found)
        return
    table = Table.grid(padding=(0, 2))
    for key, value in found.items():
        if key != "examples" and value not in (None, ""):
            table.add_row(f"[bold]{key.replace('_', ' ')}[/]", str(value))
    console.print(table)


@adapters.command()
@click.argument("version", metavar="VERSION|FOLDER")
@department_option
@json_option
def promote(version: str, department: str, *, as_json: bool) -> None:
    """Make VERSION the champion: a version of the department, "base", or the folder of an adapter snapshot."""
    with opened() as instance:
        instance.departments.get(department)
        registry = services.registry(instance)
        folder = Path(version)
        if "/" in version or folder.is_dir():
            version = registry.publish(folder, department)
        registry.promote(
            department, None if version == BASE else version, actor=ACTOR, reason="promoted by an operator"
        )
    _tell(department, version, "promoted", as_json=as_json)


@adapters.command()
@department_option
@json_option
def rollback(department: str, *, as_json: bool) -> None:
    """Go back to the department's previous champion."""
    with opened() as instance:
        instance.departments.get(department)
        champion = services.registry(instance).rollback(department, actor=ACTOR)
    _tell(department, champion or BASE, "rolled back", as_json=as_json)


def _day(moment: datetime | None) -> str:
    """Return the day by which a stale adapter must be replaced; empty for any other."""
    return f"[yellow]{moment:%Y-%m-%d}[/]" if moment else ""


def _tell(department: str, champion: str, action: str, *, as_json: bool) -> None:
    if as_json:
        emit_json({"department": department, "champion": champion, "action": action})
    else:
        console.print(f"[green]✓[/] {department} {action}: [bold]{champion}[/] answers now.")
