from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from bot.errors import SettingsError
from bot.store import Store
from bot.store.migrate import check, upgrade
from bot.store.models import AuditRow, Base


def test_upgrade_makes_every_table_of_the_models(store):
    assert set(Base.metadata.tables) <= set(inspect(store.engine).get_table_names())


def test_the_migrations_and_the_models_agree(store):
    with store.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_migrations_keep_the_rules_of_the_models(store):
    checks, uniques = set(), set()
    for table in Base.metadata.tables:
        checks |= {found["name"] for found in inspect(store.engine).get_check_constraints(table)}
        uniques |= {found["name"] for found in inspect(store.engine).get_indexes(table) if found["unique"]}
    assert {"inbox_state", "votes_value", "rounds_verdict", "champions_action"} <= checks
    assert {"generations_one_active", "rounds_one_under_way"} <= uniques


def test_a_second_upgrade_changes_nothing_and_keeps_the_data(store):
    with store.write() as session:
        session.add(AuditRow(actor="ada", action="test", subject="x", detail={"kept": True}))
    upgrade(store)
    check(store)
    with store.read() as session:
        assert session.query(AuditRow).one().detail == {"kept": True}


def test_an_empty_database_is_refused_with_the_command_to_run(database_url):
    store = Store(database_url)
    with pytest.raises(SettingsError, match=r"schema none.*mentee db upgrade"):
        check(store)
    store.close()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(store):
    with store.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for action in (check, upgrade):
        with pytest.raises(SettingsError, match=r"schema 9999.*a newer one wrote it"):
            action(store)


def test_an_unreachable_database_is_named_without_its_password():
    store = Store("postgresql://mentee:hunter2@127.0.0.1:1/none")
    with pytest.raises(SettingsError, match="cannot be used") as caught:
        check(store)
    assert "hunter2" not in str(caught.value)


def test_replicas_that_start_together_upgrade_once(database_url):
    stores = [Store(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, stores))
    check(stores[0])
    for store in stores:
        store.close()
