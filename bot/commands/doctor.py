"""``mentee doctor``: is this instance sound, and if not, what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from bot.app import Mentee
from bot.commands.output import console, emit_json, json_option
from bot.errors import MenteeError
from bot.models import model_path
from bot.settings import load_settings
from bot.store import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

Check = Callable[[Mentee], str]


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Check home, database, models, indexes, adapters and plugins; exit 1 when something needs mending."""
    mentee = Mentee(load_settings())
    try:
        results = list(_run(mentee))
    finally:
        mentee.close()
    if as_json:
        emit_json([{"check": name, "ok": ok, "detail": detail} for name, ok, detail in results])
    else:
        for name, ok, detail in results:
            console.print(f"{'[green]ok[/]  ' if ok else '[red]bad[/] '} [bold]{name}[/]  {escape(detail)}")
    sys.exit(0 if all(ok for _, ok, _ in results) else 1)


def _run(mentee: Mentee) -> Iterator[tuple[str, bool, str]]:
    for name, check in CHECKS.items():
        try:
            yield name, True, check(mentee)
        except MenteeError as error:
            yield name, False, str(error)


def _home(mentee: Mentee) -> str:
    if not os.access(mentee.settings.home, os.W_OK):
        raise MenteeError(f"{mentee.settings.home} is not writable.", hint="Mend its permissions.")
    return str(mentee.settings.home)


def _database(mentee: Mentee) -> str:
    migrate.check(mentee.store)
    if not mentee.store.writable():
        raise MenteeError("The database cannot be written to.", hint="Is another process holding it, or the disk full?")
    return mentee.store.engine.url.render_as_string(hide_password=True)


def _chat_model(mentee: Mentee) -> str:
    if mentee.settings.model.engine == "openai":
        standby = mentee.settings.model.standby
        beside = f", {model_path(mentee.settings, standby)} stands by" if standby else ""
        return f"served by {mentee.settings.model.server_url}{beside}"
    return str(model_path(mentee.settings, mentee.settings.model.name))


def _embedder(mentee: Mentee) -> str:
    name = mentee.settings.model.embedder
    return name if name == "hashing" else str(model_path(mentee.settings, name))


def _indexes(mentee: Mentee) -> str:
    names = mentee.departments.names()
    searchable = [name for name in names if mentee.retriever.generation(name)]
    return f"{len(searchable)} of {len(names)} departments have one"


def _adapters(mentee: Mentee) -> str:
    from bot.artifacts import verify

    champions = [champion for name in mentee.departments.names() if (champion := mentee.champions.get(name))]
    for champion in champions:
        verify(champion.path, "adapter")
    return f"{len(champions)} champions verified"


def _plugins(mentee: Mentee) -> str:
    broken = [plugin for plugin in mentee.plugins.loaded.values() if plugin.error]
    if broken:
        problems = "; ".join(f"{plugin.name}: {plugin.error}" for plugin in broken)
        raise MenteeError(f"{len(broken)} did not load: {problems}.", hint="Update or uninstall them.")
    return f"{len(mentee.plugins.loaded)} loaded"


CHECKS: dict[str, Check] = {
    "home": _home,
    "database": _database,
    "chat model": _chat_model,
    "embedder": _embedder,
    "indexes": _indexes,
    "adapters": _adapters,
    "plugins": _plugins,
}
