"""Tuning as a plugin: rounds on the ``gpu`` queue, and the commands for rounds, adapters and evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from bot.app import Mentee
    from bot.protocols import Service


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add ``mentee round``, ``mentee adapters`` and ``mentee eval``."""
    from tuning.commands.adapters import adapters
    from tuning.commands.evaluate import evaluate
    from tuning.commands.rounds import round_

    for command in (round_, adapters, evaluate):
        cli.add_command(command)


@hookimpl
def start_department(mentee: Mentee, department: str) -> None:
    """Make the reader the first champion of a department on its base model."""
    from tuning.reader.install import install_reader

    install_reader(mentee, department)


@hookimpl
def register_services(mentee: Mentee, queues: Sequence[str]) -> Sequence[Service]:
    """Work on rounds where the ``gpu`` queue is served."""
    if "gpu" not in queues:
        return []
    from tuning.rounds import RoundWorker

    return [RoundWorker(mentee)]
