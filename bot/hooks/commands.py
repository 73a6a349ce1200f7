"""The tree of commands: who brought which, and nobody replaces another's."""

from __future__ import annotations

from copy import copy
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Path = tuple[str, ...]
"""The words of a command after ``mentee``, such as ``("documents", "list")``."""

DEEPEST = 8
"""Groups deeper than this are left alone."""


class CommandTree:
    """The commands of a group as they are before a plugin adds its own.

    :param root: the group of all commands; it and its groups are changed.
    """

    def __init__(self, root: click.Group) -> None:
        self._groups = {path: (group, dict(group.commands)) for path, group in _groups(root)}

    def settle(self, refuse: Callable[[str], object], check: Callable[[], None] | None) -> list[Path]:
        """Undo what replaced or removed a command or isn't one, and return the paths of what is new.

        :param refuse: told each problem.
        :param check: called before a new command runs.
        """
        new = []
        for path, (group, before) in self._groups.items():
            for name, command in before.items():
                if group.commands.get(name) is not command:
                    refuse(f"the command {' '.join((*path, name))!r} exists already; choose another name")
            for name in [name for name in group.commands if name not in before]:
                if not isinstance(group.commands[name], click.Command):
                    refuse(f"{' '.join((*path, str(name)))!r} is no click.Command")
                    del group.commands[name]
                    continue
                new.append((*path, name))
                if check is not None:  # of a copy: a plugin's own command stays as it is
                    command = copied(group.commands[name])
                    command.callback = _checked(command.callback, check)
                    group.commands[name] = command
            group.commands.update(before)
        return new


def copied(command: click.Command) -> Any:
    """Return a command, or a group with its commands, whose changes don't change the original."""
    copy_of_it = copy(command)
    if isinstance(command, click.Group) and isinstance(copy_of_it, click.Group):
        copy_of_it.commands = {name: copied(each) for name, each in command.commands.items()}
    return copy_of_it


def _groups(root: click.Group) -> Iterator[tuple[Path, click.Group]]:
    left: list[tuple[Path, click.Group]] = [((), root)]
    while left:
        path, group = left.pop()
        yield path, group
        if len(path) < DEEPEST:
            found = group.commands.items()
            left += [((*path, name), each) for name, each in found if isinstance(each, click.Group)]


def _checked(callback: Callable[..., Any] | None, check: Callable[[], None]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        check()
        return callback(*args, **kwargs) if callback is not None else None

    return update_wrapper(run, callback) if callback is not None else run
