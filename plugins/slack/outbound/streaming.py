"""Showing an answer while it is written: streamed, or in a message that is edited, or not before it is complete.

Each way gives way to the next by itself: Slack does not stream everywhere, and only so often. What is shown is noted in
the outbox before and after it appears, so that the delivery completes it in this process or in another.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from cachetools import LRUCache

from bot.domain.answers import Done, Status, TextDelta
from bot.domain.deliveries import OutboxItem, delivery_id
from bot.domain.errors import BusyError, MenteeError
from plugins.slack.client.web_api import RateLimitedError, SlackRefusedError, call
from plugins.slack.items import ANSWER, NAME
from plugins.slack.outbound.addresses import shown_while_made
from plugins.slack.outbound.live_messages import Edited, Streamed
from plugins.slack.workspaces.current import user_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from typing import Any, Literal

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.delivery.outbox import Outbox
    from bot.domain.answers import AnswerEvent
    from bot.domain.questions import Question
    from bot.storage.session import Store
    from plugins.slack.outbound.rate_limits import Pace, RateLimits
    from plugins.slack.outbound.status import StatusLines

PACE_SECONDS = 1.0
"""Between two changes of one message."""
LAST_WORD_SECONDS = 3.0
"""For ending a message whose answer is put off: a process that is stopping waits no longer."""
NEVER_SECONDS = 3_600.0
NOT_HERE = frozenset({"unknown_method", "missing_scope", "access_denied", "no_permission", "method_deprecated"})
"""Refusals that hold for the whole workspace: it is asked again after :data:`NEVER_SECONDS`."""
REMEMBERED = 500

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowingParts:
    """What showing an answer takes.

    :param client: gives the Web API client of the moment.
    :param streaming: as the operator set it (``slack.streaming``).
    """

    store: Store
    outbox: Outbox
    client: Callable[[], AsyncWebClient]
    status: StatusLines
    limits: RateLimits
    streaming: Literal["native", "edit", "off"]


class Streaming:
    """Shows the answers that this process writes."""

    def __init__(self, parts: ShowingParts) -> None:
        self._parts = parts
        self._showings: LRUCache[str, Showing] = LRUCache(REMEMBERED)

    @asynccontextmanager
    async def showing(self, question: Question) -> AsyncIterator[Callable[[AnswerEvent], None]]:
        """Show what becomes of a question; see :class:`bot.domain.ports.LiveChannel`."""
        address = question.reply_to
        if not address.get("thread_ts") or not shown_while_made(address):
            yield lambda _: None
            return
        showing = Showing(self._parts, question)
        self._showings[showing.item.id] = showing
        pump = asyncio.create_task(showing.run())
        try:
            yield showing.tell
        except BaseException as error:
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)
            if not isinstance(error, MenteeError) or isinstance(error, BusyError):
                await showing.put_off()  # else a refusal follows, and completes it
            raise
        else:
            await showing.end(pump)
        finally:
            showing.settled.set()

    async def taken(self, item: OutboxItem) -> Showing | None:
        """Return, once, how this process shows an item, as soon as nothing is under way there."""
        showing = self._showings.pop(item.id, None)
        if showing is None:
            return None
        await showing.settled.wait()
        return showing if showing.begun else None


class Showing:
    """One answer being shown. ``message`` is where, ``draft`` what the outbox knows of it once it has ``begun``."""

    def __init__(self, parts: ShowingParts, question: Question) -> None:
        self._parts = parts
        self._limits = parts.limits.of(question.reply_to)
        self._place = question.reply_to["channel"]
        self._user = user_of(question.person.id)
        self._streams = parts.streaming == "native"
        self._waits = parts.streaming == "off"
        self._text = ""
        self._steps: list[str] = []
        self._changed = asyncio.Event()
        self._over = asyncio.Event()
        self._complete = False
        self.begun = False
        self.item = OutboxItem(NAME, ANSWER, question.reply_to, {}, delivery_id(question.id))
        self.settled = asyncio.Event()
        self.message: Streamed | Edited | None = None
        self.draft: Mapping[str, Any] | None = None

    def tell(self, event: AnswerEvent) -> None:
        """Take the next event of the answer."""
        if isinstance(event, Status):
            self._steps.append(event.text)
        elif isinstance(event, TextDelta):
            self._text += event.text
        self._complete = self._complete or isinstance(event, Done)
        self._changed.set()

    async def run(self) -> None:
        """Show each change, at most one a second, until :meth:`end`."""
        while not self._over.is_set():
            await self._changed.wait()
            self._changed.clear()
            if self._over.is_set() or self._complete or not self._steps:  # what needs no step is ready at once
                continue
            try:
                await self._show()
            except Exception as error:  # noqa: BLE001 - the answer must not fail because it could not be watched
                log.info("slack_answer_not_shown", problem=getattr(error, "text", type(error).__name__))
                self._waits = True
            with suppress(TimeoutError):
                async with asyncio.timeout(PACE_SECONDS):
                    await self._over.wait()

    async def end(self, pump: asyncio.Task[None]) -> None:
        """Let the call under way come to its end. An answer that nobody wanted any more is taken away."""
        self._over.set()
        self._changed.set()
        await pump
        if not self._complete and self.begun:
            await self._withdraw()

    async def put_off(self) -> None:
        """Tell the readers that the answer follows: another try, or another process, completes what is shown."""
        if self.message is None:
            return
        with suppress(MenteeError, TimeoutError):
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self.message.put_off()
        if isinstance(self.message, Streamed):
            self.message.sound = False

    def _pace(self) -> Pace:
        return self._limits.pace(self._place)

    async def _show(self) -> None:
        if self.message is not None:
            if not self._waits:
                await self.message.show(self._text, self._steps)
        elif not self._waits and self._pace().free and self._streams and await self._limits.starts.take():
            await self._stream()
        elif not self._text:
            await self._say_step()
        elif not self._waits and self._pace().free:
            await self._post()
        elif not self._streams:
            self._waits = True  # the outbox posts it whole when its turn comes

    async def _stream(self) -> None:
        if not await self._begin():
            return
        recipient = {"recipient_user_id": self._user}
        if "team" in self.item.address:
            recipient["recipient_team_id"] = self.item.address["team"]
        try:
            async with self._pace():
                self.message = await Streamed.start(
                    self._parts.client(), self.item, self._limits, self._steps, recipient
                )
        except (RateLimitedError, SlackRefusedError) as error:
            self._streams = False
            if isinstance(error, RateLimitedError):
                self._limits.starts.close(error.retry_after)
            elif error.name in NOT_HERE:
                self._limits.starts.close(NEVER_SECONDS)
            log.info("slack_does_not_stream", problem=error.text)
            await self._note(None)
            self._parts.status.begin(self.item.address["channel"], self.item.address["thread_ts"])
            await self._say_step()
        else:
            await self._note({"ts": self.message.ts, "stream": True})

    async def _post(self) -> None:
        if not await self._begin():
            return
        try:
            async with self._pace():
                self.message = await Edited.start(self._parts.client(), self.item, self._limits, self._text)
        except (RateLimitedError, SlackRefusedError):
            await self._note(None)
            raise
        await self._note({"ts": self.message.ts, "stream": False})

    async def _begin(self) -> bool:
        """Note that something is about to be shown; ``False`` when another try has shown something already."""
        self._parts.status.end(self.item.address["channel"], self.item.address["thread_ts"])
        if self.begun:
            await self._note({})
            return True
        outbox, item = self._parts.outbox, self.item
        self.begun = await self._parts.store.run(lambda: outbox.begin(item, lane=item.address["channel"]))
        self.draft = {} if self.begun else None
        self._waits = not self.begun
        return self.begun

    async def _note(self, draft: Mapping[str, Any] | None) -> None:
        self.draft = draft
        await self._parts.store.run(self._parts.outbox.shows, self.item.id, draft)

    async def _say_step(self) -> None:
        address = self.item.address
        with suppress(MenteeError):  # the answer comes all the same
            await self._parts.status.show(address["channel"], address["thread_ts"], self._steps[-1])

    async def _withdraw(self) -> None:
        """Take away what is shown, unless another worker completes it."""
        try:
            gone = await self._parts.store.run(self._parts.outbox.withdraw, self.item.id)
            if gone and self.message is not None:
                client, where = self._parts.client(), {"channel": self.item.address["channel"], "ts": self.message.ts}
                with suppress(SlackRefusedError):
                    await call(client.chat_stopStream, "chat.stopStream", **where)
                await call(client.chat_delete, "chat.delete", **where)
        except Exception as error:  # noqa: BLE001 - as above
            log.warning("slack_draft_left", problem=getattr(error, "text", type(error).__name__))
