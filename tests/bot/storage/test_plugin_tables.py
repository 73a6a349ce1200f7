"""Plugins bring tables: a made-up one, with a second revision to come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import bot
from bot.domain.errors import SettingsError
from bot.storage.migrate import PluginTables, check, upgrade
from bot.storage.session import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bot.testing.homes import MakeHome

FIRST = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0001", None, None, None


def upgrade():
    op.create_table("ticket_status_watchers", sa.Column("person", sa.String(64), primary_key=True))
"""
SECOND = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0002", "0001", None, None


def upgrade():
    with op.batch_alter_table("ticket_status_watchers") as table:
        table.add_column(sa.Column("ticket", sa.String(64), nullable=False, server_default="none"))
"""


class Table(DeclarativeBase):
    type_annotation_map = bot.COLUMN_TYPES


class Watcher(Table):
    __tablename__ = "ticket_status_watchers"
    person: Mapped[str] = mapped_column(primary_key=True)


@pytest.fixture
def tables(tmp_path: Path) -> dict[str, PluginTables]:
    folder = tmp_path / "100% migrations"
    folder.mkdir()
    (folder / "0001_watchers.py").write_text(FIRST)
    return {"ticket-status": PluginTables(Table.metadata, folder)}


@pytest.fixture
def empty(database_url: str) -> Iterator[Store]:
    store = Store(database_url)
    yield store
    store.close()


def test_a_plugins_tables_are_made_beside_the_cores(empty: Store, tables: dict[str, PluginTables]) -> None:
    upgrade(empty)
    with pytest.raises(SettingsError, match=r"plugin 'ticket-status' has schema none.*mentee db upgrade"):
        check(empty, tables)
    upgrade(empty, tables)
    check(empty, tables)
    found = set(inspect(empty.engine).get_table_names())
    assert {"ticket_status_watchers", "alembic_version_ticket_status", "people", "alembic_version"} <= found


def test_a_later_revision_keeps_the_data_and_leaves_the_core_alone(
    empty: Store, tables: dict[str, PluginTables]
) -> None:
    upgrade(empty, tables)
    with empty.write() as session:
        session.add(Watcher(person="ada"))
    (tables["ticket-status"].migrations / "0002_tickets.py").write_text(SECOND)
    check(empty)
    with pytest.raises(SettingsError, match=r"'ticket-status' has schema 0001; this version expects 0002"):
        check(empty, tables)
    upgrade(empty, tables)
    with empty.read() as session:
        assert session.execute(text("SELECT person, ticket FROM ticket_status_watchers")).all() == [("ada", "none")]


def test_tables_of_a_newer_version_of_the_plugin_are_refused(empty: Store, tables: dict[str, PluginTables]) -> None:
    upgrade(empty, tables)
    with empty.write() as session:
        session.execute(text("UPDATE alembic_version_ticket_status SET version_num = '9999'"))
    with pytest.raises(SettingsError, match=r"'ticket-status' has schema 9999.*a newer version of Mentee wrote"):
        upgrade(empty, tables)


def test_a_table_must_bear_the_plugins_name(empty: Store, tables: dict[str, PluginTables]) -> None:
    with pytest.raises(SettingsError, match="'ticket_status_watchers'; its name must begin with other_"):
        upgrade(empty, {"other": tables["ticket-status"]})


BROKEN = {
    "none": ({}, "has no database migrations in"),
    "unreadable": ({"0001_a.py": "1 / 0"}, "can't be read: ZeroDivisionError"),
    "raising": ({"0001_a.py": FIRST.replace('"ticket_status_watchers"', "1 / 0")}, "failed: ZeroDivisionError"),
    "a table that is there": ({"0001_a.py": FIRST.replace("ticket_status_watchers", "people")}, "failed: .*people"),
    "two heads": ({"0001_a.py": FIRST, "0002_b.py": FIRST.replace("0001", "0002")}, "can't be read: .*[Hh]eads"),
}


@pytest.mark.parametrize(("files", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_migrations_that_do_not_work_are_named_and_leave_the_rest_alone(
    empty: Store, tmp_path: Path, files: dict[str, str], said: str
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    for name, text_of_it in files.items():
        (folder / name).write_text(text_of_it)
    with pytest.raises(SettingsError, match=f"plugin 'ticket-status'.*{said}"):
        upgrade(empty, {"ticket-status": PluginTables(Table.metadata, folder)})
    check(empty)


def test_a_package_brings_a_section_a_table_and_an_event(
    make_home: MakeHome, tables: dict[str, PluginTables], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tickets(bot.SettingsSection):
        url: str = ""

    heard: list[object] = []

    class Plugin:
        @staticmethod
        @bot.hookimpl
        def register_section() -> type[Tickets]:
            return Tickets

        @staticmethod
        @bot.hookimpl
        def register_tables() -> PluginTables:
            return tables["ticket-status"]

        @staticmethod
        @bot.hookimpl
        def on_event(event: object) -> None:
            heard.append(event)

    monkeypatch.setenv("MENTEE_TICKET_STATUS__URL", "https://tickets.example.com")
    mentee = make_home(built_in=(), extra_plugins={"ticket-status": Plugin})
    assert mentee.plugins.register_section() == {"ticket_status": Tickets}
    assert bot.read_section(mentee.settings, "ticket_status", Tickets).url == "https://tickets.example.com"
    with mentee.store.write() as session:
        session.add(Watcher(person="ada"))
    closed = SimpleNamespace(ticket=7)
    mentee.publish(closed)
    assert heard == [closed]


def test_tables_are_known_though_their_plugin_is_switched_off(
    make_home: MakeHome, tables: dict[str, PluginTables]
) -> None:
    plugin = SimpleNamespace(register_tables=bot.hookimpl(lambda: tables["ticket-status"]))
    mentee = make_home(built_in=(), extra_plugins={"ticket-status": plugin})
    mentee.plugins.states.switch("ticket-status", "", enabled=False, actor="test")
    assert mentee.plugins.register_tables() == tables
