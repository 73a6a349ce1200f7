"""``mentee backup`` and ``mentee restore``."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from bot.app import Mentee
from bot.cli.home import opened
from bot.cli.output import console, emit_json, json_option, progress_console
from bot.config.settings import home_path, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

    from bot.storage.migrate import PluginTables

TEXTS = {
    "verify": "Verifying the backup",
    "database": "Database",
    "artifacts": "Adapters, datasets, indexes, rounds",
    "home": "Home",
}


@click.command()
@click.argument("target", type=click.Path(path_type=Path), metavar="TARGET")
@json_option
def backup(target: Path, *, as_json: bool) -> None:
    """Back up everything to the new folder TARGET, while Mentee runs.

    It contains the database, all artifacts and mentee.toml, but no secrets and no models.
    """
    from bot.storage.backup import back_up

    with opened() as mentee, _bars() as progress:
        made = back_up(mentee.settings, mentee.store, target, progress)
    if as_json:
        found = {"path": str(made.path), "sha256": made.sha256, "files": made.files, "bytes": made.bytes, **made.meta}
        emit_json(found)
        return
    console.print(f"Backup: {made.path} ({made.files} files, {made.bytes:,} bytes, verified)")
    console.print("It contains no secrets: keep the environment variables and secret files of this instance too.")


@click.command()
@click.argument("source", type=click.Path(path_type=Path), metavar="SOURCE")
@json_option
def restore(source: Path, *, as_json: bool) -> None:
    """Restore the backup in the folder SOURCE into an empty home, an empty database and an empty artifacts folder."""
    from bot.storage.restore import restore as restore_backup

    with _bars() as progress:
        settings = restore_backup(source.absolute(), home_path(), _tables(), progress)
    if as_json:
        emit_json({"home": str(settings.home), "artifacts": str(settings.artifacts_dir)})
        return
    console.print(f"Restored: {settings.home}")
    console.print("Next: set this instance's secrets, fetch its models (`mentee model fetch`), run `mentee doctor`.")


def _tables() -> dict[str, PluginTables]:
    """Return the tables of the plugins that are installed here; there is no database yet."""
    mentee = Mentee(load_settings({"store": {"url": "sqlite://"}}, must_exist=False))
    try:
        return dict(mentee.plugins.register_tables())
    finally:
        mentee.close()


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=progress_console) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(TEXTS[name], total=None)
            progress.update(tasks[name], completed=done, total=total or None)

        yield show
