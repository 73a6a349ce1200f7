"""The database's schema: brought up to date by ``mentee db upgrade`` and ``mentee init``, checked at every start.

The migrations are Alembic's, shipped inside the package, one set for SQLite and PostgreSQL.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from bot.errors import SettingsError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bot.store.engine import Store

_LOCK = 0x6D656E746565  # "mentee": replicas that start together upgrade one after the other


def upgrade(store: Store) -> None:
    """Bring the database to the newest schema, in one transaction; replicas that start together wait for each other.

    :raises SettingsError: the database was written by a newer Mentee, or cannot be reached.
    """
    try:
        with store.engine.execution_options(writes=True).begin() as connection:
            if not store.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            _require_known(connection)
            command.upgrade(config(connection), "head")
    except OperationalError as error:
        raise _unreachable(store, error) from error


def check(store: Store) -> None:
    """Make sure that the database has the newest schema.

    :raises SettingsError: it is behind, was written by a newer Mentee, or cannot be reached; the text says what to do.
    """
    try:
        with store.engine.connect() as connection:
            revision = _require_known(connection)
    except OperationalError as error:
        raise _unreachable(store, error) from error
    newest = _scripts().get_current_head()
    if revision != newest:
        raise SettingsError(
            f"The database has schema {revision or 'none'}, this Mentee expects {newest}.",
            hint="Run `mentee db upgrade`.",
        )


def config(connection: Connection | None = None) -> Config:
    """Return Alembic's configuration, for the open connection if one is given."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.attributes["connection"] = connection
    return made


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(config())


def _require_known(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is not None and revision not in {script.revision for script in _scripts().walk_revisions()}:
        raise SettingsError(
            f"The database has schema {revision}, which this Mentee does not know: a newer one wrote it.",
            hint="Install that version, or restore the backup made before the upgrade.",
        )
    return revision


def _unreachable(store: Store, error: OperationalError) -> SettingsError:
    shown = store.engine.url.render_as_string(hide_password=True)
    return SettingsError(f"The database {shown} cannot be used: {error.orig}.", hint="Start it, or correct store.url.")
