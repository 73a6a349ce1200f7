"""Makes an instance from a backup: everything is checked before anything is written, and ``mentee.toml`` comes last.

A restore that is interrupted leaves a home without ``mentee.toml``, which no command takes for an instance.
"""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from bot.config.settings import CONFIG_NAME, load_settings
from bot.domain.errors import ArtifactError, MenteeError, SettingsError
from bot.storage import artifacts, migrate
from bot.storage.backup import ARTIFACTS, DATABASE, HOME, KIND
from bot.storage.copying import PRIVATE_FILE, PRIVATE_FOLDER, copy_all, files_below
from bot.storage.dump import SQLITE_FILE, is_empty, load_postgresql
from bot.storage.session import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.config.settings import Settings
    from bot.storage.artifacts import Manifest
    from bot.storage.migrate import PluginTables

META = {"version": str, "database": str, "schema": dict}
CLEAR = "Nothing was changed. Give an empty place by MENTEE_HOME, MENTEE_STORE__URL or MENTEE_STORE__ARTIFACTS."


def restore(
    source: Path, home: Path, plugins: Mapping[str, PluginTables], progress: Callable[[str, int, int], None]
) -> Settings:
    """Make the instance of a backup in ``home``, its database and its folder of artifacts, and return its settings.

    :raises SettingsError: one of these places is not empty, or the backup has another schema; nothing was changed.
    :raises ArtifactError: the backup is not whole; nothing was changed.
    :raises MenteeError: there is no room; what was written is removed.
    """
    if home.exists() and any(home.iterdir()):
        raise SettingsError(f"{home} is not empty.", hint=CLEAR)
    if home.resolve().is_relative_to(source.resolve()):
        raise SettingsError(f"{home} is inside the backup.", hint=CLEAR)
    size = sum(file.source.stat().st_size for file in files_below(source))
    progress("verify", 0, size)
    manifest = artifacts.verify(source, KIND, suffixes=None)
    progress("verify", size, size)
    _check_meta(manifest, source)
    _check_schema(manifest, migrate.newest(plugins))
    settings = _settings(source)
    store = Store(settings.database_url)
    try:
        _check_places(manifest, settings, store)
        _write(source, settings, store, plugins, progress)
    except OSError as error:
        raise MenteeError(
            f"Can't restore: {error.strerror or error}.", hint="What it had written was removed."
        ) from error
    finally:
        store.close()
    return settings


def _settings(source: Path) -> Settings:
    """Return the settings that the instance will have; the environment wins over the backup's ``mentee.toml``."""
    kept = tomllib.loads((source / CONFIG_NAME).read_text(encoding="utf-8")).get("store", {})
    here = load_settings(must_exist=False).store
    return load_settings(
        {"store": {"url": here.url or kept.get("url", ""), "artifacts": here.artifacts or kept.get("artifacts", "")}},
        must_exist=False,
    )


def _check_meta(manifest: Manifest, source: Path) -> None:
    for key, kind in META.items():
        if not isinstance(manifest.meta.get(key), kind):
            raise ArtifactError(
                f"The manifest of the backup {source} doesn't say the {key} of the backed-up instance.",
                hint="Nothing was changed. The manifest was altered: restore another copy of the backup.",
            )
    if CONFIG_NAME not in manifest.files:
        raise ArtifactError(f"The backup {source} has no {CONFIG_NAME}.", hint="Nothing was changed. Use another copy.")


def _check_schema(manifest: Manifest, newest: Mapping[str, str]) -> None:
    for table, revision in manifest.meta["schema"].items():
        expected = newest.get(table)
        if expected is None:
            plugin = table.removeprefix(f"{migrate.VERSION_TABLE}_")
            raise SettingsError(
                f"The backup has tables of the plugin {plugin!r}, which isn't installed.",
                hint="Nothing was changed. Install the plugin first.",
            )
        if revision != expected:
            raise SettingsError(
                f"The backup has schema {revision} ({table}); this version expects {expected}.",
                hint=f"Nothing was changed. Restore with Mentee {manifest.meta['version']}, then upgrade.",
            )


def _check_places(manifest: Manifest, settings: Settings, store: Store) -> None:
    kind = manifest.meta["database"]
    if store.engine.dialect.name != kind:
        raise SettingsError(
            f"The backup is of {kind}, and store.url names {store.engine.dialect.name}.",
            hint="Nothing was changed. Set MENTEE_STORE__URL to an empty database of that kind.",
        )
    occupied = Path(str(store.engine.url.database)).exists() if store.is_sqlite else not is_empty(store)
    if occupied:
        raise SettingsError(
            f"The database {store.engine.url.render_as_string(hide_password=True)} is not empty.", hint=CLEAR
        )
    if settings.artifacts_dir.exists() and any(settings.artifacts_dir.iterdir()):
        raise SettingsError(f"{settings.artifacts_dir} is not empty.", hint=CLEAR)


def _write(
    source: Path,
    settings: Settings,
    store: Store,
    plugins: Mapping[str, PluginTables],
    progress: Callable[[str, int, int], None],
) -> None:
    created = [folder for folder in (settings.home, settings.artifacts_dir) if not folder.exists()]
    database = Path(str(store.engine.url.database)) if store.is_sqlite else None
    settings.home.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    try:
        for name, target in ((HOME, settings.home), (ARTIFACTS, settings.artifacts_dir)):
            _copy(name, source / name, target, progress)
        size = sum(file.stat().st_size for file in (source / DATABASE).iterdir())
        progress("database", 0, size)
        if database is None:
            load_postgresql(store, source / DATABASE, plugins)
        else:
            database.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / DATABASE / SQLITE_FILE, database)
            database.chmod(PRIVATE_FILE)
        progress("database", size, size)
        artifacts.write_atomically(settings.home / CONFIG_NAME, (source / CONFIG_NAME).read_text(encoding="utf-8"))
        (settings.home / CONFIG_NAME).chmod(PRIVATE_FILE)
    except BaseException:
        for folder in (settings.home, settings.artifacts_dir):
            _empty(folder, itself=folder in created)
        if database is not None:
            database.unlink(missing_ok=True)
        raise


def _copy(name: str, source: Path, target: Path, progress: Callable[[str, int, int], None]) -> None:
    files = list(files_below(source))
    total, done = sum(file.source.stat().st_size for file in files), 0

    def advance(size: int) -> None:
        nonlocal done
        done += size
        progress(name, done, total)

    copy_all(files, target, advance)


def _empty(folder: Path, *, itself: bool) -> None:
    for path in folder.iterdir() if folder.exists() else ():
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    if itself and folder.exists():
        folder.rmdir()
