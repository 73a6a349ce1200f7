from __future__ import annotations

import asyncio
import multiprocessing
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from bot.domain.errors import BusyError, NotWritableError, SettingsError
from bot.domain.identifiers import now
from bot.storage import session
from bot.storage.session import Store
from bot.storage.tables.access import AuditRow, DepartmentRow, PersonRow, SessionRow
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.base import Base
from bot.storage.tables.documents import DocumentRow, SnapshotRow
from bot.storage.tables.feedback import VoteRow
from bot.storage.tables.training import RoundRow
from bot.testing.stores import postgres_database

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.orm import Session


WRITERS, WRITES = 8, 200


def _increment(url: str, times: int) -> None:
    store = Store(url)
    for _ in range(times):
        with store.write() as session:
            row = session.scalars(select(PersonRow).where(PersonRow.id == "counter").with_for_update()).one()
            row.name = str(int(row.name) + 1)
    store.close()


def _prepare_counter(store: Store) -> None:
    with store.write() as session:
        session.add(PersonRow(id="counter", name="0"))


def _count(store: Store) -> int:
    with store.read() as session:
        return int(session.get_one(PersonRow, "counter").name)


@pytest.mark.full
def test_no_update_is_lost_and_none_is_locked_out_between_threads(store: Store) -> None:
    _prepare_counter(store)
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(lambda _: _increment(store.url, WRITES), range(WRITERS)))
    assert _count(store) == WRITERS * WRITES


@pytest.mark.full
def test_no_update_is_lost_and_none_is_locked_out_between_processes(store: Store) -> None:
    _prepare_counter(store)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_increment, args=(store.url, WRITES // 4)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0, 0]
    assert _count(store) == WRITES


def test_sqlite_has_the_settings_that_make_it_safe(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    with store.read() as session:
        values = {
            name: session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    store.close()


def test_a_write_that_raises_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError, match="on purpose"), store.write() as session:
        session.add(AuditRow(actor="ada", action="test", subject="x"))
        session.flush()
        raise RuntimeError("on purpose")
    with store.read() as session:
        assert session.query(AuditRow).count() == 0


def test_a_read_keeps_nothing_that_was_added_in_it(store: Store) -> None:
    with store.read() as session:
        session.add(AuditRow(actor="ada", action="test", subject="x"))
        session.flush()
    with store.read() as session:
        assert session.query(AuditRow).count() == 0


def test_an_error_of_the_database_does_not_repeat_what_people_wrote(store: Store) -> None:
    with pytest.raises(IntegrityError) as caught, store.write() as session:
        session.add(QuestionRow(text="marker-of-a-question", person_id="p", department="none", channel="web"))
        session.add(AnswerRow(question_id="none", department="none", text="marker-of-an-answer"))
    assert "marker" not in str(caught.value)


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    _prepare_counter(store)
    with store.write() as session:
        session.get_one(PersonRow, "counter").name = "1"
        session.flush()
        assert _count(store) == 0  # one that waited would wait for ever: the writer is this thread


def test_a_second_writer_waits_for_the_first(store: Store) -> None:
    _prepare_counter(store)
    order = []

    def second() -> None:
        _increment(store.url, 1)
        order.append("second")

    with store.write() as session:
        row = session.scalars(select(PersonRow).where(PersonRow.id == "counter").with_for_update()).one()
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        row.name = "10"
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert _count(store) == 11


def test_times_come_back_in_utc(store: Store) -> None:
    elsewhere = datetime(2026, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=5)))
    with store.write() as session:
        session.add(AuditRow(id="au-1", actor="ada", action="test", subject="x", at=elsewhere))
    with store.read() as session:
        at = session.get_one(AuditRow, "au-1").at
    assert at == elsewhere
    assert at.tzinfo is UTC


def _answer(session: Session) -> None:
    session.add(QuestionRow(id="q-1", text="?", person_id="web:ada", department="it", channel="web"))
    session.flush()
    session.add(AnswerRow(id="a-1", question_id="q-1", department="it", text="!"))
    session.flush()


def _two_current_snapshots(session: Session) -> None:
    session.add(DepartmentRow(name="it", title="IT"))
    session.flush()
    session.add_all(SnapshotRow(id=f"g-{n}", department="it", embedder="e", active=True) for n in (1, 2))


def _vote_of_another_value(session: Session) -> None:
    _answer(session)
    session.add(VoteRow(answer_id="a-1", person_id="web:ada", role="employee", value="sideways"))


def _vote_without_an_answer(session: Session) -> None:
    session.add(VoteRow(answer_id="a-0", person_id="web:ada", role="employee", value="up"))


BROKEN_RULES = {
    "two rounds under way": lambda session: session.add_all(
        [RoundRow(department="it", state="queued"), RoundRow(department="it", state="running")]
    ),
    "two current snapshots": _two_current_snapshots,
    "an unknown vote": _vote_of_another_value,
    "a vote without an answer": _vote_without_an_answer,
    "an unknown role": lambda session: session.add(PersonRow(id="web:ada", role="king")),
    "a document of no department": lambda session: session.add(
        DocumentRow(department="none", address="a", source="a", sha256="0", size=1)
    ),
}


@pytest.mark.parametrize("broken", BROKEN_RULES.values(), ids=BROKEN_RULES.keys())
def test_the_database_itself_refuses(store: Store, broken: Callable[..., Any]) -> None:
    with pytest.raises(IntegrityError), store.write() as session:
        broken(session)


def test_finished_rounds_do_not_stand_in_the_way(store: Store) -> None:
    with store.write() as session:
        session.add_all(
            [RoundRow(department="it", state=state) for state in ("finished", "finished", "failed", "running")]
        )
    with store.read() as session:
        assert session.query(RoundRow).count() == 4


def test_deleting_a_person_ends_their_sessions(store: Store) -> None:
    with store.write() as session:
        session.add(PersonRow(id="web:ada"))
        session.flush()
        session.add(SessionRow(id="s", person_id="web:ada", expires_at=now()))
    with store.write() as session:
        session.delete(session.get_one(PersonRow, "web:ada"))
    with store.read() as session:
        assert session.query(SessionRow).count() == 0


def test_writable_says_whether_a_write_can_begin(store: Store, tmp_path: Path) -> None:
    assert store.writable()
    nowhere = Store(f"sqlite:///{tmp_path / 'missing' / 'store.db'}")
    assert not nowhere.writable()
    nowhere.close()


@pytest.mark.parametrize(
    ("trouble", "relief", "problem"),
    [
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", "its disk is full"),
        ("PRAGMA query_only = ON", "PRAGMA query_only = OFF", "it is read-only"),
    ],
)
def test_a_database_that_takes_nothing_says_why(tmp_path: Path, trouble: str, relief: str, problem: str) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    Base.metadata.create_all(store.engine)

    def fill() -> None:
        with store.write() as session:
            session.add_all([AuditRow(actor="x", action="y", subject="z" * 10_000) for _ in range(50)])

    with store.engine.connect() as connection:
        connection.exec_driver_sql(trouble)
    with pytest.raises(NotWritableError, match=rf"can't be written: {problem}\.") as refused:
        fill()
    assert refused.value.status == 503
    with store.engine.connect() as connection:
        connection.exec_driver_sql(relief)
    assert store.writable()
    fill()
    with store.read() as session:
        assert session.query(AuditRow).count() == 50
    store.close()


def test_a_store_that_was_refused_is_not_writable_until_something_is_stored(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    tried: list[bool] = []

    def refuse(_session: Session) -> None:
        tried.append(True)
        raise OperationalError("COMMIT", {}, full)

    monkeypatch.setattr(store, "_write_something", refuse)
    assert store.writable()
    with pytest.raises(NotWritableError), store.write():
        raise OperationalError("COMMIT", {}, full)
    assert not store.writable()
    monkeypatch.undo()
    assert store.writable()
    assert tried == [True]


async def test_run_leaves_the_event_loop_free(store: Store) -> None:
    turned = threading.Event()
    asyncio.get_running_loop().call_later(0.05, turned.set)
    assert await store.run(turned.wait, 10)


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(SettingsError, match=r"store\.url"):
        Store("not an address")


def test_a_writer_that_waits_too_long_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    monkeypatch.setattr(session, "BUSY_MS", 100)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with store.write():
            held.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    with pytest.raises(BusyError, match="busy"), store.write():
        pass
    assert not store.writable()
    done.set()
    holder.join()
    assert store.writable()
    store.close()


def test_a_database_that_cannot_hold_every_text_is_refused() -> None:
    with postgres_database(encoding="SQL_ASCII") as url:
        store = Store(url)
        with pytest.raises(SettingsError, match=r"in the encoding SQL_ASCII\. Expected UTF8") as refused:
            store.engine.connect()
        store.close()
    assert "createdb --encoding UTF8" in refused.value.hint
