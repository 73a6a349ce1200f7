"""The database schema: upgraded by ``mentee db upgrade`` and ``mentee init``, checked at every start.

The core and each plugin with tables have Alembic migrations and a version table of their own, so that a plugin can be
added or removed at any time. One set of migrations serves SQLite and PostgreSQL.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import OperationalError

from bot.domain.errors import SettingsError
from bot.storage.tables.base import Base

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection, MetaData

    from bot.storage.session import Store

_FOLDER = Path(__file__).parent / "migrations"
_VERSIONS = _FOLDER / "versions"
VERSION_TABLE = "alembic_version"
_LOCK = 0x6D656E746565  # "mentee": replicas that start together upgrade one after the other


@dataclass(frozen=True, slots=True)
class PluginTables:
    """The tables that a plugin brings.

    :param metadata: the tables; the name of each begins with the plugin's, as in ``slack_installations``.
    :param migrations: the folder of the Alembic revisions that create and change them.
    """

    metadata: MetaData
    migrations: Path


@dataclass(frozen=True, slots=True)
class _Schema:
    """The tables of one owner, and where their version is kept."""

    owner: str
    metadata: MetaData
    migrations: Path
    version_table: str

    def revisions(self) -> tuple[str | None, frozenset[str]]:
        """Return the newest revision, and all of them."""
        files = frozenset((path, path.stat().st_mtime_ns) for path in self.migrations.glob("*.py"))
        return _revisions(self.migrations, files)

    def newest(self) -> str:
        """Return the newest revision.

        :raises SettingsError: there is none, or the revisions can't be read.
        """
        try:
            newest, _ = self.revisions()
        except Exception as error:
            raise self._unusable("can't be read", error) from error
        if newest is None:
            raise SettingsError(
                f"{self.owner} has no database migrations in {self.migrations}.",
                hint="Correct PluginTables.migrations, or uninstall the plugin.",
            )
        return newest

    def migrate(self, connection: Connection) -> None:
        """Run the revisions that the database doesn't have yet.

        :raises SettingsError: one of a plugin's failed.
        """
        try:
            command.upgrade(self.config(connection), "head")
        except Exception as error:
            if self.is_core:
                raise
            raise self._unusable("failed", error) from error

    def _unusable(self, how: str, error: Exception) -> SettingsError:
        return SettingsError(
            f"{self.owner}: its database migrations {how}: {type(error).__name__}: {getattr(error, 'orig', error)}.",
            hint=f"Correct them in {self.migrations}, or uninstall the plugin.",
        )

    @property
    def is_core(self) -> bool:
        return self.version_table == VERSION_TABLE

    def config(self, connection: Connection | None = None) -> Config:
        made = _config(self.migrations)
        made.attributes |= {"connection": connection, "metadata": self.metadata, "version_table": self.version_table}
        return made

    def revision(self, connection: Connection) -> str | None:
        """Return the revision that the database has.

        :raises SettingsError: it is none of ours.
        """
        options = {"version_table": self.version_table}
        found = MigrationContext.configure(connection, opts=options).get_current_revision()
        if found is not None and found not in self.revisions()[1]:
            raise SettingsError(
                f"{self.owner} has schema {found}, which a newer version of Mentee wrote.",
                hint="Install that version, or restore the backup made before the upgrade.",
            )
        return found


def upgrade(store: Store, plugins: Mapping[str, PluginTables] | None = None) -> None:
    """Bring the database to the newest schema. Replicas that start together wait for each other.

    The core's tables and those of each plugin are upgraded in a transaction of their own.

    :param plugins: the tables that plugins bring, by the plugin's name.
    :raises SettingsError: the database was written by a newer Mentee, or cannot be reached.
    """
    for schema in _schemas(plugins):
        try:
            with store.engine.execution_options(writes=True).begin() as connection:
                if not store.is_sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                newest = schema.newest()
                if schema.revision(connection) != newest:
                    schema.migrate(connection)
        except OperationalError as error:
            raise _unreachable(store, error) from error


def check(store: Store, plugins: Mapping[str, PluginTables] | None = None) -> None:
    """Make sure that the database has the newest schema.

    :param plugins: the tables that plugins bring, by the plugin's name.
    :raises SettingsError: it is behind, was written by a newer Mentee, or cannot be reached; the text says what to do.
    """
    try:
        with store.engine.connect() as connection:
            for schema in _schemas(plugins):
                newest, revision = schema.newest(), schema.revision(connection)
                if revision != newest:
                    raise SettingsError(
                        f"{schema.owner} has schema {revision or 'none'}; this version expects {newest}.",
                        hint="Run `mentee db upgrade`.",
                    )
    except OperationalError as error:
        raise _unreachable(store, error) from error


def newest(plugins: Mapping[str, PluginTables] | None = None) -> dict[str, str]:
    """Return the schema that this version of Mentee and its plugins expect, by the table that keeps the version."""
    return {schema.version_table: schema.newest() for schema in _schemas(plugins)}


def found(connection: Connection) -> dict[str, str]:
    """Return the schema that a database has, likewise; also of plugins that are no longer installed."""
    tables = [name for name in inspect(connection).get_table_names() if name.startswith(VERSION_TABLE)]
    return {name: str(connection.scalar(text(f'SELECT version_num FROM "{name}"'))) for name in sorted(tables)}  # noqa: S608 - the database's own names


def revise(store: Store, message: str, versions: Path = _VERSIONS) -> None:
    """Write the core's next revision: what its tables have changed since the schema of this database.

    :param versions: the folder of the core's revisions.
    """
    number = f"{len(list(versions.glob('[0-9]*.py'))) + 1:04d}"
    with store.engine.execution_options(writes=True).begin() as connection:
        config = _core(versions).config(connection)
        command.revision(config, message, autogenerate=True, rev_id=number)


@lru_cache
def _revisions(migrations: Path, _files: frozenset[tuple[Path, int]]) -> tuple[str | None, frozenset[str]]:
    """Read the revisions in a folder. Alembic compiles them each time, so the result is kept until a file changes."""
    scripts = ScriptDirectory.from_config(_config(migrations))
    return scripts.get_current_head(), frozenset(script.revision for script in scripts.walk_revisions())


def _config(migrations: Path) -> Config:
    made = Config()
    made.set_main_option("script_location", _escaped(_FOLDER))
    made.set_main_option("path_separator", "newline")
    made.set_main_option("version_locations", _escaped(migrations))
    return made


def _core(versions: Path = _VERSIONS) -> _Schema:
    return _Schema("The database", Base.metadata, versions, VERSION_TABLE)


def _schemas(plugins: Mapping[str, PluginTables] | None) -> Iterator[_Schema]:
    yield _core()
    for name, brought in (plugins or {}).items():
        prefix = name.replace("-", "_")
        strangers = [table for table in brought.metadata.tables if not table.startswith(f"{prefix}_")]
        if strangers:
            raise SettingsError(
                f"The plugin {name!r} brings a table {strangers[0]!r}; its name must begin with {prefix}_.",
                hint="Rename the table, or remove the plugin.",
            )
        yield _Schema(f"The plugin {name!r}", brought.metadata, brought.migrations, f"{VERSION_TABLE}_{prefix}")


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")  # else the configuration's own interpolation


def _unreachable(store: Store, error: OperationalError) -> SettingsError:
    shown = store.engine.url.render_as_string(hide_password=True)
    hint = "Start it, or correct store.url."
    if store.is_sqlite:
        hint = "Its folder must exist, belong to this user and not be mounted read-only: even reading writes there."
    return SettingsError(f"Can't use the database {shown}: {error.orig}.", hint=hint)
