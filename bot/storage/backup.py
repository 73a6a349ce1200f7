"""A backup: one folder with all that an instance knows, whole or not there at all.

It holds ``database/``, ``artifacts/`` (adapters, datasets, indexes and rounds), ``home/`` (everything else there),
``mentee.toml`` and a manifest with the SHA-256 of every file. The database is copied first and never refers to an
artifact that came later; what it needs is verified in the copy before the folder gets its name.
"""

from __future__ import annotations

import shutil
import time
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import make_url

from bot.config.settings import CONFIG_NAME
from bot.domain.errors import ArtifactError, MenteeError, SettingsError
from bot.storage import artifacts
from bot.storage.copying import PRIVATE_FOLDER, CopiedFile, copy_all, files_below
from bot.storage.dump import Dump, dump

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.config.settings import Settings
    from bot.storage.session import Store

KIND = "backup"
DATABASE, ARTIFACTS, HOME = "database", "artifacts", "home"
ARTIFACT_FOLDERS = ("adapters", "answers", "datasets", "indexes", "rounds")
STRAY_SECONDS = 24 * 3600
TRIES = 10
"""An artifact that the copied database needs may be replaced before it is copied; then all is copied again."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that is whole."""

    path: Path
    sha256: str
    files: int
    bytes: int
    meta: dict[str, Any]


def back_up(settings: Settings, store: Store, target: Path, progress: Callable[[str, int, int], None]) -> Backup:
    """Write a backup of an instance, which may be running, to a new folder.

    :param progress: called with what is being done, how many bytes of it are done, and how many there are.
    :raises SettingsError: the folder exists, or is in the home.
    :raises MenteeError: there is no room, or something can't be read.
    """
    target = target.resolve()
    _check_target(settings, target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        with artifacts.writing(target, KIND, suffixes=None) as draft:
            draft.path.chmod(PRIVATE_FOLDER)
            draft.meta |= _fill(settings, store, draft.path, progress)
        manifest = artifacts.read_manifest(target, KIND)
    except OSError as error:
        raise MenteeError(
            f"Can't write the backup: {error.strerror or error}.", hint="The incomplete backup was removed."
        ) from error
    size = sum(entry["bytes"] for entry in manifest.files.values())
    return Backup(target, manifest.sha256, len(manifest.files), size, dict(manifest.meta))


def _sweep(folder: Path) -> None:
    """Remove what backups left behind that were killed a day ago; a younger one may be going on."""
    for stray in folder.glob(f"{artifacts.ASIDE}*"):
        if time.time() - stray.stat().st_mtime > STRAY_SECONDS:
            shutil.rmtree(stray, ignore_errors=True)


def _check_target(settings: Settings, target: Path) -> None:
    if target.exists():
        raise SettingsError(f"{target} already exists.", hint="Give a new name, such as one with today's date.")
    if any(target.is_relative_to(folder.resolve()) for folder in (settings.home, settings.artifacts_dir)):
        raise SettingsError(
            f"{target} is inside the home or the artifacts.", hint="Give a folder outside, ideally on another disk."
        )


def _fill(settings: Settings, store: Store, folder: Path, progress: Callable[[str, int, int], None]) -> dict[str, Any]:
    for attempt in range(1, TRIES + 1):
        for name in (DATABASE, ARTIFACTS, HOME):
            shutil.rmtree(folder / name, ignore_errors=True)
            (folder / name).mkdir(mode=PRIVATE_FOLDER)
        progress("database", 0, 0)
        made = dump(store, folder / DATABASE)
        size = sum(file.stat().st_size for file in (folder / DATABASE).iterdir())
        progress("database", size, size)
        for name, files in _files(settings, store).items():
            _copy(name, files, folder / name, progress)
        try:
            _check_needs(made, folder / ARTIFACTS)
        except ArtifactError:
            if attempt == TRIES:
                raise
        else:
            break
    config = (settings.home / CONFIG_NAME).read_text(encoding="utf-8")
    (folder / CONFIG_NAME).write_text(without_password(config), encoding="utf-8")
    return {"version": version("mentee"), "database": made.kind, "schema": dict(made.schema)}


def _files(settings: Settings, store: Store) -> dict[str, list[CopiedFile]]:
    home, kept = settings.home.absolute(), settings.artifacts_dir.absolute()
    folders = [kept / name for name in ARTIFACT_FOLDERS]
    elsewhere = {*folders, kept if kept != home else folders[0], home / CONFIG_NAME, settings.models_dir.absolute()}
    if store.is_sqlite:
        database = Path(str(store.engine.url.database)).absolute()
        elsewhere |= {database, *(database.with_name(f"{database.name}-{end}") for end in ("wal", "shm", "journal"))}
    stored = [
        CopiedFile(file.source, f"{folder.name}/{file.name}") for folder in folders for file in files_below(folder)
    ]
    return {ARTIFACTS: stored, HOME: list(files_below(home, without=elsewhere))}


def _copy(name: str, files: list[CopiedFile], target: Path, progress: Callable[[str, int, int], None]) -> None:
    total, done = sum(file.source.stat().st_size for file in files if file.source.exists()), 0

    def advance(size: int) -> None:
        nonlocal done
        done += size
        progress(name, done, max(total, done))

    copy_all(files, target, advance)


def _check_needs(made: Dump, folder: Path) -> None:
    for kind, path in made.needs:
        artifacts.verify(folder / path, kind)


def without_password(config: str) -> str:
    """Return a ``mentee.toml`` without the password in the database's address, the only secret it may hold."""
    url = tomllib.loads(config).get("store", {}).get("url", "")
    if not url or make_url(url).password is None:
        return config
    return config.replace(url, make_url(url)._replace(password=None).render_as_string(hide_password=False))
