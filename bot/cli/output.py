"""Printing: results to standard output, progress and problems to standard error."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Column

if TYPE_CHECKING:
    from bot.domain.errors import MenteeError

console = Console(highlight=False, soft_wrap=True)
"""Results."""

progress_console = Console(stderr=True, highlight=False)
"""Progress, notes and problems."""


def id_column(header: str) -> Column:
    """Return a column for ids. On a narrow screen, they continue on the next line, so that they can be copied."""
    return Column(header, overflow="fold")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def emit_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_plain) + "\n")
    sys.stdout.flush()


def show_error(error: MenteeError) -> None:
    """Print an expected error: what is wrong, then what to do next."""
    # not wrapped by us: a path cut in two can be neither read nor copied
    progress_console.print(f"[bold red]Error:[/] {_escaped(error.text)}", soft_wrap=True)
    if error.hint:
        progress_console.print(_escaped(error.hint), soft_wrap=True)


def _escaped(text: str) -> str:
    return text.replace("[", "\\[")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, set | frozenset | tuple) else str(value)
