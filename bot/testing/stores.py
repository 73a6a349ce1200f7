"""Databases for tests: the ``store`` fixture runs a test on SQLite and on PostgreSQL, each time on its own database.

Homes (``make_home``) are on SQLite, or with ``pytest --home-store=postgresql`` on PostgreSQL.

``MENTEE_TEST_POSTGRES`` names the server (a SQLAlchemy URL whose user may create databases). Unset, the server on this
machine is tried and the PostgreSQL half is skipped where there is none; set, a missing server is a failure.
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

from bot.store import Store
from bot.store.migrate import upgrade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Engine

POSTGRES_VARIABLE = "MENTEE_TEST_POSTGRES"
POSTGRES_HERE = "postgresql://postgres@127.0.0.1:5432/postgres"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database, once on each kind; dropped after the test."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
    else:
        with postgres_database() as url:
            yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A store with every table, once on each kind of database."""
    template = request.getfixturevalue(f"{request.param}_template")
    if request.param == "sqlite":
        with _opened(f"sqlite:///{shutil.copy(template, tmp_path / 'store.db')}") as opened:
            yield opened
    else:
        with postgres_database(template=template) as url, _opened(url) as opened:
            yield opened


@pytest.fixture
def make_database(request: pytest.FixtureRequest) -> Iterator[Callable[[Path], str]]:
    """Return a function that makes a database with every table for a home and returns its URL.

    It is SQLite in the home's folder, or with ``pytest --home-store=postgresql`` a database on the server.
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
    """A SQLite file with every table, to be copied: migrating once is quicker than migrating for each test."""
    path = tmp_path_factory.mktemp("template") / "store.db"
    with _opened(f"sqlite:///{path}") as opened:
        upgrade(opened)
    return path


@pytest.fixture(scope="session")
def postgresql_template() -> Iterator[str]:
    """The name of a PostgreSQL database with every table, to be copied."""
    with postgres_database() as url:
        with _opened(url) as opened:
            upgrade(opened)
        yield str(make_url(url).database)


@contextmanager
def postgres_database(template: str = "template1") -> Iterator[str]:
    """Create a PostgreSQL database as a copy of the template, yield its URL, and drop it."""
    server = make_url(os.environ.get(POSTGRES_VARIABLE) or POSTGRES_HERE).set(drivername="postgresql+psycopg")
    engine = create_engine(server, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
    name = f"mentee_test_{uuid4().hex}"
    _create(engine, name, template)
    try:
        yield server.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        engine.dispose()


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    opened = Store(url)
    try:
        yield opened
    finally:
        opened.close()


def _create(engine: Engine, name: str, template: str) -> None:
    try:
        with engine.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'))
    except OperationalError as error:
        engine.dispose()
        if os.environ.get(POSTGRES_VARIABLE):
            raise
        pytest.skip(f"no PostgreSQL on this machine ({error.orig}); set {POSTGRES_VARIABLE} to name one")
