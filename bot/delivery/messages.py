"""The two workers of a process that serves channels: one answers the inbox, one delivers the outbox."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import structlog

from bot.domain.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.delivery.inbox import Inbox
    from bot.delivery.outbox import Outbox
    from bot.delivery.worker import Lease, QueueWorker
    from bot.domain.deliveries import InboxItem, OutboxItem
    from bot.domain.ports import Channel

log = structlog.get_logger(__name__)


class DeliveryHandler:
    """Handles outbox items.

    :param channels: the started channels, by name.
    """

    def __init__(self, channels: Mapping[str, Channel], outbox: Outbox) -> None:
        self._channels = channels
        self._outbox = outbox

    async def handle(self, item: OutboxItem, _lease: Lease) -> None:
        """Deliver one item, or put it back for a later attempt."""
        try:
            reference = await self._channels[item.channel].deliver(item)
        except BusyError as error:
            await asyncio.to_thread(self._outbox.failed, item, error.text, strike=False, after=error.retry_after)
        except Exception as error:
            log.exception("delivery_failed", item=item.id, channel=item.channel)
            problem = f"{type(error).__name__}: {error}"
            await asyncio.to_thread(self._outbox.failed, item, problem, after=2.0**item.attempts)
        else:
            await asyncio.to_thread(self._outbox.sent, item, reference)


class MessageWorkers:
    """Answers and delivers until stopped.

    :param drain_seconds: how long :meth:`stop` lets what is under way go on.
    """

    def __init__(
        self, inbox: Inbox, questions: QueueWorker[InboxItem], deliveries: QueueWorker[OutboxItem], drain_seconds: float
    ) -> None:
        self._inbox = inbox
        self._questions = questions
        self._deliveries = deliveries
        self._drain_seconds = drain_seconds

    async def start(self) -> None:
        """Start working."""
        loop = asyncio.get_running_loop()
        self._inbox.on_accept.append(partial(loop.call_soon_threadsafe, self._questions.wake))
        await self._questions.start()
        await self._deliveries.start()

    async def stop(self, seconds: float | None = None) -> None:
        """Finish and deliver the answers under way, then hand back the rest, without a strike.

        :param seconds: how long what is under way may go on; the drain limit by default.
        """
        self._questions.stop_taking()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._drain_seconds if seconds is None else seconds):
                await self._questions.idle()
                await self._deliveries.take()
                await self._deliveries.idle()
        await self._questions.stop()
        await self._deliveries.stop()
