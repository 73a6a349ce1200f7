"""A queue whose database is slow: what it leases is never lost between the database and the worker."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from bot.delivery.worker import QueueWorker
from bot.domain.deliveries import OutboxItem

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

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
