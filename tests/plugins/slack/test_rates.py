from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from plugins.slack.answers.rates import Pace, TokenBucket
from plugins.slack.client import SlackRefusedError


@pytest.fixture
def bucket():
    now = [0.0]
    made = TokenBucket(20, clock=lambda: now[0])
    return made, now


def test_a_burst_goes_through_and_then_one_every_three_seconds(bucket):
    made, now = bucket
    assert [made.take() for _ in range(21)] == [True] * 20 + [False]
    now[0] = 2.9
    assert not made.take()
    now[0] = 3.1
    assert [made.take(), made.take()] == [True, False]
    now[0] = 10_000
    assert sum(made.take() for _ in range(30)) == 20


def test_closed_it_lets_nothing_through(bucket):
    made, now = bucket
    made.close(30)
    made.close(10)
    now[0] = 29
    assert not made.take()
    now[0] = 31
    assert made.take()


async def test_messages_keep_their_distance_from_when_the_one_before_had_arrived():
    pace, spans = Pace(0.1), []

    async def post(seconds):
        async with pace:
            started = time.monotonic()
            await asyncio.sleep(seconds)
            spans.append((started, time.monotonic()))

    assert pace.free
    slow = asyncio.create_task(post(0.05))
    await asyncio.sleep(0)
    assert not pace.free
    await asyncio.gather(slow, post(0), post(0))
    assert not pace.free
    assert all(later[0] - earlier[1] >= 0.1 for earlier, later in pairwise(spans))


async def test_what_slack_refused_holds_up_nobody():
    pace = Pace(60)
    with pytest.raises(SlackRefusedError):
        async with pace:
            raise SlackRefusedError("chat.startStream", "channel_type_not_supported")
    assert pace.free


async def test_who_stops_waiting_holds_up_nobody():
    pace = Pace(0.05)
    async with pace:
        pass
    waiting = asyncio.create_task(pace.__aenter__())
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(5), pace:
        assert not pace.free
