from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from bot.domain.errors import SettingsError
from bot.storage.migrate import _VERSIONS, check, revise, upgrade
from bot.storage.session import Store
from bot.storage.tables.access import AuditRow
from bot.storage.tables.base import Base

if TYPE_CHECKING:
    from pathlib import Path


def test_upgrade_makes_every_table_of_the_models(store: Store) -> None:
    assert set(Base.metadata.tables) <= set(inspect(store.engine).get_table_names())


def test_the_migrations_and_the_models_agree(store: Store) -> None:
    with store.engine.connect() as connection:
        options = {"compare_type": True, "include_name": _is_the_cores}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_a_new_revision_holds_what_has_changed(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/empty.db")
    upgrade(store)
    versions = shutil.copytree(_VERSIONS, tmp_path / "versions")
    revise(store, "add nothing", versions)
    store.close()
    [written] = versions.glob("*_add_nothing.py")
    assert "op." not in written.read_text().partition("def upgrade")[2]


def _is_the_cores(name: str, kind: str, _parents: Any) -> bool:
    return kind != "table" or name in Base.metadata.tables


def test_the_migrations_keep_the_rules_of_the_models(store: Store) -> None:
    checks, uniques = set(), set()
    for table in Base.metadata.tables:
        checks |= {found["name"] for found in inspect(store.engine).get_check_constraints(table)}
        uniques |= {found["name"] for found in inspect(store.engine).get_indexes(table) if found["unique"]}
    assert {"inbox_state", "votes_value", "rounds_verdict", "champions_action"} <= checks
    assert {"snapshots_one_active", "rounds_one_under_way"} <= uniques


def test_a_second_upgrade_changes_nothing_and_keeps_the_data(store: Store) -> None:
    with store.write() as session:
        session.add(AuditRow(actor="ada", action="test", subject="x", detail={"kept": True}))
    upgrade(store)
    check(store)
    with store.read() as session:
        assert session.query(AuditRow).one().detail == {"kept": True}


def test_an_empty_database_is_refused_with_the_command_to_run(database_url: str) -> None:
    store = Store(database_url)
    with pytest.raises(SettingsError, match=r"schema none.*mentee db upgrade"):
        check(store)
    store.close()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(store: Store) -> None:
    with store.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for action in (check, upgrade):
        with pytest.raises(SettingsError, match=r"schema 9999.*a newer version of Mentee wrote"):
            action(store)


def test_an_unreachable_database_is_named_without_its_password() -> None:
    store = Store("postgresql://mentee:hunter2@127.0.0.1:1/none")
    with pytest.raises(SettingsError, match="Can't use the database") as caught:
        check(store)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_cannot_be_opened_is_not_to_be_started(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'missing' / 'store.db'}")
    with pytest.raises(SettingsError, match="unable to open database file") as caught:
        check(store)
    assert "mounted read-only" in caught.value.hint


def test_replicas_that_start_together_upgrade_once(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, stores))
    check(stores[0])
    for store in stores:
        store.close()
