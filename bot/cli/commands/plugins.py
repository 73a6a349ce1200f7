"""``mentee plugins``: see, switch and configure plugins, and write a new one."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from bot.cli.home import opened
from bot.cli.output import console, emit_json, id_column, json_option
from bot.cli.pairs import pairs
from bot.cli.plugin_report import details, overview, print_details
from bot.config.suggestions import did_you_mean
from bot.domain.errors import NotFoundError, SettingsError
from bot.hooks.operators.consequences import consequences, made_at_start
from bot.hooks.scaffold import write_plugin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.app import Mentee

ACTOR = "command line"
STATE_CHARS = 24
department_option = click.option("--department", metavar="NAME", help="Apply to this department only.")


@click.group()
def plugins() -> None:
    """Manage plugins. Each command says what takes effect at once and what after a restart."""


@plugins.command("list")
@department_option
@json_option
def list_(department: str | None, *, as_json: bool) -> None:
    """List plugins and whether they are enabled, for the instance or a department."""
    with opened() as mentee:
        if department:
            mentee.departments.get(department)
        rows = list(overview(mentee.plugins, department))
    if as_json:
        emit_json(rows)
        return
    table = Table(id_column("Plugin"), "Version", "From", "State", "Settings")
    for row in rows:
        table.add_row(
            row["name"], row["version"], row["origin"], escape(_short(row["state"])), escape(", ".join(row["settings"]))
        )
    console.print(table)
    for row in rows:
        if _short(row["state"]) != row["state"]:
            console.print(escape(f"{row['name']}: {row['state']}"), soft_wrap=True)


@plugins.command()
@click.argument("name")
@department_option
@json_option
def show(name: str, department: str | None, *, as_json: bool) -> None:
    """Show plugin NAME: its hooks, where it is on and why, its settings, commands and other parts, jobs and failures.

    Failures and pauses are those of all processes, such as `mentee serve`.
    """
    with opened() as mentee:
        _require(mentee, name, department)
        found = details(mentee, name, department or "")
    if as_json:
        emit_json(found)
    else:
        print_details(found)


@plugins.command()
@click.argument("name")
@click.argument("job")
def run(name: str, job: str) -> None:
    """Run JOB of plugin NAME now, in this process. Exits with 1 if it fails."""
    with opened() as mentee:
        _require(mentee, name, None)
        ended = asyncio.run(mentee.jobs().run_now(name, job, actor=ACTOR))
    if ended.error is not None:
        console.print(escape(ended.traceback))
        raise ended.error
    console.print(f"Job {job} of {name} took {ended.seconds:.1f} s.")


@plugins.command()
@click.argument("name")
@department_option
def enable(name: str, department: str | None) -> None:
    """Enable plugin NAME. A department's own switch takes precedence over the instance's."""
    _switch(name, department, enabled=True)


@plugins.command()
@click.argument("name")
@department_option
@click.option("--everywhere", is_flag=True, help="Also where a department has it enabled.")
def disable(name: str, department: str | None, *, everywhere: bool) -> None:
    """Disable plugin NAME. Running processes follow within a second."""
    if everywhere and department:
        raise click.UsageError("Use either --department or --everywhere.")
    _switch(name, department, enabled=False, everywhere=everywhere)


@plugins.command()
@click.argument("name")
@department_option
def reset(name: str, department: str | None) -> None:
    """Remove the switch of plugin NAME, so that a department follows the instance again.

    Without --department, the instance follows mentee.toml or the plugin's default again. Settings stay as they
    are; reset these with `mentee plugins configure NAME --unset KEY`.
    """
    _switch(name, department, enabled=None)


@plugins.command()
@click.argument("name")
@click.argument("values", nargs=-1, metavar="KEY=VALUE…")
@click.option("--unset", multiple=True, metavar="KEY", help="Let a setting follow its default again.")
@department_option
def configure(name: str, values: tuple[str, ...], unset: tuple[str, ...], department: str | None) -> None:
    """Change settings of plugin NAME.

    Secrets aren't stored. Give the name of an environment variable (token=$NAME) or of a file (token=@/path).
    """
    if not values and not unset:
        raise click.UsageError("Give KEY=VALUE or --unset KEY.")
    with opened() as mentee:
        _require(mentee, name, department)
        model = mentee.plugins.register_settings(name)
        states = mentee.plugins.states
        states.configure(name, department or "", pairs(values), actor=ACTOR, model=model, unset=unset)
        console.print(f"Plugin {name} configured{_where(department)}.")
        _tell_what_is_missing(mentee, name, department)


@plugins.command()
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(), help="Folder to create it in.")
def new(name: str, folder: Path) -> None:
    """Create a plugin package NAME that works, with a passing test."""
    path = write_plugin(name, folder)
    package = shlex.quote(f"{path}[test]")
    console.print(f"{path} is ready. Install it, then run its tests:")
    console.print(f"  pip install -e {escape(package)}\n  pytest {escape(shlex.quote(str(path)))}", soft_wrap=True)


def _short(state: str) -> str:
    """Return the beginning of a state that is longer than a column of a table."""
    return state if len(state) <= STATE_CHARS else state.partition(":")[0].partition(",")[0]


def _switch(name: str, department: str | None, *, enabled: bool | None, everywhere: bool = False) -> None:
    with opened() as mentee:
        _require(mentee, name, department)
        states, names, scope = mentee.plugins.states, mentee.departments.names(), department or ""
        will_be_on = states.inherited(name, scope)[0] if enabled is None else enabled
        ends = states.enabled(name, department) and not will_be_on
        follows = consequences(mentee.plugins, name, scope, names, everywhere=everywhere) if ends else []
        if everywhere:
            states.switch_everywhere(name, enabled=will_be_on, actor=ACTOR)
        else:
            states.switch(name, scope, enabled=enabled, actor=ACTOR)
        decided_by = f", decided by: {states.decided(name, scope)[1]}" if enabled is None else ""
        console.print(f"Plugin {name} is {'on' if will_be_on else 'off'}{_where(department)}{decided_by}.")
        _tell_what_follows(mentee, name, department, follows, enabled=will_be_on)


def _tell_what_follows(
    mentee: Mentee, name: str, department: str | None, follows: Sequence[str], *, enabled: bool
) -> None:
    """Say where a switch has no effect, and what takes effect when."""
    switched_in = mentee.plugins.states.switched_in(name)
    others = [] if department else [each for each, on in switched_in.items() if on is not enabled]
    if others:
        console.print(f"It stays {'off' if enabled else 'on'} for {', '.join(others)}, which has its own switch.")
    parts = made_at_start(mentee.plugins, name) if enabled else []  # what follows from "off" is said below
    if parts:
        console.print(f"Restart `mentee serve` for its {' and '.join(parts)}; the rest follows within seconds.")
    else:
        console.print("Running processes follow within seconds.")
    if enabled:
        _tell_what_is_missing(mentee, name, department)
    for consequence in follows:
        console.print(f"[bold]{escape(consequence)}[/]", soft_wrap=True)


def _tell_what_is_missing(mentee: Mentee, name: str, department: str | None) -> None:
    """Say why a plugin does nothing although it is on: it did not load, or its settings can't be used."""
    plugins = mentee.plugins
    if problem := plugins.loaded[name].error:
        console.print(f"It did not load: {escape(problem)}")
        return
    try:
        plugins.states.checked(name, department, plugins.register_settings(name))
    except SettingsError as error:
        console.print(f"It can't work yet: {escape(error.text)} {escape(error.hint)}")


def _require(mentee: Mentee, name: str, department: str | None) -> None:
    if department:
        mentee.departments.get(department)
    if name not in mentee.plugins.loaded:
        known = ", ".join(sorted(mentee.plugins.loaded))
        raise NotFoundError(
            f"There is no plugin {name!r}.{did_you_mean(name, mentee.plugins.loaded)}",
            hint=f"Install its package first. Installed: {known}.",
        )


def _where(department: str | None) -> str:
    return f" for {department}" if department else ""
