"""The worker of a queue: leases items, renews the leases, and on stop hands back what is unfinished."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import structlog

from bot.domain.errors import MenteeError
from bot.observability.repeats import Repeats

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence


class Leasable(Protocol):
    """What a worker handles: an item of the inbox or the outbox, or a run of a job."""

    @property
    def id(self) -> str:
        """Names its row."""


Item = TypeVar("Item", bound=Leasable)

POLL_SECONDS = 0.5
BATCH = 32
"""Items leased in one transaction."""

GIVE_WAY_SECONDS = 1.0
"""How long, at the most, a worker waits with new items while deliveries are being accepted."""

log = structlog.get_logger(__name__)


class Queue(Protocol[Item]):
    """The inbox, the outbox or the jobs, as their worker sees them."""

    @property
    def lease_seconds(self) -> float:
        """How long a lease lasts without a heartbeat."""

    def lease(self, limit: int, channels: Collection[str], /) -> list[Item]:
        """Take up to ``limit`` due items of the channels."""

    def heartbeat(self, ids: Sequence[str]) -> frozenset[str]:
        """Renew the leases on ``ids``; return those still held."""

    def give_back(self, items: Sequence[Item]) -> None:
        """Hand leased items back at once, without a strike."""


@dataclass(slots=True)
class Lease:
    """A worker's hold on an item. ``lost`` is set once another worker has the item, or it is withdrawn."""

    lost: bool = False


class QueueWorker(Generic[Item]):
    """Handles the items of one queue, each in a task of its own, until stopped.

    :param channels: names of the channels this process serves, looked up each time; other items wait, or are left to
        processes that serve theirs.
    :param parallel: items handled at the same time.
    :param gives_way: returns whether something more urgent than new items is going on in this process.
    """

    def __init__(
        self,
        queue: Queue[Item],
        handle: Callable[[Item, Lease], Coroutine[Any, Any, None]],
        channels: Collection[str],
        *,
        parallel: int,
        gives_way: Callable[[], bool] = lambda: False,
    ) -> None:
        self._queue: Queue[Item] = queue
        self._handle: Callable[[Item, Lease], Coroutine[Any, Any, None]] = handle
        self._channels = channels
        self._parallel = parallel
        self._gives_way = gives_way
        self._running: dict[str, tuple[Item, Lease, asyncio.Task[None]]] = {}
        self._wake = asyncio.Event()
        self._leasing = asyncio.Lock()
        self._loops: list[asyncio.Task[None]] = []
        self._taking = True

    async def start(self) -> None:
        """Start working."""
        self._loops = [asyncio.create_task(self._forever(each)) for each in (self._poll, self._beat)]

    def wake(self) -> None:
        """Poll now."""
        self._wake.set()

    def stop_taking(self) -> None:
        """Finish running items and take no new ones."""
        self._taking = False

    async def take(self) -> int:
        """Lease due items and start handling them; return how many.

        Calls run one after another, to their end even if the caller is cancelled, so whatever the database says is
        leased is also running here.
        """
        return await asyncio.shield(self._take())

    async def idle(self) -> None:
        """Wait until no item is running."""
        while self._running:
            await asyncio.wait({task for _, _, task in self._running.values()})

    async def stop(self) -> None:
        """Cancel running items and hand them back, without a strike."""
        self.stop_taking()
        async with self._leasing:
            late = [*self._loops, *(task for _, _, task in self._running.values())]
            for task in late:
                task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        await asyncio.to_thread(self._queue.give_back, [item for item, _, _ in self._running.values()])

    async def _forever(self, turn: Callable[[], Awaitable[None]]) -> None:
        repeats = Repeats()
        while True:
            try:
                await turn()
            except MenteeError as error:
                if repeats.is_news(error):
                    log.warning("worker_turn_failed", problem=error.text)
                await asyncio.sleep(POLL_SECONDS)
            except Exception as error:
                if repeats.is_news(error):
                    log.exception("worker_turn_failed")
                await asyncio.sleep(POLL_SECONDS)  # the database may be away for a while; the worker must not end

    async def _poll(self) -> None:
        self._wake.clear()
        await self._give_way()
        if not (self._taking and await self.take()):
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):  # wait_for of Python 3.11 can lose a cancellation
                    await self._wake.wait()

    async def _give_way(self) -> None:
        until = asyncio.get_running_loop().time() + GIVE_WAY_SECONDS
        while self._gives_way() and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - what is asked has no event
            await asyncio.sleep(0.01)

    async def _take(self) -> int:
        async with self._leasing:
            room = min(BATCH, self._parallel - len(self._running))
            items = await asyncio.to_thread(self._queue.lease, room, tuple(self._channels)) if room > 0 else []
            for item in items:
                if item.id not in self._running:  # after a stall a worker can take its own item again
                    self._begin(item)
            return len(items)

    async def _beat(self) -> None:
        await asyncio.sleep(self._queue.lease_seconds / 3)
        before = dict(self._running)
        held = await asyncio.to_thread(self._queue.heartbeat, list(before)) if before else ()
        for item_id, (_, lease, _) in before.items():
            lease.lost |= item_id not in held

    def _begin(self, item: Item) -> None:
        lease = Lease()
        task = asyncio.create_task(self._handle(item, lease))
        self._running[item.id] = (item, lease, task)

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                self._running.pop(item.id, None)
            self._wake.set()

        task.add_done_callback(ended)
