from __future__ import annotations

import asyncio
import time
from itertools import pairwise

import pytest

from plugins.slack.client.web_api import SlackRefusedError
from plugins.slack.outbound.rate_limits import CallLimit, Pace, WorkspaceLimits


@pytest.fixture
async def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The event loop's time, to be set."""
    now = [0.0]
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
    return now


async def test_a_burst_goes_through_and_then_one_every_three_seconds(now: list[float]) -> None:
    limit = CallLimit(20)
    assert [await limit.take() for _ in range(21)] == [True] * 20 + [False]
    now[0] = 2.9
    assert not await limit.take()
    now[0] = 3.1
    assert [await limit.take(), await limit.take()] == [True, False]
    now[0] = 10_000
    assert sum([await limit.take() for _ in range(30)]) == 20


async def test_closed_it_lets_nothing_through(now: list[float]) -> None:
    limit = CallLimit(20)
    limit.close(30)
    limit.close(10)
    now[0] = 29
    assert not await limit.take()
    now[0] = 31
    assert await limit.take()


async def test_messages_keep_their_distance_from_when_the_one_before_had_arrived() -> None:
    pace, spans = Pace(0.1), []

    async def post(seconds: float) -> None:
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


async def test_what_slack_refused_holds_up_nobody() -> None:
    pace = Pace(60)
    with pytest.raises(SlackRefusedError):
        async with pace:
            raise SlackRefusedError("chat.startStream", "channel_type_not_supported")
    assert pace.free


async def test_quiet_conversations_are_forgotten_and_those_in_use_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.slack.outbound.rate_limits.PACES", 10)
    limits = WorkspaceLimits()
    async with limits.pace("C-open"):
        waiting = asyncio.create_task(limits.pace("C-open").__aenter__())
        await asyncio.sleep(0)
        used = limits.pace("C-open")
        for number in range(100):
            assert limits.pace(f"C{number}").free
        assert limits.pace("C-open") is used
        assert len(limits._paces) <= 10
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_who_stops_waiting_holds_up_nobody() -> None:
    pace = Pace(0.05)
    async with pace:
        pass
    waiting = asyncio.create_task(pace.__aenter__())
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(5), pace:
        assert not pace.free
