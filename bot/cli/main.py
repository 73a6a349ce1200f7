"""``mentee``: the command line. An expected error ends with a message and an exit code; any other is a traceback."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy.exc import SQLAlchemyError

from bot.cli.commands import ask, bench, db, departments, doctor, init, model, plugins, serve, tokens, users
from bot.cli.commands.data import backup, erase
from bot.cli.commands.feedback import curated, outcomes, votes
from bot.cli.output import show_error
from bot.config.extras import missing_part
from bot.config.private import UMASK
from bot.config.settings import load_settings
from bot.domain.errors import MenteeError, SettingsError
from bot.domain.questions import is_text
from bot.hooks import specs
from bot.hooks.commands import copied
from bot.hooks.host import PluginHost
from bot.hooks.state import PluginStates
from bot.observability import logs
from bot.storage.session import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.hooks.commands import Path
    from bot.hooks.registry import LoadedPlugin


class _EveryPluginOn:
    """Replaces the plugin switches while commands are registered, because there may be no home yet."""

    def enabled(self, _plugin: str, _department: str | None) -> bool:
        return True

    def settings(self, *_: Any) -> None:
        return None

    def switch(self, *_: Any, **__: Any) -> None:
        return None

    def note_problem(self, *_: Any) -> None:
        return None


class Commands(click.Group):
    """The root of all commands."""

    owners: Mapping[Path, str] = {}
    """The plugins that brought commands, by the commands' words."""

    left_out: Sequence[LoadedPlugin] = ()
    """Plugins that did not load. One of them may have had the command that is missing."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; where there is none, say which plugins did not load."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            lines = [f"The plugin {plugin.name!r} did not load: {plugin.error}" for plugin in self.left_out]
            raise click.UsageError("\n".join([error.message, *lines]), ctx) from None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mentee", prog_name="mentee")
def cli() -> None:
    """Mentee: a company assistant that learns from the people it works for.

    Commands use the home in $MENTEE_HOME, or ./.mentee if it isn't set.
    """


for command in (
    *(
        init.init,
        model.model,
        serve.serve,
        serve.worker,
        ask.ask,
        votes.votes,
        curated.curated,
        outcomes.outcomes,
        departments.departments,
    ),
    *(plugins.plugins, users.users, tokens.tokens, db.db, doctor.doctor, erase.erase, bench.bench),
    *(backup.backup, backup.restore),
):
    cli.add_command(command)


def command_line(*, discover: bool = True) -> tuple[Commands, PluginHost]:
    """Return ``mentee`` with the plugins' commands added, and the plugins, which the caller closes.

    :param discover: look for plugins installed beside Mentee's own.
    """
    loaded = PluginHost(_EveryPluginOn(), specs, discover=discover)  # type: ignore[arg-type] # the methods that registration needs
    root: Commands = copied(cli)
    root.owners = loaded.register_commands(root, partial(_require_on, loaded))
    root.left_out = [each for each in loaded.loaded.values() if each.error and each.installed]
    return root, loaded


def _require_on(loaded: PluginHost, plugin: str) -> None:
    """Refuse a command of a plugin that is off in the current home. Without a usable home, the command itself says so.

    :raises SettingsError: the plugin is off.
    """
    try:
        settings = load_settings()
    except SettingsError:
        return
    store = Store(settings.database_url)
    try:
        states = PluginStates(store, settings.plugins)
        states.opt_in = frozenset(each.name for each in loaded.loaded.values() if each.opt_in)
        on, why = states.enabled(plugin, None), states.reason(plugin)
    except (SQLAlchemyError, MenteeError):
        return
    finally:
        store.close()
    if not on:
        raise SettingsError(
            f"This is a command of the plugin {plugin!r}, which is off{f' ({why})' if why else ''}.",
            hint=f"Switch it on with `mentee plugins enable {plugin}`.",
        )


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    root, loaded = command_line()
    try:
        _check_texts(arguments)
        root(arguments, prog_name="mentee")
    except MenteeError as error:
        show_error(error)
        return error.exit_code
    except ModuleNotFoundError as error:
        part = missing_part(error)
        if part is None:
            raise
        show_error(part)
        return part.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        loaded.close()
    return 0


def _check_texts(arguments: Sequence[str]) -> None:
    for argument in arguments:
        if not is_text(argument):
            raise SettingsError(f"The argument {argument!r} is not UTF-8 text.", hint="Use a terminal set to UTF-8.")


def main() -> None:
    """Run the command line and exit. What it writes, only this user can read."""
    os.umask(UMASK)
    logs.configure()
    sys.exit(run(sys.argv[1:]))
