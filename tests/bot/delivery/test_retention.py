"""What is past its retention goes once a day; what is still needed stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from bot.config.core import RetentionSettings
from bot.delivery import retention
from bot.delivery.retention import Retention
from bot.domain.identifiers import now
from bot.storage.tables.access import AuditRow, PersonRow, SessionRow
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.delivery import InboxRow, OutboxRow
from bot.storage.tables.feedback import EscalationRow, NotificationRow, VoteEventRow

if TYPE_CHECKING:
    from bot.storage.session import Store

OLD = now() - timedelta(days=2_000)


def inbox(number: str, state: str = "done") -> InboxRow:
    return InboxRow(id=number, channel="web", kind="question", dedupe_key=number, state=state, received_at=OLD)


def outbox(number: str, state: str = "sent") -> OutboxRow:
    return OutboxRow(id=number, channel="web", kind="answer", lane="l", state=state, created_at=OLD)


@pytest.fixture
def full(store: Store) -> Store:
    """A store with old and new rows of every table that is cleared."""
    with store.write() as session:
        session.add_all([inbox("i_done"), inbox("i_dead", "dead"), inbox("i_waiting", "received")])
        session.add_all([outbox("o_sent"), outbox("o_note"), outbox("o_waiting", "pending")])
        session.add(InboxRow(id="i_new", channel="web", kind="question", dedupe_key="new", state="done"))
        session.add(PersonRow(id="web:ada", name="ada"))
        session.add(QuestionRow(id="q", text="?", person_id="web:ada", department="it", channel="web", asked_at=OLD))
        session.flush()
        session.add(AnswerRow(id="a", question_id="q", department="it", text="Yes.", created_at=OLD))
        session.add(SessionRow(id="s", person_id="web:ada", expires_at=OLD))
        session.flush()
        session.add(EscalationRow(answer_id="a", department="it", opened_by="web:ada", notes=["o_note"]))
        session.add(VoteEventRow(answer_id="a", person_id="web:ada", role="employee", value="up", at=OLD))
        session.add(NotificationRow(person_id="web:ada", subject="live:a", at=OLD))
        session.add(AuditRow(actor="web:ada", action="test", subject="x", at=OLD))
    return store


def left(store: Store, table: type[InboxRow | OutboxRow]) -> set[str]:
    with store.read() as session:
        return set(session.scalars(select(table.id)))


def test_what_is_old_and_done_goes(full: Store) -> None:
    counts = Retention(full, RetentionSettings()).apply()
    assert counts == {"sessions": 1, "inbox": 2, "outbox": 1, "vote_events": 1, "notifications": 1, "audit": 1}
    assert left(full, InboxRow) == {"i_waiting", "i_new"}
    assert left(full, OutboxRow) == {"o_note", "o_waiting"}
    with full.read() as session:
        assert session.get(AnswerRow, "a") is not None
    assert Retention(full, RetentionSettings()).apply() == {}


def test_zero_days_keep_everything_but_expired_sessions(full: Store) -> None:
    keep = RetentionSettings(inbox_days=0, outbox_days=0, events_days=0, audit_days=0)
    assert Retention(full, keep).apply() == {"sessions": 1}


def test_replicas_share_the_work(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 5)
    with store.write() as session:
        session.add_all([inbox(f"i_{number}") for number in range(40)])
    replicas = [Retention(store, RetentionSettings()) for _ in range(3)]
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(lambda replica: replica.apply(), replicas))
    assert left(store, InboxRow) == set()
