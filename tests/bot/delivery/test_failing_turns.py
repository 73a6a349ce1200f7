from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from bot.delivery.worker import QueueWorker
from bot.domain.deliveries import InboxItem

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bot.delivery.worker import Lease

TRIES = 3


class Refusing:
    """A queue on a full disk."""

    lease_seconds = 5.0

    def __init__(self) -> None:
        self.tries = 0
        self.tried = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def lease(self, _limit: int, _channels: Collection[str], /) -> list[InboxItem]:
        self.tries += 1
        if self.tries == TRIES:
            self._loop.call_soon_threadsafe(self.tried.set)
        raise OSError(28, "No space left on device")

    def heartbeat(self, _ids: Sequence[str]) -> frozenset[str]:
        return frozenset()

    def give_back(self, _items: Sequence[InboxItem]) -> None:
        """Nothing was leased."""


async def test_a_full_disk_is_not_filled_by_the_log_about_it() -> None:
    async def handle(_item: InboxItem, _lease: Lease) -> None:
        raise AssertionError

    queue = Refusing()
    worker = QueueWorker[InboxItem](queue, handle, (), parallel=1)
    with capture_logs() as lines:
        await worker.start()
        async with asyncio.timeout(30):
            await queue.tried.wait()
        await worker.stop()
    assert [line["event"] for line in lines] == ["worker_turn_failed"]
