"""What a plugin brings, and how it fails in all processes, for ``mentee plugins show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from bot.cli.output import console
from bot.config.sections import section_name
from bot.domain.identifiers import now
from bot.hooks.calling.record import RecordedFailure
from bot.hooks.health import AT_EVERY_START
from bot.server.lifespan import QUEUES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bot.app import Mentee
    from bot.hooks.health import Failure
    from bot.hooks.host import PluginHost


def parts(mentee: Mentee, name: str) -> dict[str, list[str]]:
    """Return the names of what a plugin brings, by kind. Channels, services and routes are those of one that is on."""
    plugins, instance = mentee.plugins, mentee.as_instance()
    hooks = plugins.hooks_of(name)
    tables = plugins.register_tables().get(name) if "register_tables" in hooks else None
    section = section_name(name)
    on = plugins.states.enabled(name, None)
    made: dict[str, Iterable[Any]] = {
        "channels": plugins.register_channels(instance, name) if on and "register_channels" in hooks else (),
        "services": plugins.register_services(instance, QUEUES, name) if on and "register_services" in hooks else (),
    }
    routes = plugins.register_routes(instance, name) if on and "register_routes" in hooks else ()
    has_section = "register_section" in hooks and section in plugins.register_section()
    return {
        "commands": [f"mentee {' '.join(path)}" for path, owner in _owners().items() if owner == name],
        "channels": [str(getattr(each, "name", each)) for each in made["channels"]],
        "services": [str(getattr(each, "name", each)) for each in made["services"]],
        "routes": [each.prefix or "/" for each in routes],
        "tables": sorted(tables.metadata.tables) if tables is not None else [],
        "sections": [f"[{section}]"] if has_section else [],
    }


def failures(plugins: PluginHost, name: str) -> list[dict[str, Any]]:
    """Return the latest failures of a plugin, in this process and in others, the last one first."""
    here = [_as_recorded(each) for each in plugins.failures(name) if each.hook in AT_EVERY_START]
    return [_shown(each) for each in [*here, *plugins.recorded(name)]]


def pauses(plugins: PluginHost, name: str) -> list[dict[str, str]]:
    """Return where a plugin is paused: the department, until when, and in which process."""
    return [
        {
            "department": each.department or "",
            "until": each.paused_until.isoformat(timespec="seconds"),
            "process": each.process,
        }
        for each in plugins.recorded(name)
        if each.paused_until is not None and each.paused_until > now()
    ]


def print_parts(found: Mapping[str, Sequence[str]]) -> None:
    """Print what :func:`parts` returned."""
    for kind, names in found.items():
        if names:
            console.print(f"{kind.capitalize()}: {escape(', '.join(names))}", soft_wrap=True)


def print_health(paused: Sequence[Mapping[str, str]], failed: Sequence[Mapping[str, Any]]) -> None:
    """Print what :func:`pauses` and :func:`failures` returned."""
    for pause in paused:
        where = pause["department"] or "calls without a department"
        console.print(f"Paused for {escape(where)} until {pause['until']} in the process {escape(pause['process'])}.")
    for each in failed:
        where = f" for {each['department']}" if each["department"] else ""
        times = f" ({each['times']} times)" if each["times"] > 1 else ""
        process = f" in {each['process']}" if each["process"] else ""
        console.print(escape(f"Failed at {each['at']}{process} in {each['hook']}{where}{times}: {each['text']}"))
        if each["traceback"]:
            console.print(escape(each["traceback"]))


def _owners() -> Mapping[tuple[str, ...], str]:
    """Return who brought which command, as the command line that runs now knows it."""
    context = click.get_current_context(silent=True)
    found: Mapping[tuple[str, ...], str] = getattr(context.find_root().command, "owners", {}) if context else {}
    return found


def _as_recorded(failure: Failure) -> RecordedFailure:
    """Return a failure of this process, which needs no name, as those of others are recorded."""
    return RecordedFailure(
        failure.plugin, failure.hook, failure.department, failure.text, failure.traceback, "", 1, failure.at
    )


def _shown(failure: RecordedFailure) -> dict[str, Any]:
    return {
        "at": failure.at.isoformat(timespec="seconds"),
        "process": failure.process,
        "hook": failure.hook,
        "department": failure.department,
        "times": failure.times,
        "text": failure.text,
        "traceback": failure.traceback,
    }
