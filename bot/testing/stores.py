"""Databases for tests: the ``store`` fixture runs a test on SQLite and on PostgreSQL, each time on a new database.

Homes (``make_home``) use SQLite, or PostgreSQL with ``pytest --home-store=postgresql``.

``MENTEE_TEST_POSTGRES`` is the server's SQLAlchemy URL; its user must be allowed to create databases. If it isn't set,
the server on this machine is used, and tests on PostgreSQL are skipped if there is none.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from bot.hooks import specs
from bot.hooks.host import PluginHost
from bot.hooks.state import PluginStates
from bot.storage.migrate import upgrade
from bot.storage.session import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Engine

    from bot.storage.migrate import PluginTables

POSTGRES_VARIABLE = "MENTEE_TEST_POSTGRES"
POSTGRES_HERE = "postgresql://postgres@127.0.0.1:5432/postgres"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database, once of each kind; dropped after the test."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
    else:
        with postgres_database() as url:
            yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store with all tables, once on each kind of database."""
    template = request.getfixturevalue(f"{request.param}_template")
    if request.param == "sqlite":
        with _opened(f"sqlite:///{shutil.copy(template, tmp_path / 'store.db')}") as opened:
            yield opened
    else:
        with postgres_database(template=template) as url, _opened(url) as opened:
            yield opened


@pytest.fixture
def make_database(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], str]]:
    """Return a function that makes a database with all tables for a home and returns its URL.

    By default it is an SQLite file in the home; with ``pytest --home-store=postgresql``, a database on the server.
    """
    kind = request.config.getoption("--home-store")
    template = request.getfixturevalue(f"{kind}_template")
    with ExitStack() as databases:

        def make(home: Path) -> str:
            if kind == "sqlite":
                return f"sqlite:///{shutil.copy(template, home / 'mentee.db')}"
            return databases.enter_context(postgres_database(template))

        yield make


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables, to copy: faster than migrating for each test."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    with _opened(f"sqlite:///{path}") as opened:
        upgrade(opened, _tables(opened))
    return path


@pytest.fixture(scope="session")
def postgresql_template() -> Iterator[str]:
    """The name of a PostgreSQL database with all tables, to copy."""
    with postgres_database() as url:
        with _opened(url) as opened:
            upgrade(opened, _tables(opened))
        yield str(make_url(url).database)


@contextmanager
def postgres_database(template: str = "", encoding: str = "UTF8") -> Iterator[str]:
    """Create a PostgreSQL database, empty or as a copy of the template, yield its URL, and drop it."""
    server = make_url(os.environ.get(POSTGRES_VARIABLE) or POSTGRES_HERE).set(drivername="postgresql+psycopg")
    engine = create_engine(
        server,
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,
        connect_args={"connect_timeout": 5, "client_encoding": "utf8"},
    )
    name = f"mentee_test_{uuid4().hex}"
    empty = f"TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    _create(engine, name, f'TEMPLATE "{template}"' if template else empty)
    try:
        yield server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        engine.dispose()


def _tables(store: Store) -> Mapping[str, PluginTables]:
    """Return the tables of built-in plugins."""
    plugins = PluginHost(PluginStates(store), specs, discover=False)
    try:
        return plugins.register_tables()
    finally:
        plugins.close()


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    opened = Store(url)
    try:
        yield opened
    finally:
        opened.close()


def _create(engine: Engine, name: str, options: str) -> None:
    try:
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" {options}'))
    except OperationalError as error:
        engine.dispose()
        if os.environ.get(POSTGRES_VARIABLE):
            raise
        pytest.skip(f"no PostgreSQL on this machine ({error.orig}); set {POSTGRES_VARIABLE} to name one")
