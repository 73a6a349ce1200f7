"""``mentee doctor``: check this instance and say how to fix what is wrong."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from sqlalchemy import select

from bot.app import Mentee
from bot.cli.output import console, emit_json, json_option
from bot.cli.plugin_report import misspelt_plugins, unusable_settings
from bot.config.settings import load_settings
from bot.domain.errors import MenteeError
from bot.domain.identifiers import now
from bot.inference.models.catalogue import model_path
from bot.storage import migrate
from bot.storage.tables.training import AdapterRow
from bot.storage.traces import literally

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

Check = Callable[[Mentee], str]


@click.command()
@click.option(
    "--orphans",
    is_flag=True,
    help="Instead, search every table and file for what was erased, and for orphaned rows and files.",
)
@click.option("--text", metavar="TEXT", help="With --orphans: search for these words instead.")
@json_option
def doctor(*, orphans: bool, text: str | None, as_json: bool) -> None:
    """Check the home, database, models, indexes, adapters and plugins. Exits with 1 if anything needs fixing."""
    if text is not None and not orphans:
        raise click.UsageError("--text needs --orphans.")
    if text is not None and not text.strip():
        raise click.UsageError("--text is empty. Give the words to search for.")
    mentee = Mentee(load_settings())
    try:
        if orphans:
            _tell_orphans(list(mentee.erasing.orphans(literally(text) if text is not None else None)), as_json=as_json)
            return
        results = list(_run(mentee))
    finally:
        mentee.close()
    if as_json:
        emit_json([{"check": name, "ok": ok, "detail": detail} for name, ok, detail in results])
    else:
        for name, ok, detail in results:
            console.print(f"{'[green]ok[/]  ' if ok else '[red]bad[/] '} [bold]{name}[/]  {escape(detail)}")
    sys.exit(0 if all(ok for _, ok, _ in results) else 1)


def _tell_orphans(found: list[str], *, as_json: bool) -> None:
    if as_json:
        emit_json({"orphans": len(found), "places": found})
    else:
        console.print(f"{len(found)} orphans")
        for place in found:
            console.print(f"[red]bad[/] {escape(place)}")
    sys.exit(1 if found else 0)


def _run(mentee: Mentee) -> Iterator[tuple[str, bool, str]]:
    for name, check in CHECKS.items():
        try:
            yield name, True, check(mentee)
        except MenteeError as error:
            yield name, False, str(error)
        except Exception as error:  # noqa: BLE001 - what a plugin brings may raise anything; the other checks go on
            problem = str(error).partition("\n")[0]  # SQLAlchemy adds an address of its own pages
            yield name, False, f"{type(error).__name__}: {problem}"


def _home(mentee: Mentee) -> str:
    if not os.access(mentee.settings.home, os.W_OK):
        raise MenteeError(f"{mentee.settings.home} is not writable.", hint="Fix its permissions.")
    return str(mentee.settings.home)


def _database(mentee: Mentee) -> str:
    migrate.check(mentee.store, mentee.plugins.register_tables())
    if not mentee.store.writable():
        raise MenteeError(
            "The database can't be written to.", hint="Check whether another process locks it, or the disk is full."
        )
    return mentee.store.engine.url.render_as_string(hide_password=True)


def _chat_model(mentee: Mentee) -> str:
    brought = mentee.plugins.register_engine(mentee.as_instance())
    if brought is not None:
        info = brought.info
        return f"{info.base_model} on {info.device}, by the plugin {mentee.plugins.brought_by('register_engine')}"
    if mentee.settings.model.engine == "openai":
        standby = mentee.settings.model.standby
        beside = f", {model_path(mentee.settings.models_dir, standby)} stands by" if standby else ""
        return f"served by {mentee.settings.model.server_url}{beside}"
    return str(model_path(mentee.settings.models_dir, mentee.settings.model.name))


def _embedder(mentee: Mentee) -> str:
    name = mentee.settings.model.embedder
    return name if name == "hashing" else str(model_path(mentee.settings.models_dir, name))


def _indexes(mentee: Mentee) -> str:
    names = mentee.departments.names()
    searchable = [name for name in names if mentee.retriever.snapshot(name)]
    return f"{len(searchable)} of {len(names)} departments have one"


def _adapters(mentee: Mentee) -> str:
    problems = mentee.active_adapters.problems()
    if problems:
        found = " ".join(f"{name}: {problem}" for name, problem in sorted(problems.items()))
        raise MenteeError(found, hint="Restore its folder from a backup, or run `mentee adapters rollback`.")
    champions = [champion for name in mentee.departments.names() if (champion := mentee.active_adapters.get(name))]
    stale = dict(_stale(mentee, {champion.version for champion in champions}))
    detail = "; ".join(f"{version} must be replaced by {day:%Y-%m-%d}" for version, day in sorted(stale.items()))
    if any(day < now() for day in stale.values()):
        raise MenteeError(
            f"Adapters that learned from erased data are still in use: {detail}.",
            hint="Run `mentee round start`, or `mentee adapters rollback`, for their departments.",
        )
    return f"{len(champions)} champions verified" + (f"; learned from erased data: {detail}" if detail else "")


def _stale(mentee: Mentee, versions: Collection[str]) -> Iterator[tuple[str, datetime]]:
    """Yield those of the adapters that learned from erased data, and when they must be replaced."""
    wanted = select(AdapterRow).where(AdapterRow.version.in_(versions), AdapterRow.replace_by.is_not(None))
    with mentee.store.read() as session:
        for row in session.scalars(wanted):
            if row.replace_by is not None:
                yield row.version, row.replace_by


def _plugins(mentee: Mentee) -> str:
    plugins = mentee.plugins
    plugins.limits.check(plugins.loaded)
    broken = [each for each in plugins.loaded.values() if each.error and each.installed]
    found = [f"{each.name} did not load: {each.error}" for each in broken]
    guards = {name: problem for name in plugins.loaded if (problem := plugins.states.problem(name))}
    refused = ", so the answers it checks are refused"
    found += [f"{name}: {problem}{refused * plugins.is_guard(name)}" for name, problem in guards.items()]
    found += [f"{name}: {problem}" for name, problem in plugins.problems.items() if name not in guards]
    found += [f"{each.name}: {each.warning}" for each in plugins.loaded.values() if each.warning]
    found += [*misspelt_plugins(plugins), *unusable_settings(plugins)]
    if found:
        raise MenteeError(
            f"{'; '.join(each.rstrip('.') for each in found)}.",
            hint="`mentee plugins show NAME` says more about each.",
        )
    left_out = [f"{plugin.name} {plugin.error}" for plugin in mentee.plugins.loaded.values() if not plugin.installed]
    unchecked = [name for name in mentee.departments.names() if not plugins.guards(name)]
    said = [f"no guard checks the answers of {', '.join(unchecked)}"] if unchecked else []
    return "; ".join([f"{len(mentee.plugins.loaded) - len(left_out)} loaded", *said, *left_out])


CHECKS: dict[str, Check] = {
    "home": _home,
    "database": _database,
    "chat model": _chat_model,
    "embedder": _embedder,
    "indexes": _indexes,
    "adapters": _adapters,
    "plugins": _plugins,
}
