"""The event stream of one question: live when this process answers it, else from the database."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from fastapi.sse import ServerSentEvent

from bot.domain.answers import Done, Failed, Status, TextDelta
from bot.server.pages.markdown import render
from plugins.web.unanswered import STOPPED_BY_YOU

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bot.delivery.events import AnswerEvents
    from bot.domain.answers import AnswerEvent
    from bot.domain.people import Person
    from plugins.web.conversations import Conversations
    from plugins.web.intake import Intake

LOOK_SECONDS = 1.0
"""How often the database is looked at: for an answer of another process, and whether the person is still signed in."""

RETRY_MS = 1_500
SIGNED_OUT = "Your session has ended. Sign in, and you find the answer in this conversation."
FAILED = "I could not answer this. Please ask again."


class AnswerStream:
    """Streams answers to the page.

    :param live: the events of answers that this process is writing.
    """

    def __init__(self, live: AnswerEvents, intake: Intake, conversations: Conversations) -> None:
        self._live = live
        self._intake = intake
        self._conversations = conversations

    async def watch(
        self, person: Person, question_id: str, signed_in: Callable[[], bool]
    ) -> AsyncIterator[ServerSentEvent]:
        """Yield ``status``, ``text`` (the HTML so far) and at the end ``done`` (the answer) or ``failed``.

        When the process stops first, the stream ends after a hint when to reconnect.

        :param signed_in: returns whether the session or token is still valid; asked once a second. Blocking.
        """
        yield ServerSentEvent(retry=RETRY_MS, comment="watching")
        ended = await self._ended(person, question_id)
        if ended is not None:
            yield ended
            return
        text, session = "", _Session(signed_in)
        live = self._live.watch(question_id)
        coming = asyncio.ensure_future(anext(live))
        closing = asyncio.ensure_future(self._live.closed.wait())
        try:
            while not closing.done():
                await asyncio.wait({coming, closing}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if await session.ended():
                    yield _failed(SIGNED_OUT, None)
                    return
                if coming.done():
                    event = coming.result()
                    text = text + event.text if isinstance(event, TextDelta) else text
                    yield await self._sent(person, event, text)
                    if isinstance(event, Done | Failed):
                        return
                    coming = asyncio.ensure_future(anext(live))
                elif not closing.done() and (ended := await self._ended(person, question_id)):
                    yield ended
                    return
            yield ServerSentEvent(retry=RETRY_MS, comment="restarting")
        finally:
            closing.cancel()
            coming.cancel()
            await asyncio.gather(closing, coming, return_exceptions=True)
            await live.aclose()  # type: ignore[attr-defined] # an async generator

    async def _sent(self, person: Person, event: AnswerEvent, text: str) -> ServerSentEvent:
        if isinstance(event, Status):
            return ServerSentEvent(event="status", data={"text": event.text})
        if isinstance(event, TextDelta):
            return ServerSentEvent(event="text", data={"html": render(text)})
        if isinstance(event, Done):
            shown = await asyncio.to_thread(self._conversations.show_new, event.answer, person)
            return ServerSentEvent(event="done", data=shown)
        return _failed(event.text, event.retry_after, stopped=event.stopped)

    async def _ended(self, person: Person, question_id: str) -> ServerSentEvent | None:
        """Return the last event when the question has ended, in this process or another."""
        state = await asyncio.to_thread(self._intake.state, person, question_id)
        answer = await asyncio.to_thread(self._conversations.answer_to, person, question_id)
        if answer is not None:
            return ServerSentEvent(event="done", data=answer)
        if state == "stopped":
            return _failed(STOPPED_BY_YOU, None, stopped=True)
        return _failed(FAILED, None) if state == "ended" and not self._live.ended(question_id) else None


class _Session:
    """Whether the watcher is still signed in, looked up once a second."""

    def __init__(self, signed_in: Callable[[], bool]) -> None:
        self._signed_in = signed_in
        self._looked_at = time.monotonic()

    async def ended(self) -> bool:
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = time.monotonic()
        return not await asyncio.to_thread(self._signed_in)


def _failed(text: str, retry_after: float | None, *, stopped: bool = False) -> ServerSentEvent:
    data: dict[str, Any] = {"text": text, "retry_after": retry_after, "stopped": stopped}
    return ServerSentEvent(event="failed", data=data)
