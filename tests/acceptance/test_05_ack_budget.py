"""Slack gets its acknowledgement within a second even when the model is busy for a minute: accepting never waits."""

from __future__ import annotations

import asyncio

import pytest

EVENTS = 50
BURSTS = 3
"""A machine that tests share may stand still for a second; then a later burst must show the budget."""


async def burst(slack, number):
    """Ask fifty questions at once; return their deliveries."""
    asked = (
        slack.mention("Are hotels tax exempt?", user=f"U{n}", channel=f"C{number}-{n % 10}", again=False)
        for n in range(EVENTS)
    )
    return await asyncio.gather(*asked)


def in_time(deliveries):
    """Return whether all were acknowledged within Slack's three seconds, and 99 of 100 within one."""
    seconds = sorted(delivery.seconds for delivery in deliveries)
    return all(each.acknowledged for each in deliveries) and seconds[-1] < 3 and seconds[int(EVENTS * 0.99) - 1] < 1


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_fifty_events_at_once_are_acknowledged_in_time(slack_project, fake_slack, transport):
    project = await slack_project(transport)
    gate = project.engine.gate
    gate.clear()  # no answer ends before the test says so
    deliveries = []
    for number in range(BURSTS):
        latest = await burst(fake_slack, number)
        deliveries += latest
        if in_time(latest):
            break
    lost = [delivery for delivery in deliveries if not delivery.acknowledged]
    await asyncio.gather(*map(fake_slack.redeliver, lost))
    early = fake_slack.posts()
    gate.set()

    assert in_time(latest)
    assert early == []
    await project.settled()
    assert sorted(post.thread_ts for post in fake_slack.posts()) == sorted(delivery.ts for delivery in deliveries)
