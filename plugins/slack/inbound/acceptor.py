"""Commits deliveries in groups: those that come while one group is being written share the next transaction.

One transaction for each would make fifty deliveries wait fifty times for the disk and for the writers that answer.
What cannot be committed in time is given up, so that Slack delivers it again; a question beyond the inbox's bound is
committed as refused, with a word to its sender.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.domain.deliveries import OutboxItem
from plugins.slack.copy.views import busy
from plugins.slack.items import NAME, NOTICE, QUESTION
from plugins.slack.outbound.addresses import private_address
from plugins.slack.workspaces.current import stamped

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from bot.delivery.inbox import Inbox
    from bot.delivery.outbox import Outbox
    from bot.domain.deliveries import InboxItem

GROUP = 100
ACCEPT_SECONDS = 2.5
"""Slack waits three seconds; a delivery that we answer with an error before that comes again."""


class Acceptor:
    """Accepts inbox items from the event loop, in a thread of its own: accepting never waits for answering.

    :param most_waiting: questions that may wait; beyond that they are refused.
    """

    def __init__(self, inbox: Inbox, outbox: Outbox, most_waiting: int) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._most_waiting = most_waiting
        self._thread = ThreadPoolExecutor(1, "slack-accept")
        self._waiting: list[tuple[InboxItem, asyncio.Future[bool]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def accept(self, item: InboxItem) -> bool:
        """Commit an item; see ``Inbox.accept``. Whatever keeps it from being committed is raised.

        :raises TimeoutError: the database did not take it within :data:`ACCEPT_SECONDS`.
        """
        item = replace(item, payload=stamped(item.payload))
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        with self._inbox.arrival():
            async with asyncio.timeout(ACCEPT_SECONDS):
                return await done

    def close(self) -> None:
        """Let go of the thread."""
        self._thread.shutdown(wait=False)

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            await self._commit(group)

    async def _commit(self, group: list[tuple[InboxItem, asyncio.Future[bool]]]) -> None:
        group = [(item, done) for item, done in group if not done.done()]  # Slack delivers again what took too long
        if not group:
            return
        items = [item for item, _ in group]
        try:
            accepted = await asyncio.get_running_loop().run_in_executor(self._thread, self._accept, items)
        except Exception as error:  # noqa: BLE001 - each sender learns of it and Slack delivers again
            if len(group) > 1:
                for one in group:  # one item that cannot be stored must not keep the others out
                    await self._commit([one])
                return
            _settle(group[0][1], error)
        else:
            for (_, done), taken in zip(group, accepted, strict=True):
                _settle(done, taken)

    def _accept(self, items: list[InboxItem]) -> list[bool]:
        return self._inbox.accept_all(items, limit=self._most_waiting, refuse=self._refuse)

    def _refuse(self, session: Session, item: InboxItem) -> bool:
        """Say to the writer of a question that too many wait; everything else is worth little work and may wait."""
        if item.kind != QUESTION:
            return False
        notice = OutboxItem(NAME, NOTICE, private_address(item.payload), {"text": busy()}, id=f"out_{item.id}")
        self._outbox.add(session, notice, lane=f"{item.payload['channel']}:busy")  # passes waiting answers
        return True


def _settle(done: asyncio.Future[bool], outcome: bool | Exception) -> None:  # noqa: FBT001 - what a future holds
    if done.done():  # its request was cancelled; the item is committed all the same
        return
    if isinstance(outcome, Exception):
        done.set_exception(outcome)
    else:
        done.set_result(outcome)
