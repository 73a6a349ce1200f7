"""``mentee``: the command line. Expected failures end here as a text and an exit code; anything else is a traceback."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from bot import logs
from bot.commands import ask, bench, db, departments, doctor, init, model, plugins, serve, users, votes
from bot.commands.output import show_error
from bot.errors import MenteeError
from bot.hooks import Plugins

if TYPE_CHECKING:
    from collections.abc import Sequence


class _EveryPluginOn:
    """Stands in for the switches while commands are registered: there may be no home and no database yet."""

    def enabled(self, _plugin: str, _department: str | None) -> bool:
        return True

    def settings(self, *_: Any) -> None:
        return None

    def switch(self, *_: Any, **__: Any) -> None:
        return None


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mentee", prog_name="mentee")
def cli() -> None:
    """Mentee: a company assistant that learns from the people it works for.

    The home is $MENTEE_HOME, else ./.mentee.
    """


for command in (
    *(init.init, model.model, serve.serve, serve.worker, ask.ask, votes.votes, departments.departments),
    *(plugins.plugins, users.users, db.db, doctor.doctor, bench.bench),
):
    cli.add_command(command)


def command_line(*, discover: bool = True) -> tuple[click.Group, Plugins]:
    """Return ``mentee`` with the plugins' commands added, and the plugins, which the caller closes.

    :param discover: look for plugins installed beside Mentee's own.
    """
    loaded = Plugins(_EveryPluginOn(), discover=discover)  # type: ignore[arg-type] # the methods that registration needs
    list(loaded.call("register_commands", cli=cli))
    return cli, loaded


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    root, loaded = command_line()
    try:
        root(arguments, prog_name="mentee")
    except MenteeError as error:
        show_error(error)
        return error.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        loaded.close()
    return 0


def main() -> None:
    """Run the command line and exit."""
    logs.configure()
    sys.exit(run(sys.argv[1:]))
