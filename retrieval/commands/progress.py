"""Progress bars of long document work, on standard error."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bot.cli.output import progress_console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from retrieval.ingest.changes import Listener


@contextmanager
def progress_bars(department: str) -> Iterator[Listener]:
    """Show a bar for each stage of a change to a department's documents; yield the callback that advances them."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress_console) as progress:
        tasks: dict[tuple[str, int], TaskID] = {}

        def listen(stage: str, done: int, total: int) -> None:
            key = stage, total
            if key not in tasks:
                tasks[key] = progress.add_task(f"{department}: {stage.lower()}", total=total)
            progress.advance(tasks[key], done)

        yield listen
