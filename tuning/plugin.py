"""Tuning as a plugin: rounds on the ``gpu`` queue, and the commands for rounds, adapters and evaluation."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from bot.config.extras import NotInstalledError, require
from bot.domain.plugins.jobs import Job
from bot.hooks.specs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from bot.domain.ports import AdapterRegistry, Eraser, Service
    from bot.hooks.instance import Instance

SCREENING = timedelta(minutes=5)
"""How soon a vote that isn't held counts for routing."""

log = structlog.get_logger(__name__)


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add ``mentee round``, ``mentee adapters`` and ``mentee eval``, and to ``mentee votes`` what is held."""
    import click

    from tuning.commands.adapters import adapters
    from tuning.commands.evaluate import evaluate
    from tuning.commands.rounds import round_
    from tuning.commands.votes import discard, held, release

    for command in (round_, adapters, evaluate):
        cli.add_command(command)
    votes = cli.commands.get("votes")
    if isinstance(votes, click.Group):
        for command in (held, release, discard):
            votes.add_command(command)


@hookimpl
def register_adapter_registry(instance: Instance) -> AdapterRegistry:
    """Return the registry that rounds, commands and other plugins publish adapters to."""
    from tuning.services import registry

    return registry(instance)


@hookimpl
def register_erasers(instance: Instance) -> Sequence[Eraser]:
    """Erase from datasets and rounds, and mark the adapters that learned from it."""
    from tuning.services import eraser

    return [eraser(instance)]


@hookimpl
def register_services(instance: Instance, queues: Sequence[str]) -> Sequence[Service]:
    """Work on rounds where the ``gpu`` queue is served."""
    if "gpu" not in queues:
        return []
    try:
        require("tuning", "Training")
    except NotInstalledError as error:
        log.warning("rounds_do_not_run_here", reason=str(error))
        return []
    from tuning.services import round_worker

    return [round_worker(instance)]


@hookimpl
def register_jobs(instance: Instance) -> Sequence[Job]:
    """Start rounds that are due, screen votes, tell people what rounds learned, and delete old files."""
    from tuning.services import held_votes, learned, round_retention, rounds, schedule

    held = held_votes(instance)

    def start_due() -> None:
        if rounds(instance).worker_alive():
            schedule(instance).start_due()

    return [
        Job("schedule", timedelta(minutes=1), start_due),
        Job("screening", SCREENING, lambda: held.mark_usable(instance.departments, instance.votes)),
        Job("learned", timedelta(seconds=15), learned(instance).tell),
        Job("retention", timedelta(days=1), round_retention(instance).apply, limit=timedelta(hours=1)),
    ]
