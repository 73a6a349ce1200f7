"""Connections to the database, with the settings that make SQLite safe with several writers.

SQLite's defaults lose updates silently, so every connection gets WAL, ``synchronous=FULL``, foreign keys and a busy
timeout, and every writing transaction begins with ``BEGIN IMMEDIATE`` (a deferred one fails with SQLITE_BUSY_SNAPSHOT).
SQLite waits by polling, up to 0.1 s apart, which starves writers under load; so the writers of one process take turns.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from bot.config.extras import require
from bot.domain.errors import BusyError, NotWritableError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
BUSY_MS = 30_000
HIDE_PARAMETERS = True
"""Error texts are logged, and the parameters of a statement may hold what people wrote."""

RETRY_SECONDS = 10.0
"""When to try again to store something, if the disk didn't take it."""

SQLITE_PROBLEMS = {
    sqlite3.SQLITE_FULL: "its disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_IOERR: "its disk fails",
}
POSTGRES_PROBLEMS = {"53100": "its disk is full", "25006": "it is read-only", "58030": "its disk fails"}
"""By SQLSTATE."""

_turns: dict[str, threading.RLock] = {}
"""By SQLite file: held by the thread of this process that writes to it."""


class Store:
    """The database of one instance. Sessions are synchronous; async code goes through :meth:`run`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _create_engine(url)
        self._read = sessionmaker(self.engine, expire_on_commit=False)
        self._write = sessionmaker(self.engine.execution_options(writes=True), expire_on_commit=False)
        self._closed = False
        self._refused = False
        event.listen(self.engine, "checkin", self._close_late)
        self._turn_lock = _turns.setdefault(str(self.engine.url.database), threading.RLock())

    @property
    def is_sqlite(self) -> bool:
        """Return whether this is SQLite (no SKIP LOCKED there: one writer at a time anyway)."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a session for reading; nothing is committed."""
        with self._read() as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a session whose transaction commits at the end of the block, or rolls back if it raises.

        :raises BusyError: others kept writing for too long.
        :raises NotWritableError: the database can't be written; nothing is.
        """
        try:
            with self._turn(), self._write.begin() as session:
                yield session
        except DBAPIError as error:
            problem = _problem(error)
            if not problem:
                raise
            self._refused = True
            raise NotWritableError(
                f"The database can't be written: {problem}.",
                retry_after=RETRY_SECONDS,
                hint="Ask an operator to free space or to make it writable, then try again.",
            ) from error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        if not self._turn_lock.acquire(timeout=BUSY_MS / 1000):
            raise BusyError("The database is busy with other writes.", retry_after=1)
        try:
            yield
        finally:
            self._turn_lock.release()

    async def run(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run blocking store work in a worker thread."""
        return await asyncio.to_thread(work, *args, **kwargs)

    def writable(self) -> bool:
        """Return whether a writing transaction can begin now and, after one was refused, whether it is stored again."""
        try:
            with self.write() as session:
                session.connection()
                if self._refused:
                    self._write_something(session)
        except (OperationalError, BusyError):
            return False
        self._refused = False
        return True

    def _write_something(self, session: Session) -> None:
        """Change nothing, but in a way that needs the disk: a full one still lets an empty transaction commit."""
        if self.is_sqlite:
            version = session.execute(text("PRAGMA user_version")).scalar_one()
            session.execute(text(f"PRAGMA user_version = {version:d}"))
        else:
            session.execute(select(func.txid_current()))

    def close(self) -> None:
        """Close every pooled connection; one that a thread still uses is closed when it is handed back."""
        self._closed = True
        self.engine.dispose()

    def _close_late(self, connection: Any, _record: object) -> None:
        if self._closed and connection is not None:
            connection.close()


def _problem(error: DBAPIError) -> str:
    """Return what keeps the database from being written, or an empty text for another error."""
    if isinstance(error.orig, sqlite3.Error):
        return SQLITE_PROBLEMS.get(getattr(error.orig, "sqlite_errorcode", 0) & 0xFF, "")
    return POSTGRES_PROBLEMS.get(getattr(error.orig, "sqlstate", None) or "", "")


def take_turns(session: Session, name: str) -> None:
    """Wait until no other writing transaction of this name is open; it stays this one's turn until its end.

    For what no row can be locked for. SQLite's writing transactions follow one another anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(zlib.crc32(name.encode()))))


def _create_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError(
            "Setting 'store.url' is not a database address.", hint="Use sqlite:///PATH or postgresql://USER@HOST/NAME."
        ) from None
    if parsed.get_backend_name() == "postgresql":
        require("postgres", "The driver of PostgreSQL", instead="or set store.url to sqlite:///PATH")
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=HIDE_PARAMETERS
        )
        event.listen(engine, "connect", _check_encoding, insert=True)  # before SQLAlchemy reads what it can't decode
        return engine
    engine = create_engine(parsed, hide_parameters=HIDE_PARAMETERS)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _check_encoding(connection: Any, _record: object) -> None:
    found = connection.info.parameter_status("server_encoding")
    if found != "UTF8":
        name = connection.info.dbname
        raise SettingsError(
            f"The database {name!r} stores text in the encoding {found}. Expected UTF8.",
            hint=f"Create it anew with `createdb --encoding UTF8 --template template0 {name}`.",
        )


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver must not open transactions by itself: _begin_sqlite does
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
