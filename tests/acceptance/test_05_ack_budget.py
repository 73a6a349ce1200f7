"""Slack gets its acknowledgement within a second even when the model is busy for a minute: accepting never waits."""

from __future__ import annotations

import asyncio

import pytest

EVENTS = 50


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_fifty_events_at_once_are_acknowledged_in_time(slack_project, fake_slack, transport):
    project = await slack_project(transport)
    gate = project.engine.gate
    gate.clear()  # no answer ends before the test says so

    deliveries = await asyncio.gather(
        *(fake_slack.mention("Are hotels tax exempt?", user=f"U{n}", channel=f"C{n % 10}") for n in range(EVENTS))
    )

    early = fake_slack.posts()
    gate.set()
    seconds = sorted(delivery.seconds for delivery in deliveries)
    assert all(delivery.acknowledged for delivery in deliveries)
    assert seconds[-1] < 3
    assert seconds[int(EVENTS * 0.99) - 1] < 1
    assert early == []
    await project.settled(20)
    assert sorted(post.thread_ts for post in fake_slack.posts()) == sorted(delivery.ts for delivery in deliveries)
