"""Consistent copies of the database while others write to it, and back.

SQLite is copied by its backup API into one file. PostgreSQL is read in one snapshot transaction, each table by ``COPY``
into a file of its own, so neither needs a tool beside Mentee and neither makes a writer wait.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, MetaData, create_engine, func, inspect, select, text

from bot.domain.errors import ArtifactError
from bot.storage import migrate
from bot.storage.tables.documents import SnapshotRow
from bot.storage.tables.training import ChampionRow, RoundRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bot.storage.migrate import PluginTables
    from bot.storage.session import Store

SQLITE_FILE = "database.db"
TABLE_SUFFIX = ".copy"


@dataclass(frozen=True, slots=True)
class Dump:
    """What a copy of the database holds.

    :param schema: its version, by the table that keeps it.
    :param needs: the artifacts that it can't do without, as their kind and their path below the artifacts.
    """

    kind: str
    schema: Mapping[str, str]
    needs: tuple[tuple[str, str], ...]


def dump(store: Store, folder: Path) -> Dump:
    """Write a consistent copy of the database into an empty folder.

    :raises ArtifactError: the database is damaged.
    """
    if store.is_sqlite:
        _copy_sqlite(Path(str(store.engine.url.database)), folder / SQLITE_FILE)
        engine = create_engine(f"sqlite:///{folder / SQLITE_FILE}")  # not a Store: the copy stays one file
        try:
            with engine.connect() as connection:
                return _described(connection)
        finally:
            engine.dispose()
    with store.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection, connection.begin():
        for table in inspect(connection).get_table_names():
            _copy_out(connection, table, folder / f"{table}{TABLE_SUFFIX}")
        return _described(connection)


def load_postgresql(store: Store, folder: Path, plugins: Mapping[str, PluginTables]) -> None:
    """Fill an empty PostgreSQL database from a dump of the same schema."""
    migrate.upgrade(store, plugins)
    metadata = MetaData()
    with store.engine.begin() as connection:
        metadata.reflect(connection)
        for table in metadata.sorted_tables:  # a row comes after those that it refers to
            path = folder / f"{table.name}{TABLE_SUFFIX}"
            if path.exists() and not table.name.startswith(migrate.VERSION_TABLE):
                _copy_in(connection, table.name, path)
        for table in metadata.sorted_tables:
            _count_on(connection, table.name)


def is_empty(store: Store) -> bool:
    """Return whether a PostgreSQL database has no tables."""
    with store.engine.connect() as connection:
        return not inspect(connection).get_table_names()


def _copy_sqlite(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        (problem,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if problem != "ok":
        raise ArtifactError(f"The database is damaged: {problem}.", hint="Restore an earlier backup.")


def _copy_out(connection: Connection, table: str, path: Path) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    columns = ", ".join(f'"{each["name"]}"' for each in inspect(connection).get_columns(table))
    command = f'COPY "{table}" ({columns}) TO STDOUT'
    with path.open("wb") as file, driver.cursor() as cursor, cursor.copy(command) as rows:
        file.write(f"{columns}\n".encode())
        for row in rows:
            file.write(row)


def _copy_in(connection: Connection, table: str, path: Path) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None
    with path.open("rb") as file:
        columns = file.readline().decode().strip()
        with driver.cursor() as cursor, cursor.copy(f'COPY "{table}" ({columns}) FROM STDIN') as rows:
            while chunk := file.read(1 << 20):
                rows.write(chunk)


def _count_on(connection: Connection, table: str) -> None:
    """Let the numbers that PostgreSQL gives go on after those that are there."""
    for column in inspect(connection).get_columns(table):
        sequence = connection.scalar(
            text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": f'"{table}"', "column": column["name"]}
        )
        if sequence:
            last = connection.scalar(text(f'SELECT max("{column["name"]}") FROM "{table}"'))  # noqa: S608 - our own names
            connection.execute(
                text("SELECT setval(:s, :last, :used)"), {"s": sequence, "last": last or 1, "used": last is not None}
            )


def _described(connection: Connection) -> Dump:
    return Dump(connection.dialect.name, migrate.found(connection), tuple(_needs(connection)))


def _needs(connection: Connection) -> Iterator[tuple[str, str]]:
    """Yield what is served now, and what rounds under way work on."""
    for department, name in connection.execute(
        select(SnapshotRow.department, SnapshotRow.id).where(SnapshotRow.active)
    ):
        yield "index", f"indexes/{department}/{name}"
    newest = select(func.max(ChampionRow.id)).group_by(ChampionRow.department)
    for adapter in connection.scalars(select(ChampionRow.adapter).where(ChampionRow.id.in_(newest))):
        if adapter is not None:
            yield "adapter", f"adapters/{adapter}"
    under_way = select(RoundRow.dataset).where(RoundRow.state.in_(("queued", "running")), RoundRow.dataset.is_not(None))
    for dataset in connection.scalars(under_way):
        yield "dataset", f"datasets/{dataset}"
