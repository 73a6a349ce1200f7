"""Commits deliveries in groups: those that come while one group is being written share the next transaction.

One transaction for each would make fifty deliveries wait fifty times for the disk and for the writers that answer.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.inbox import Inbox
    from bot.messages import InboxItem

GROUP = 100


class Acceptor:
    """Accepts inbox items from the event loop, in a thread of its own: accepting never waits for answering."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._thread = ThreadPoolExecutor(1, "slack-accept")
        self._waiting: list[tuple[InboxItem, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def accept(self, item: InboxItem) -> bool:
        """Commit an item; see :meth:`bot.inbox.Inbox.accept`. Whatever keeps it from being committed is raised."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        return await done

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False)

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            await self._commit(group)

    async def _commit(self, group: list[tuple[InboxItem, asyncio.Future[bool]]]) -> None:
        items = [item for item, _ in group]
        try:
            accepted = await asyncio.get_running_loop().run_in_executor(self._thread, self._inbox.accept_all, items)
        except Exception as error:  # noqa: BLE001 - each sender learns of it and Slack delivers again
            if len(group) > 1:
                for one in group:  # one item that cannot be stored must not keep the others out
                    await self._commit([one])
                return
            _settle(group[0][1], error)
        else:
            for (_, done), taken in zip(group, accepted, strict=True):
                _settle(done, taken)


def _settle(done: asyncio.Future[bool], outcome: bool | Exception) -> None:  # noqa: FBT001 - what a future holds
    if done.done():  # its request was cancelled; the item is committed all the same
        return
    if isinstance(outcome, Exception):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
