"""Adding the documents of departments that plugins offer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click


def add_documents(context: click.Context, department: str, sources: Sequence[str]) -> None:
    """Add documents by the command that a plugin brought: the core knows no other way to read any."""
    command = context.find_root().command
    for name in ("documents", "add"):
        command = command.commands[name]  # type: ignore[attr-defined] # both are groups until the last
    context.invoke(command, addresses=tuple(sources), department=department, readers=(), as_json=False)
