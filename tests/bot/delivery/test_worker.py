"""Inbox and outbox: accepted once, leased by one, interrupted without a strike, delivered in order."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from bot.delivery.inbox import Inbox
from bot.delivery.outbox import LANE_SECONDS, Outbox
from bot.delivery.questions import APOLOGY, question_id
from bot.delivery.worker import QueueWorker
from bot.domain.answers import Done, Failed, Status, TextDelta
from bot.domain.deliveries import InboxItem, OutboxItem, delivery_id
from bot.domain.errors import BusyError
from bot.domain.identifiers import now
from bot.domain.people import Person
from bot.domain.questions import Question
from bot.storage.leases import STRIKES
from bot.storage.tables.delivery import InboxRow, OutboxRow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bot.delivery.messages import MessageWorkers
    from bot.delivery.worker import Lease
    from bot.domain.answers import AnswerEvent
    from bot.storage.session import Store
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import Mentee


ITEM = InboxItem("test", "question", {"text": "Are hotels tax exempt?"}, "event-1", "message-1")


class Conversation:
    """A channel in memory; ``fault`` is raised by the next deliveries."""

    name = "test"

    def __init__(self) -> None:
        self.delivered: list[OutboxItem] = []
        self.faults: list[Exception] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def handle(self, item: InboxItem) -> Question | None:
        if item.kind != "question":
            return None
        place = item.payload.get("place", "p")
        return Question(
            item.payload["text"],
            Person("user:ada"),
            department="travel",
            channel="test",
            place=place,
            reply_to={"to": place},
        )

    async def deliver(self, item: OutboxItem) -> str:
        if self.faults:
            raise self.faults.pop(0)
        self.delivered.append(item)
        return f"ref-{len(self.delivered)}"

    def healthy(self) -> bool:
        return True


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - the condition is a row of a database
            await asyncio.sleep(0.01)


@pytest.fixture
async def running(make_mentee: Callable[..., Mentee]) -> AsyncIterator[tuple[Mentee, Conversation]]:
    mentee = make_mentee(settings={"limits": {"lease_seconds": 5.0}})
    channel = Conversation()
    workers = mentee.message_workers({"test": channel})
    await workers.start()
    yield mentee, channel
    await workers.stop()


def states(store: Store, table: type[Any]) -> list[str]:
    with store.read() as session:
        return [row.state for row in session.scalars(select(table))]


async def test_from_inbox_to_delivery(running: tuple[Mentee, Conversation]) -> None:
    mentee, channel = running
    assert mentee.inbox.accept(ITEM)
    await until(lambda: channel.delivered)
    events = [event async for event in mentee.answer_events.watch(question_id(ITEM))]
    assert isinstance(events[-1], Done)
    assert channel.delivered[0].payload["text"] == events[-1].answer.text
    await until(lambda: states(mentee.store, OutboxRow) == ["sent"])
    assert states(mentee.store, InboxRow) == ["done"]
    assert mentee.outbox.find_answer("test", "ref-1") == events[-1].answer.id


async def test_a_second_delivery_or_a_second_event_of_one_message_is_dropped(
    running: tuple[Mentee, Conversation],
) -> None:
    mentee, channel = running
    again = replace(ITEM, id="in_2")
    other_event = replace(ITEM, id="in_3", dedupe_key="event-2")
    assert [mentee.inbox.accept(item) for item in (ITEM, again, other_event)] == [True, False, False]
    await until(lambda: channel.delivered)
    assert len(states(mentee.store, InboxRow)) == 1


async def test_what_cannot_be_answered_is_apologised_for_after_three_strikes(
    running: tuple[Mentee, Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    mentee, channel = running
    monkeypatch.setattr("bot.answering.record.delivery_payload", lambda _: 1 / 0)
    mentee.inbox.accept(ITEM)
    await until(lambda: channel.delivered, 20)
    assert (channel.delivered[0].kind, channel.delivered[0].payload) == ("apology", {"text": APOLOGY})
    with mentee.store.read() as session:
        row = session.scalars(select(InboxRow)).one()
    assert (row.state, row.strikes) == ("dead", STRIKES)


async def test_a_refusal_is_told_at_once(running: tuple[Mentee, Conversation]) -> None:
    mentee, channel = running
    mentee.inbox.accept(replace(ITEM, payload={"text": "x" * 5000}))
    await until(lambda: channel.delivered)
    assert "The limit is 4,000" in channel.delivered[0].payload["text"]
    events = [event async for event in mentee.answer_events.watch(question_id(ITEM))]
    assert isinstance(events[-1], Failed)


async def test_busy_is_tried_again_without_a_strike(running: tuple[Mentee, Conversation]) -> None:
    mentee, channel = running
    channel.faults = [BusyError("rate limited", retry_after=0.1)] * 5
    mentee.inbox.accept(ITEM)
    await until(lambda: channel.delivered)
    assert channel.delivered[0].attempts == 5
    with mentee.store.read() as session:
        assert session.scalars(select(OutboxRow)).one().strikes == 0


class Live(Conversation):
    """A channel that shows what it is told; ``left`` holds how each showing ended."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[AnswerEvent] = []
        self.left: list[type[BaseException] | None] = []

    @asynccontextmanager
    async def showing(self, question: Question) -> AsyncIterator[Callable[[AnswerEvent], None]]:
        self.question = question
        try:
            yield self.told.append
        except BaseException as error:
            self.left.append(type(error))
            raise
        self.left.append(None)


async def live(make_mentee: Callable[..., Mentee], **settings: Any) -> tuple[Mentee, Live, MessageWorkers]:
    mentee, channel = make_mentee(settings=settings), Live()
    workers = mentee.message_workers({"test": channel})
    await workers.start()
    return mentee, channel, workers


async def test_a_live_channel_is_told_everything_and_delivers_under_a_known_id(
    make_mentee: Callable[..., Mentee],
) -> None:
    mentee, channel, workers = await live(make_mentee)
    mentee.inbox.accept(ITEM)
    await until(lambda: channel.delivered)
    await workers.stop()
    kinds = [type(event) for event in channel.told]
    assert (kinds[0], kinds[-1]) == (Status, Done)
    assert TextDelta in kinds
    assert channel.left == [None]
    assert channel.delivered[0].id == delivery_id(channel.question.id)


async def test_a_showing_learns_that_its_answer_is_put_off(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee, channel, workers = await live(make_mentee)
    engine.say(BusyError("full", retry_after=0.1))
    mentee.inbox.accept(ITEM)
    await until(lambda: channel.delivered)
    await workers.stop()
    assert channel.left == [BusyError, None]


async def test_an_answer_that_is_withdrawn_is_not_written_to_its_end(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee, channel, workers = await live(make_mentee, limits={"lease_seconds": 1.0})
    engine.answer = " ".join(f"Hotels are tax exempt in state number {number}." for number in range(200))
    engine.delay = 0.02
    mentee.inbox.accept(ITEM)
    await until(lambda: engine.running)
    with mentee.store.write() as session:
        mentee.inbox.finish(session, ITEM.id)  # as when its question is deleted
    await until(lambda: engine.cancelled)
    await workers.stop()
    assert (engine.finished, channel.left, channel.delivered) == (0, [None], [])


async def test_stopping_delivers_what_was_under_way(make_mentee: Callable[..., Mentee], engine: ScriptedEngine) -> None:
    mentee, channel, workers = await live(make_mentee)
    engine.gate.clear()
    mentee.inbox.accept(ITEM)
    await until(lambda: engine.requests)
    stopping = asyncio.create_task(workers.stop())
    await asyncio.sleep(0)
    mentee.inbox.accept(replace(ITEM, id="in_2", dedupe_key="event-2", message_key="message-2"))
    engine.gate.set()
    await stopping
    assert [item.kind for item in channel.delivered] == ["answer"]
    assert states(mentee.store, OutboxRow) == ["sent"]
    assert sorted(states(mentee.store, InboxRow)) == ["done", "received"], "nothing new is begun"


async def test_stopping_hands_back_what_cannot_finish(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee = make_mentee(settings={"limits": {"drain_seconds": 0.05}})
    engine.gate.clear()
    workers = mentee.message_workers({"test": Conversation()})
    await workers.start()
    mentee.inbox.accept(ITEM)
    await until(lambda: engine.requests)
    await workers.stop()
    assert states(mentee.store, InboxRow) == ["received"]
    assert Inbox(mentee.store, "next", 1.0).lease(1, ["test"])[0].id == ITEM.id


def test_a_worker_that_lost_its_lease_does_not_finish_twice(store: Store) -> None:
    first, second = Inbox(store, "first", 60), Inbox(store, "second", 60)
    first.accept(ITEM)
    first.lease(1, ["test"])
    expire(store, InboxRow)
    second.lease(1, ["test"])
    for inbox, expected in ((second, True), (first, False)):
        with store.write() as session:
            assert inbox.finish(session, ITEM.id) is expected


async def test_a_worker_that_takes_its_own_item_again_after_a_stall_handles_it_once(store: Store) -> None:
    inbox = Inbox(store, "worker-1", 60)
    inbox.accept(ITEM)
    begun: list[str] = []
    release = asyncio.Event()

    async def handle(item: InboxItem, _lease: Lease) -> None:
        begun.append(item.id)
        await release.wait()

    worker = QueueWorker(inbox, handle, ["test"], parallel=4)
    await worker.take()
    expire(store, InboxRow)
    assert await worker.take() == 1, "nobody renewed its lease in time, so it was due"
    release.set()
    await worker.idle()
    assert len(begun) == 1


def test_a_worker_that_lost_its_lease_puts_nothing_back(store: Store) -> None:
    first, second = (Inbox(store, name, 60) for name in ("a", "b"))
    first.accept(InboxItem("test", "question", {}, "event-1"))
    (lost,) = first.lease(1, ["test"])
    expire(store, InboxRow)
    (taken,) = second.lease(1, ["test"])
    assert not first.failed(lost, "too late", after=0)
    first.give_back([lost])
    assert first.lease(1, ["test"]) == [], "the second worker is at it"
    assert second.heartbeat([taken.id]) == {taken.id}


def test_a_delivery_under_way_elsewhere_is_not_put_back(store: Store) -> None:
    first, second = (Outbox(store, name, 60) for name in ("a", "b"))
    with store.write() as session:
        first.add(session, OutboxItem("test", "notice", {}, {}), lane="a")
    (lost,) = first.lease(1, ["test"])
    expire(store, OutboxRow)
    (taken,) = second.lease(1, ["test"])
    assert not first.failed(lost, "too late", after=0)
    assert first.lease(1, ["test"]) == []
    assert second.heartbeat([taken.id]) == {taken.id}


def test_heartbeats_keep_only_own_leases(store: Store) -> None:
    first, second = Inbox(store, "first", 60), Inbox(store, "second", 60)
    first.accept(ITEM)
    first.lease(1, ["test"])
    assert first.heartbeat([ITEM.id]) == {ITEM.id}
    assert second.heartbeat([ITEM.id]) == frozenset()


def test_other_channels_items_are_left_alone(store: Store) -> None:
    inbox = Inbox(store, "w", 60)
    inbox.accept(ITEM)
    assert inbox.lease(9, ["slack"]) == []


def test_a_lane_keeps_its_order_and_does_not_hold_up_others(store: Store) -> None:
    outbox = Outbox(store, "w", 60)
    for number, lane in enumerate(["a", "a", "b"]):
        with store.write() as session:
            outbox.add(session, OutboxItem("test", "notice", {}, {"n": number}, id=f"out_{number}"), lane=lane)
    leased = outbox.lease(9, ["test"])
    assert [item.payload["n"] for item in leased] == [0, 2]
    assert outbox.lease(9, ["test"]) == []
    outbox.sent(leased[0], "ref")
    assert outbox.lease(9, ["test"]) == [], "a lane's deliveries are a second apart"
    with store.write() as session:
        session.execute(update(OutboxRow).values(sent_at=now() - timedelta(seconds=LANE_SECONDS)))
    assert [item.payload["n"] for item in outbox.lease(9, ["test"])] == [1]


REPLY = OutboxItem("test", "answer", {"to": "p"}, {}, id="out_q")


def test_a_draft_is_begun_once_and_delivered_only_with_its_content(store: Store) -> None:
    first, second = Outbox(store, "first", 60), Outbox(store, "second", 60)
    assert [outbox.begin(REPLY, lane="p") for outbox in (first, second)] == [True, False]
    first.shows(REPLY.id, {"ts": "1"})
    assert first.lease(9, ["test"]) == []
    with store.write() as session:
        first.add(session, replace(REPLY, payload={"text": "Yes."}), lane="p")
    assert second.lease(9, ["test"]) == [], "whoever shows it completes it"
    (item,) = first.lease(9, ["test"])
    assert (item.payload, item.draft, item.attempts) == ({"text": "Yes."}, {"ts": "1"}, 0)


def test_a_draft_of_a_worker_that_is_gone_is_completed_by_another(store: Store) -> None:
    first, second = Outbox(store, "first", 60), Outbox(store, "second", 60)
    first.begin(REPLY, lane="p")
    first.shows(REPLY.id, {"ts": "1"})
    with store.write() as session:
        first.add(session, REPLY, lane="p")
    expire(store, OutboxRow)
    assert [item.draft for item in second.lease(9, ["test"])] == [{"ts": "1"}]


def test_completing_a_draft_does_not_wait_for_its_lane(store: Store) -> None:
    outbox = Outbox(store, "w", 60)
    for name in ("shown", "whole"):
        item = replace(REPLY, id=f"out_{name}")
        outbox.begin(item, lane="p")
        outbox.shows(item.id, {"ts": "1"} if name == "shown" else None)
    with store.write() as session:
        outbox.add(session, OutboxItem("test", "notice", {}, {}, id="out_0"), lane="p")
    assert [item.id for item in outbox.lease(9, ["test"])] == ["out_0"]
    with store.write() as session:
        for name in ("shown", "whole"):
            outbox.add(session, replace(REPLY, id=f"out_{name}"), lane="p")
    assert [item.id for item in outbox.lease(9, ["test"])] == ["out_shown"]


def test_strikes_end_a_delivery(store: Store) -> None:
    outbox = Outbox(store, "w", 60)
    with store.write() as session:
        outbox.add(session, OutboxItem("test", "notice", {}, {}), lane="a")
    for strike in range(1, STRIKES + 1):
        (item,) = outbox.lease(1, ["test"])
        assert outbox.failed(item, "no", after=0) is (strike == STRIKES)
    assert states(store, OutboxRow) == ["dead"]


def expire(store: Store, table: type[Any]) -> None:
    with store.write() as session:
        session.execute(update(table).values(leased_until=now().replace(year=2020)))
