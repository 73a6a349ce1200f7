"""Items whose workers are lost each time: taken up again, but not for ever, and whoever asked is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.delivery.inbox import Inbox
from bot.delivery.outbox import Outbox
from bot.delivery.questions import LOST, question_id
from bot.domain.answers import Failed
from bot.domain.deliveries import OutboxItem
from bot.storage.tables.delivery import InboxRow, OutboxRow
from tests.bot.delivery.test_worker import ITEM, Conversation, expire, states, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.storage.session import Store
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import Mentee

LOSSES = InboxRow.MOST_INTERRUPTIONS or 0


def test_a_lost_lease_is_taken_up_by_another_worker_but_not_for_ever(store: Store) -> None:
    first, second = Inbox(store, "first", 60), Inbox(store, "second", 60)
    first.accept(ITEM)
    assert [item.id for item in first.lease(9, ["test"])] == [ITEM.id]
    assert second.lease(9, ["test"]) == [], "a living lease is respected"
    for number in range(1, LOSSES + 1):
        expire(store, InboxRow)
        (taken,) = second.lease(9, ["test"])
        assert taken.given_up is (number == LOSSES), "the last worker only tells the sender"
    expire(store, InboxRow)
    assert second.lease(9, ["test"]) == []
    assert states(store, InboxRow) == ["dead"]


def test_a_delivery_that_workers_are_lost_with_is_not_tried_for_ever(store: Store) -> None:
    outbox = Outbox(store, "first", 60)
    with store.write() as session:
        outbox.add(session, OutboxItem("test", "answer", {"to": "p"}, {}), lane="p")
    for _ in range(LOSSES):
        assert outbox.lease(9, ["test"])
        expire(store, OutboxRow)
    assert outbox.lease(9, ["test"]) == []
    assert states(store, OutboxRow) == ["dead"]


async def test_who_asked_what_no_worker_lived_to_answer_is_told(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee, channel = make_mentee(), Conversation()
    lost = Inbox(mentee.store, "lost", 60)
    lost.accept(ITEM)
    for _ in range(LOSSES):
        assert lost.lease(1, ["test"])
        expire(mentee.store, InboxRow)
    workers = mentee.message_workers({"test": channel})
    await workers.start()
    await until(lambda: channel.delivered)
    assert [(item.kind, item.payload["text"]) for item in channel.delivered] == [("apology", LOST)]
    assert [event async for event in mentee.answer_events.watch(question_id(ITEM))] == [Failed(LOST)]
    await workers.stop()
    assert engine.requests == [], "it may be what kills workers"
    assert states(mentee.store, InboxRow) == ["dead"], "operators see it among the dead"
