"""``mentee plugins``: see, switch and configure plugins, and write a new one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.table import Table

from bot.app import Mentee, open_mentee
from bot.commands.output import console, emit_json, json_option
from bot.commands.pairs import pairs
from bot.errors import NotFoundError
from bot.plugin_template import write_plugin
from bot.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ACTOR = "command line"
department_option = click.option("--department", metavar="NAME", help="Only for this department.")


@click.group()
def plugins() -> None:
    """Plugins: switched and configured per department, live."""


@plugins.command("list")
@department_option
@json_option
def list_(department: str | None, *, as_json: bool) -> None:
    """List plugins with their state for the instance or a department."""
    mentee = open_mentee(load_settings())
    try:
        if department:
            mentee.departments.get(department)
        rows = list(_rows(mentee, department))
    finally:
        mentee.close()
    if as_json:
        emit_json(rows)
        return
    table = Table("Plugin", "Version", "From", "State", "Settings")
    for row in rows:
        table.add_row(
            row["name"], row["version"], row["origin"], escape(row["state"]), escape(", ".join(row["settings"]))
        )
    console.print(table)


@plugins.command()
@click.argument("name")
@department_option
def enable(name: str, department: str | None) -> None:
    """Switch plugin NAME on."""
    _switch(name, department, enabled=True)


@plugins.command()
@click.argument("name")
@department_option
def disable(name: str, department: str | None) -> None:
    """Switch plugin NAME off; running processes follow within a second."""
    _switch(name, department, enabled=False)


@plugins.command()
@click.argument("name")
@click.argument("values", nargs=-1, required=True, metavar="KEY=VALUE…")
@department_option
def configure(name: str, values: tuple[str, ...], department: str | None) -> None:
    """Set settings of plugin NAME."""
    mentee = open_mentee(load_settings())
    try:
        _require(mentee, name, department)
        model = mentee.plugins.settings_model(name)
        mentee.plugins.states.configure(name, department or "", pairs(values), actor=ACTOR, model=model)
    finally:
        mentee.close()
    console.print(f"Plugin {name} configured{_where(department)}.")


@plugins.command()
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(), help="Where to make it.")
def new(name: str, folder: Path) -> None:
    """Write a working plugin package NAME with a test that passes."""
    path = write_plugin(name, folder)
    console.print(f"{path} is ready. Install it with `pip install -e {path}`; `pytest {path}` runs its test.")


def _switch(name: str, department: str | None, *, enabled: bool) -> None:
    mentee = open_mentee(load_settings())
    try:
        _require(mentee, name, department)
        mentee.plugins.states.switch(name, department or "", enabled=enabled, actor=ACTOR)
    finally:
        mentee.close()
    console.print(f"Plugin {name} is {'on' if enabled else 'off'}{_where(department)}.")


def _require(mentee: Mentee, name: str, department: str | None) -> None:
    if department:
        mentee.departments.get(department)
    if name not in mentee.plugins.loaded:
        known = ", ".join(sorted(mentee.plugins.loaded))
        raise NotFoundError(f"There is no plugin {name!r}. Plugins: {known}.", hint="Install its package first.")


def _rows(mentee: Mentee, department: str | None) -> Iterator[dict[str, Any]]:
    states = mentee.plugins.states
    for plugin in mentee.plugins.loaded.values():
        on = states.enabled(plugin.name, department)
        reason = states.reason(plugin.name, department or "") or states.reason(plugin.name)
        state = f"not loaded: {plugin.error}" if plugin.error else "on" if on else f"off {reason}".strip()
        model = None if plugin.error else mentee.plugins.settings_model(plugin.name)
        settings = states.settings(plugin.name, department, model)
        shown = [f"{key}={value}" for key, value in settings.model_dump().items()] if settings else []
        row = {"name": plugin.name, "version": plugin.version, "origin": plugin.origin, "state": state}
        yield {**row, "enabled": on and not plugin.error, "settings": shown}


def _where(department: str | None) -> str:
    return f" for {department}" if department else ""
