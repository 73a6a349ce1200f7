"""The event stream of one question: live where this process answers it, from the database where another one did."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi.sse import ServerSentEvent

from bot.messages import Done, Failed, Status, TextDelta
from plugins.web.markdown import render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bot.app import Mentee
    from bot.messages import AnswerEvent, Person
    from plugins.web.conversations import Conversations

LOOK_SECONDS = 1.0
RETRY_MS = 1_500
FAILED = "I could not answer this. Please ask again."


async def answer_events(
    mentee: Mentee, conversations: Conversations, person: Person, question_id: str
) -> AsyncIterator[ServerSentEvent]:
    """Yield ``status``, ``text`` (the HTML so far) and at the end ``done`` (the answer) or ``failed``.

    When the process stops first, the stream ends with nothing but the hint when to come back.
    """
    yield ServerSentEvent(retry=RETRY_MS, comment="watching")
    ended = await _ended(mentee, conversations, person, question_id)
    if ended is not None:
        yield ended
        return
    text = ""
    live = mentee.streams.watch(question_id)
    coming = asyncio.ensure_future(anext(live))
    closing = asyncio.ensure_future(mentee.streams.closed.wait())
    try:
        while not closing.done():
            await asyncio.wait({coming, closing}, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                event = coming.result()
                text = text + event.text if isinstance(event, TextDelta) else text
                yield await _sent(mentee, conversations, event, text)
                if isinstance(event, Done | Failed):
                    return
                coming = asyncio.ensure_future(anext(live))
            elif not closing.done() and (ended := await _ended(mentee, conversations, person, question_id)):
                yield ended
                return
        yield ServerSentEvent(retry=RETRY_MS, comment="restarting")
    finally:
        closing.cancel()
        coming.cancel()
        await asyncio.gather(closing, coming, return_exceptions=True)
        await live.aclose()  # type: ignore[attr-defined] # an async generator


async def _sent(mentee: Mentee, conversations: Conversations, event: AnswerEvent, text: str) -> ServerSentEvent:
    if isinstance(event, Status):
        return ServerSentEvent(event="status", data={"text": event.text})
    if isinstance(event, TextDelta):
        return ServerSentEvent(event="text", data={"html": render(text)})
    if isinstance(event, Done):
        return ServerSentEvent(event="done", data=await mentee.store.run(conversations.show, event.answer))
    return _failed(event.text, event.retry_after)


async def _ended(
    mentee: Mentee, conversations: Conversations, person: Person, question_id: str
) -> ServerSentEvent | None:
    """Return the last event when the question has ended somewhere, in this process or another."""
    state = await mentee.store.run(conversations.state, person, question_id)
    answer = await mentee.store.run(conversations.answer_to, person, question_id)
    if answer is not None:
        return ServerSentEvent(event="done", data=answer)
    return _failed(FAILED, None) if state == "ended" and not mentee.streams.ended(question_id) else None


def _failed(text: str, retry_after: float | None) -> ServerSentEvent:
    data: dict[str, Any] = {"text": text, "retry_after": retry_after}
    return ServerSentEvent(event="failed", data=data)
