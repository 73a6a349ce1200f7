"""Somebody corrects a machine's time: no lease, lane or limit notices."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from bot.access.departments import Departments
from bot.config.settings import Settings
from bot.delivery.inbox import Inbox
from bot.delivery.outbox import LANE_SECONDS, Outbox
from bot.delivery.rate_limit import RateLimit
from bot.domain.deliveries import InboxItem, OutboxItem
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import BusyError
from bot.domain.identifiers import now
from bot.storage import clock
from bot.storage.clock import moment
from bot.storage.leases import LONGEST_WAIT
from bot.storage.tables.clock import ClockRow
from bot.storage.tables.delivery import InboxRow, OutboxRow
from tuning.rounds.store import RoundStore

if TYPE_CHECKING:
    from pathlib import Path

    from time_machine import TimeMachineFixture

    from bot.storage.session import Store

ITEM = InboxItem("test", "question", {"text": "Are hotels tax exempt?"}, "event-1", "message-1")
STEP = 600
BOTH_WAYS = pytest.mark.parametrize("step", [-STEP, STEP], ids=["back", "forward"])


def notice(number: int) -> OutboxItem:
    return OutboxItem("test", "notice", {}, {"n": number}, id=f"out_{number}")


def set_all(store: Store, table: type[Any], **columns: Any) -> None:
    with store.write() as session:
        session.execute(update(table).values(columns))


def step_clock(time_machine: TimeMachineFixture, seconds: float) -> None:
    time_machine.move_to(now() + timedelta(seconds=seconds), tick=True)


@BOTH_WAYS
def test_a_held_item_is_not_leased_twice(store: Store, time_machine: TimeMachineFixture, step: int) -> None:
    first, second = Inbox(store, "first", 15), Inbox(store, "second", 15)
    first.accept(ITEM)
    (held,) = first.lease(9, ["test"])
    step_clock(time_machine, step)
    assert second.lease(9, ["test"]) == []
    assert first.heartbeat([held.id]) == {held.id}
    assert (entry := first.get(held.id)) is not None
    assert not entry.lost


@BOTH_WAYS
def test_what_comes_before_and_after_a_step_is_taken_at_once(
    store: Store, time_machine: TimeMachineFixture, step: int
) -> None:
    inbox = Inbox(store, "w", 15)
    inbox.accept(ITEM)
    step_clock(time_machine, step)
    inbox.accept(InboxItem("test", "question", {}, "event-2"))
    taken = inbox.lease(9, ["test"])
    assert len(taken) == 2
    inbox.failed(taken[0], "no", after=0)
    step_clock(time_machine, step)
    assert [item.id for item in inbox.lease(9, ["test"])] == [taken[0].id]


@BOTH_WAYS
def test_a_lease_of_a_worker_that_is_gone_still_runs_out(
    store: Store, time_machine: TimeMachineFixture, step: int
) -> None:
    first, second = Inbox(store, "first", 0), Inbox(store, "second", 15)
    first.accept(ITEM)
    first.lease(9, ["test"])
    step_clock(time_machine, step)
    assert [item.dedupe_key for item in second.lease(9, ["test"])] == ["event-1"]


@BOTH_WAYS
def test_a_lane_goes_on_in_order_and_one_at_a_time(store: Store, time_machine: TimeMachineFixture, step: int) -> None:
    outbox = Outbox(store, "w", 60)
    for number in (1, 2):
        outbox.add_once(notice(number), lane="a")
    (first,) = outbox.lease(9, ["test"])
    step_clock(time_machine, step)
    outbox.add_once(notice(0), lane="a")
    assert outbox.lease(9, ["test"]) == [], "the lane's first is on its way"
    outbox.sent(first, "ref")
    step_clock(time_machine, step)
    assert outbox.lease(9, ["test"]) == [], "a lane's deliveries are a second apart"
    with store.write() as session:
        session.get_one(OutboxRow, first.id).sent_at = moment(session) - timedelta(seconds=LANE_SECONDS)
    assert [item.id for item in outbox.lease(9, ["test"])] == ["out_2"]


@BOTH_WAYS
def test_rounds_keep_their_worker(store: Store, tmp_path: Path, time_machine: TimeMachineFixture, step: int) -> None:
    departments = Departments(store, Settings(home=tmp_path))
    departments.add(DepartmentSpec("travel", "Travel"), actor="ada")
    first, second = (RoundStore(store, departments, worker, 15) for worker in ("first", "second"))
    row = first.start("travel", actor="ada")
    assert first.take() is not None
    first.beat(row.id)
    step_clock(time_machine, step)
    assert second.take() is None
    assert second.worker_alive()
    assert first.held(row.id)


def test_a_time_that_cannot_be_does_not_silence(store: Store) -> None:
    """As after a restore on a machine whose time is behind, or on a database server that was set back."""
    inbox, outbox = Inbox(store, "w", 15), Outbox(store, "w", 15)
    late = now() + timedelta(days=1)
    outbox.add_once(notice(1), lane="a")
    outbox.sent(outbox.lease(9, ["test"])[0], "ref")
    outbox.add_once(notice(2), lane="a")
    set_all(store, OutboxRow, sent_at=late)
    set_all(store, OutboxRow, state="pending", not_before=late)
    with store.write() as session:
        session.get_one(OutboxRow, "out_1").state = "sent"
        session.get_one(OutboxRow, "out_2").sent_at = None
    assert [item.id for item in outbox.lease(9, ["test"])] == ["out_2"]
    inbox.accept(ITEM)
    inbox.lease(9, ["test"])
    set_all(store, InboxRow, leased_until=late)
    assert Inbox(store, "other", 15).lease(9, ["test"]) == [], "its worker has the time of one lease to prolong it"
    with store.write() as session:
        left = session.query(InboxRow).one().leased_until
        assert left is not None
        assert left <= moment(session) + timedelta(seconds=15)


def test_bounds_leave_room_for_what_is_right(store: Store) -> None:
    inbox = Inbox(store, "w", 15)
    inbox.accept(ITEM)
    (item,) = inbox.lease(9, ["test"])
    inbox.failed(item, "Slack asks to wait.", strike=False, after=10 * LONGEST_WAIT)
    assert inbox.lease(9, ["test"]) == []


def test_sqlite_counts_from_a_start_that_all_processes_share(
    store: Store, time_machine: TimeMachineFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not store.is_sqlite:
        pytest.skip("PostgreSQL has one clock")
    with store.write() as session:
        before = moment(session)
    step_clock(time_machine, -STEP)
    with store.read() as session:
        assert timedelta() <= moment(session) - before < timedelta(seconds=30)
    monkeypatch.setattr(clock, "_boot", lambda: "after a restart of the machine")
    with store.write() as session:
        assert abs(moment(session) - now()) < timedelta(seconds=30)
    with store.read() as session:
        assert [row.boot for row in session.query(ClockRow)] == ["after a restart of the machine"]


@BOTH_WAYS
def test_a_rate_limit_neither_silences_nor_forgets(time_machine: TimeMachineFixture, step: int) -> None:
    limit = RateLimit(2, "Too many.")
    limit.spend("ada")
    limit.spend("ada")
    step_clock(time_machine, step)
    with pytest.raises(BusyError) as refused:
        limit.spend("ada")
    assert 1 <= refused.value.retry_after <= 60
    limit.spend("bo")


def test_a_rate_limit_allows_the_next_use_when_it_said_so() -> None:
    at = 0.0
    limit = RateLimit(2, "Too many.", clock=lambda: at)
    limit.spend("ada")
    at = 20.0
    limit.spend("ada")
    at = 30.0
    with pytest.raises(BusyError) as refused:
        limit.spend("ada")
    assert refused.value.retry_after == 30
    at = 60.0
    limit.spend("ada")
    with pytest.raises(BusyError):
        limit.spend("ada")
