from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.delivery.events import REMEMBERED, UNDER_WAY, AnswerEvents
from bot.domain.answers import Answer, Done, Failed, Status, TextDelta

if TYPE_CHECKING:
    from bot.domain.answers import AnswerEvent


DONE = Done(Answer("q", "Yes.", known=True, department="it"))


async def collect(streams: AnswerEvents, question_id: str) -> list[AnswerEvent]:
    return [event async for event in streams.watch(question_id)]


async def test_a_late_watcher_gets_everything() -> None:
    streams = AnswerEvents()
    streams.publish("q", Status("Searching"))
    early = asyncio.create_task(collect(streams, "q"))
    await asyncio.sleep(0)
    streams.publish("q", TextDelta("Yes."))
    streams.publish("q", DONE)
    late = await collect(streams, "q")
    assert late == await early == [Status("Searching"), TextDelta("Yes."), DONE]


async def test_questions_that_another_process_answers_are_not_remembered_for_ever() -> None:
    streams = AnswerEvents()
    for number in range(UNDER_WAY + 1):
        watcher = asyncio.ensure_future(anext(streams.watch(f"q_{number}")))
        await asyncio.sleep(0)
        watcher.cancel()
    assert len(streams._running) == UNDER_WAY
    streams.publish("q_0", DONE)
    assert await collect(streams, "q_0") == [DONE]


async def test_nothing_follows_the_end() -> None:
    streams = AnswerEvents()
    streams.publish("q", Failed("no"))
    streams.publish("q", TextDelta("late"))
    assert await collect(streams, "q") == [Failed("no")]


async def test_a_second_try_starts_over() -> None:
    streams = AnswerEvents()
    streams.publish("q", TextDelta("half an ans"))
    streams.restart("q")
    streams.publish("q", TextDelta("Yes."))
    streams.publish("q", DONE)
    assert await collect(streams, "q") == [TextDelta("Yes."), DONE]


async def test_remembers_a_bounded_number_of_streams() -> None:
    streams = AnswerEvents()
    for number in range(REMEMBERED * 2):
        streams.publish(f"q{number}", Failed("x"))
    assert len(streams._ended) == REMEMBERED
