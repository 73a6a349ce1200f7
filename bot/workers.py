"""The workers of inbox and outbox: they lease, keep the leases alive, answer, deliver, and hand back on stop."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from bot.errors import BusyError, MenteeError
from bot.messages import Done, Failed, InboxItem, OutboxItem, Question, delivery_id
from bot.protocols import LiveChannel
from bot.store.models import OutboxRow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from sqlalchemy.orm import Session

    from bot.app import Mentee
    from bot.messages import AnswerEvent
    from bot.protocols import Channel

POLL_SECONDS = 0.5
APOLOGY = "Sorry, I could not answer this: something failed on my side. The operators can see it; please ask again."

log = structlog.get_logger(__name__)


def question_id(item: InboxItem) -> str:
    """Return the id of the question an inbox item becomes; the same for every try."""
    return f"q_{item.id}"


class MessageWorkers:
    """Runs an instance's messages until stopped.

    :param channels: the started channels, by name; items of other channels are left to processes that have them.
    :param parallel: questions answered at the same time; the engine's own queue is beneath.
    """

    def __init__(self, mentee: Mentee, channels: Mapping[str, Channel], *, parallel: int = 32) -> None:
        self._mentee = mentee
        self._channels = channels
        self._parallel = parallel
        self._inbox: dict[str, tuple[InboxItem, asyncio.Task[None]]] = {}
        self._outbox: dict[str, tuple[OutboxItem, asyncio.Task[None]]] = {}
        self._lost: set[str] = set()
        self._wake = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        """Begin to work."""
        loop = asyncio.get_running_loop()
        self._mentee.inbox.on_accept.append(partial(loop.call_soon_threadsafe, self._wake.set))
        self._loops = [asyncio.create_task(self._forever(self._turn)), asyncio.create_task(self._forever(self._beat))]

    async def stop(self) -> None:
        """Within the drain limit, finish and deliver the answers under way; hand back the rest, without a strike."""
        self._stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(self._mentee.settings.limits.drain_seconds):
                await self._idle()
        late = [*self._loops, *(task for _, task in (*self._inbox.values(), *self._outbox.values()))]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        for box, running in ((self._mentee.inbox, self._inbox), (self._mentee.outbox, self._outbox)):
            await self._mentee.store.run(box.give_back, [item for item, _ in running.values()])

    async def _idle(self) -> None:
        """Wait until no answer is under way and one more look into the outbox has found nothing to deliver."""
        while self._inbox:
            await asyncio.wait({task for _, task in self._inbox.values()})
        await self._turn()
        while self._outbox:
            await asyncio.wait({task for _, task in self._outbox.values()})

    async def _forever(self, turn: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await turn()
            except MenteeError as error:
                log.warning("worker_turn_failed", problem=error.text)
                await asyncio.sleep(POLL_SECONDS)
            except Exception:
                log.exception("worker_turn_failed")  # the database may be away for a while; the worker must not end
                await asyncio.sleep(POLL_SECONDS)

    async def _turn(self) -> None:
        self._wake.clear()
        store = self._mentee.store
        room = 0 if self._stopping else self._parallel - len(self._inbox)
        questions = await store.run(self._mentee.inbox.lease, room, self._channels) if room > 0 else []
        for item in questions:
            self._run(self._inbox, item, self._answer(item))
        deliveries = await store.run(self._mentee.outbox.lease, self._parallel, self._channels)
        for delivery in deliveries:
            self._run(self._outbox, delivery, self._deliver(delivery))
        if not questions and not deliveries:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):  # wait_for of Python 3.11 can lose a cancellation
                    await self._wake.wait()

    async def _beat(self) -> None:
        await asyncio.sleep(self._mentee.settings.limits.lease_seconds / 3)
        for box, running in ((self._mentee.inbox, self._inbox), (self._mentee.outbox, self._outbox)):
            before = dict(running)
            held = await self._mentee.store.run(box.heartbeat, list(before)) if before else ()
            self._lost |= {each for each in before if each not in held and running.get(each) is before[each]}

    def _run(self, running: dict[str, Any], item: InboxItem | OutboxItem, work: Any) -> None:
        task = asyncio.create_task(work)
        running[item.id] = (item, task)

        def ended(task: asyncio.Task[None]) -> None:
            if not task.cancelled():
                running.pop(item.id, None)
            self._lost.discard(item.id)
            self._wake.set()

        task.add_done_callback(ended)

    async def _answer(self, item: InboxItem) -> None:
        channel = self._channels[item.channel]
        inbox, store = self._mentee.inbox, self._mentee.store
        question: Question | None = None
        try:
            question = await channel.interpret(item)
            if question is None:
                await store.run(self._finish_handled, item)
                return
            question = replace(question, id=question_id(item))
            await self._answer_question(question, item)
        except BusyError as error:
            await store.run(inbox.failed, item, error.text, strike=False, after=error.retry_after)
        except MenteeError as error:
            await self._refuse(item, question, str(error))
        except Exception as error:
            log.exception("question_failed", item=item.id)
            if await store.run(inbox.failed, item, f"{type(error).__name__}"):
                await self._refuse(item, question, APOLOGY, given_up=True)

    async def _answer_question(self, question: Question, item: InboxItem) -> None:
        streams = self._mentee.streams
        streams.restart(question.id)
        async with self._showing(question) as show, aclosing(self._mentee.pipeline.answer(question)) as events:
            async for event in events:
                if item.id in self._lost and not isinstance(event, Done):
                    break  # another worker is answering it, or it is withdrawn: the rest is not written
                if isinstance(event, Done) and not await self._record(question, event, item):
                    break  # likewise, learned only now
                streams.publish(question.id, event)
                show(event)
        self._wake.set()

    async def _record(self, question: Question, done: Done, item: InboxItem) -> bool:
        return await self._mentee.store.run(self._mentee.pipeline.record, question, done.answer, inbox_item=item)

    def _showing(self, question: Question) -> AbstractAsyncContextManager[Callable[[AnswerEvent], object]]:
        channel = self._channels[question.channel]
        return channel.showing(question) if isinstance(channel, LiveChannel) else nullcontext(lambda _: None)

    def _finish_handled(self, item: InboxItem) -> None:
        with self._mentee.store.write() as session:
            self._mentee.inbox.finish(session, item.id)

    async def _refuse(self, item: InboxItem, question: Question | None, text: str, *, given_up: bool = False) -> None:
        """End an item with a text instead of an answer.

        :param given_up: the item is dead already.
        """
        await self._mentee.store.run(self._record_refusal, item, question, text, given_up)
        if question is not None:
            self._mentee.streams.publish(question.id, Failed(text))

    def _record_refusal(self, item: InboxItem, question: Question | None, text: str, given_up: bool) -> None:  # noqa: FBT001 - runs in a thread
        with self._mentee.store.write() as session:
            ended = self._mentee.inbox.finish(session, item.id)
            if not ended and not given_up and not self._begun(session, question):
                return  # another worker has answered it, or it is withdrawn
            if question is not None and question.reply_to:
                notice = OutboxItem(
                    question.channel, "apology", question.reply_to, {"text": text}, delivery_id(question.id)
                )
                self._mentee.outbox.add(session, notice, lane=question.place)

    @staticmethod
    def _begun(session: Session, question: Question | None) -> bool:
        """Return whether a draft of the answer is shown, which must end with some text."""
        row = session.get(OutboxRow, delivery_id(question.id)) if question is not None else None
        return row is not None and row.state == "draft"

    async def _deliver(self, item: OutboxItem) -> None:
        outbox, store = self._mentee.outbox, self._mentee.store
        try:
            reference = await self._channels[item.channel].deliver(item)
        except BusyError as error:
            await store.run(outbox.failed, item, error.text, strike=False, after=error.retry_after)
        except Exception as error:
            log.exception("delivery_failed", item=item.id, channel=item.channel)
            await store.run(outbox.failed, item, f"{type(error).__name__}: {error}", after=2.0**item.attempts)
        else:
            await store.run(outbox.sent, item, reference)
