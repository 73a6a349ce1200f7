"""A queue whose database is slow: what it leases is never lost between the database and the worker."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from bot.delivery.worker import QueueWorker
from bot.domain.deliveries import OutboxItem

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pytest

    from bot.delivery.worker import Lease


class SlowQueue:
    """A queue of one delivery whose lease returns only once ``answered`` is set."""

    lease_seconds = 60.0

    def __init__(self) -> None:
        self.items = [OutboxItem("test", "text", {}, {}, id="out_1")]
        self.asked = threading.Event()
        self.answered = threading.Event()
        self.given_back: list[OutboxItem] = []

    def lease(self, limit: int, channels: Collection[str]) -> list[OutboxItem]:
        assert channels
        items, self.items = self.items[:limit], []
        self.asked.set()
        assert self.answered.wait(10)
        return items

    def heartbeat(self, ids: Sequence[str]) -> frozenset[str]:
        return frozenset(ids)

    def give_back(self, items: Sequence[OutboxItem]) -> None:
        self.given_back.extend(items)


async def test_what_is_being_leased_is_waited_for() -> None:
    queue = SlowQueue()
    handled: list[str] = []

    async def handle(item: OutboxItem, _lease: Lease) -> None:
        handled.append(item.id)

    worker = QueueWorker[OutboxItem](queue, handle, ("test",), parallel=2)
    await worker.start()
    await asyncio.to_thread(queue.asked.wait, 10)
    taking = asyncio.create_task(worker.take())
    await asyncio.sleep(0)
    queue.answered.set()
    await taking
    await worker.idle()
    assert handled == ["out_1"], "the poll under way had leased it"
    await worker.stop()


async def test_a_lease_under_way_is_handed_back_when_the_worker_stops() -> None:
    queue = SlowQueue()

    async def handle(_item: OutboxItem, _lease: Lease) -> None:
        await asyncio.Event().wait()

    worker = QueueWorker[OutboxItem](queue, handle, ("test",), parallel=2)
    taking = asyncio.create_task(worker.take())
    await asyncio.to_thread(queue.asked.wait, 10)
    taking.cancel()
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    queue.answered.set()
    await stopping
    assert [item.id for item in queue.given_back] == ["out_1"]


async def test_new_items_wait_while_something_more_urgent_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.delivery.worker.GIVE_WAY_SECONDS", 60.0)
    urgent, queue, handled = [True], SlowQueue(), asyncio.Event()
    queue.answered.set()

    async def handle(_item: OutboxItem, _lease: Lease) -> None:
        handled.set()

    worker = QueueWorker[OutboxItem](queue, handle, ("test",), parallel=2, gives_way=lambda: urgent[0])
    await worker.start()
    await asyncio.sleep(0.1)
    assert not queue.asked.is_set()
    urgent[0] = False
    async with asyncio.timeout(10):
        await handled.wait()
    await worker.stop()


async def test_new_items_do_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.delivery.worker.GIVE_WAY_SECONDS", 0.05)
    queue, handled = SlowQueue(), asyncio.Event()
    queue.answered.set()

    async def handle(_item: OutboxItem, _lease: Lease) -> None:
        handled.set()

    worker = QueueWorker[OutboxItem](queue, handle, ("test",), parallel=2, gives_way=lambda: True)
    await worker.start()
    async with asyncio.timeout(10):
        await handled.wait()
    await worker.stop()
