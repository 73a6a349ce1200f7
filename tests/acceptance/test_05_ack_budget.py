"""Slack gets its acknowledgement within a second even when the model is busy for a minute: accepting never waits."""

from __future__ import annotations

import asyncio

import pytest

EVENTS = 50
BURSTS = 3
"""A machine that tests share may stand still for a second; then a later burst must show the budget."""


async def burst(slack, number):
    """Ask fifty questions at once; return their deliveries."""
    return await asyncio.gather(
        *(slack.mention("Are hotels tax exempt?", user=f"U{n}", channel=f"C{number}-{n % 10}") for n in range(EVENTS))
    )


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_fifty_events_at_once_are_acknowledged_in_time(slack_project, fake_slack, transport):
    project = await slack_project(transport)
    gate = project.engine.gate
    gate.clear()  # no answer ends before the test says so
    deliveries = []
    for number in range(BURSTS):
        latest = await burst(fake_slack, number)
        deliveries += latest
        percentile = sorted(delivery.seconds for delivery in latest)[int(EVENTS * 0.99) - 1]
        if percentile < 1:
            break
    early = fake_slack.posts()
    gate.set()

    assert all(delivery.acknowledged for delivery in deliveries)
    assert max(delivery.seconds for delivery in deliveries) < 3
    assert percentile < 1
    assert early == []
    await project.settled(20)
    assert sorted(post.thread_ts for post in fake_slack.posts()) == sorted(delivery.ts for delivery in deliveries)
