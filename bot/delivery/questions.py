"""Handles inbox items: the channel turns each into a question, which is answered, refused or retried."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import structlog

from bot.domain.answers import Done, Failed
from bot.domain.deliveries import OutboxItem, delivery_id
from bot.domain.errors import BusyError, MenteeError
from bot.domain.ports import LiveChannel

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from bot.delivery.events import AnswerEvents
    from bot.delivery.inbox import Inbox
    from bot.delivery.outbox import Outbox
    from bot.delivery.worker import Lease
    from bot.domain.answers import Answer, AnswerEvent
    from bot.domain.deliveries import InboxItem
    from bot.domain.ports import Channel
    from bot.domain.questions import Question
    from bot.storage.session import Store

APOLOGY = "Sorry, I couldn't answer this: something failed on my side. The operators can see it. Please ask again."
LOST = (
    "Sorry, I couldn't answer this: I was stopped each time I tried. The operators can see it. Please ask again in "
    "different words, or ask a colleague."
)
SERVER_ERROR = 500

log = structlog.get_logger(__name__)


def question_id(item: InboxItem) -> str:
    """Return the id of the question made from an inbox item. It is the same for every attempt."""
    return f"q_{item.id}"


def _told(error: MenteeError, item: InboxItem) -> str:
    """Return what the asker is told of an error: of one that only operators can do something about, an apology.

    Such a text may name servers, folders and what a server said, which is nothing for a channel to read.
    """
    if error.status < SERVER_ERROR:
        return str(error)
    log.error("question_failed", item=item.id, problem=str(error))
    return APOLOGY


class Record(Protocol):
    """Commits an answer and finishes its inbox item; ``False`` if another worker has already done so."""

    async def __call__(self, question: Question, answer: Answer, *, inbox_item: InboxItem) -> bool:
        """Commit."""


class Unanswered:
    """Finishes inbox items that get no answer. Everything here is blocking."""

    def __init__(self, store: Store, inbox: Inbox, outbox: Outbox) -> None:
        self._store = store
        self._inbox = inbox
        self._outbox = outbox

    def handled(self, item: InboxItem) -> None:
        """Finish an item that its channel has handled, such as a vote."""
        with self._store.write() as session:
            self._inbox.finish(session, item.id)

    def retry(self, item: InboxItem, error: str, *, strike: bool = True, after: float = 1.0) -> bool:
        """Put an item back for a later attempt; return whether it has failed for good."""
        return self._inbox.failed(item, error, strike=strike, after=after)

    def give_up(self, item: InboxItem) -> bool:
        """End an item that too many workers died with; return ``False`` if another worker has taken it."""
        return self._inbox.give_up(item)

    def refuse(self, item: InboxItem, question: Question | None, text: str, *, given_up: bool = False) -> None:
        """Finish an item with a text instead of an answer.

        :param given_up: the item has already failed for good.
        """
        with self._store.write() as session:
            ended = self._inbox.finish(session, item.id)
            begun = question is not None and self._outbox.is_draft(session, delivery_id(question.id))
            if not ended and not given_up and not begun:
                return  # another worker has answered it, or it is withdrawn
            if question is not None and question.reply_to:
                notice = OutboxItem(
                    question.channel, "apology", question.reply_to, {"text": text}, delivery_id(question.id)
                )
                self._outbox.add(session, notice, lane=question.place)


class QuestionHandler:
    """Handles inbox items.

    :param channels: the started channels, by name.
    :param answer: yields the events of an answer; the last one is :class:`~bot.domain.answers.Done`.
    :param delivered: called when something new is in the outbox.
    """

    def __init__(  # noqa: PLR0913 - the steps from an item to its end
        self,
        channels: Mapping[str, Channel],
        answer: Callable[[Question], AsyncGenerator[AnswerEvent, None]],
        record: Record,
        *,
        events: AnswerEvents,
        unanswered: Unanswered,
        delivered: Callable[[], object],
    ) -> None:
        self._channels = channels
        self._answer = answer
        self._record = record
        self._events = events
        self._unanswered = unanswered
        self._delivered = delivered

    async def handle(self, item: InboxItem, lease: Lease) -> None:
        """Handle one item."""
        channel = self._channels[item.channel]
        question: Question | None = None
        try:
            question = await channel.handle(item)
            if question is None:
                await asyncio.to_thread(self._unanswered.handled, item)
                return
            question = replace(question, id=question_id(item))
            if item.given_up:
                await self._give_up(item, question)
            else:
                await self._stream(question, item, lease)
        except BusyError as error:
            await asyncio.to_thread(self._unanswered.retry, item, error.text, strike=False, after=error.retry_after)
        except MenteeError as error:
            await self._refuse(item, question, _told(error, item))
        except Exception as error:
            log.exception("question_failed", item=item.id)
            if await asyncio.to_thread(self._unanswered.retry, item, f"{type(error).__name__}"):
                await self._refuse(item, question, APOLOGY, given_up=True)
        finally:
            self._delivered()

    async def _give_up(self, item: InboxItem, question: Question) -> None:
        """Tell the asker that every worker died with the question. It isn't tried again: it may be what kills them."""
        log.error("question_lost", item=item.id, attempts=item.attempts)
        if await asyncio.to_thread(self._unanswered.give_up, item):
            await self._refuse(item, question, LOST, given_up=True)

    async def _stream(self, question: Question, item: InboxItem, lease: Lease) -> None:
        self._events.restart(question.id)
        async with self._showing(question) as show, aclosing(self._answer(question)) as events:
            async for event in events:
                if (lease.lost or self._events.ended(question.id)) and not isinstance(event, Done):
                    break  # another worker is answering it, or it is withdrawn or stopped: the rest is not written
                if isinstance(event, Done) and not await self._recorded(question, event, item):
                    break  # likewise, learned only now
                self._events.publish(question.id, event)
                show(event)

    async def _recorded(self, question: Question, done: Done, item: InboxItem) -> bool:
        return await self._record(question, done.answer, inbox_item=item)

    def _showing(self, question: Question) -> AbstractAsyncContextManager[Callable[[AnswerEvent], object]]:
        channel = self._channels[question.channel]
        return channel.showing(question) if isinstance(channel, LiveChannel) else nullcontext(lambda _: None)

    async def _refuse(self, item: InboxItem, question: Question | None, text: str, *, given_up: bool = False) -> None:
        await asyncio.to_thread(self._unanswered.refuse, item, question, text, given_up=given_up)
        if question is not None:
            self._events.publish(question.id, Failed(text))
