import asyncio

from bot.messages import Answer, Done, Failed, Status, TextDelta
from bot.streams import REMEMBERED, AnswerStreams

DONE = Done(Answer("q", "Yes.", known=True, department="it"))


async def collect(streams, question_id):
    return [event async for event in streams.watch(question_id)]


async def test_a_late_watcher_gets_everything():
    streams = AnswerStreams()
    streams.publish("q", Status("Searching"))
    early = asyncio.create_task(collect(streams, "q"))
    await asyncio.sleep(0)
    streams.publish("q", TextDelta("Yes."))
    streams.publish("q", DONE)
    late = await collect(streams, "q")
    assert late == await early == [Status("Searching"), TextDelta("Yes."), DONE]


async def test_nothing_follows_the_end():
    streams = AnswerStreams()
    streams.publish("q", Failed("no"))
    streams.publish("q", TextDelta("late"))
    assert await collect(streams, "q") == [Failed("no")]


async def test_a_second_try_starts_over():
    streams = AnswerStreams()
    streams.publish("q", TextDelta("half an ans"))
    streams.restart("q")
    streams.publish("q", TextDelta("Yes."))
    streams.publish("q", DONE)
    assert await collect(streams, "q") == [TextDelta("Yes."), DONE]


async def test_remembers_a_bounded_number_of_streams():
    streams = AnswerStreams()
    for number in range(REMEMBERED * 2):
        streams.publish(f"q{number}", Failed("x"))
    assert len(streams._streams) == REMEMBERED
