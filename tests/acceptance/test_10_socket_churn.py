"""Slack's sockets come and go without a question lost or answered twice: a new one answers within a second."""

from __future__ import annotations

import asyncio
import time

import pytest

HALF_OPEN_SECONDS = 25
TURNS = 3
"""A machine that tests share may stand still for a second; then a later turn must show the promise."""


async def replaced(slack, accepted, seconds=10):
    """Wait until the app has opened another socket and the old ones are gone."""
    await slack.wait_until(lambda: slack.sockets.accepted > accepted and len(slack.sockets.open) == 1, seconds)


async def churned(slack, reason, places):
    """Have the socket replaced before each question; return the deliveries and the seconds of the slowest."""
    asked, seconds = [], []
    for place in places:
        accepted, told = slack.sockets.accepted, time.monotonic()
        await slack.sockets.disconnect(reason)
        await slack.wait_until(lambda known=accepted: slack.sockets.accepted > known)
        asked.append(await slack.mention("Are hotels tax exempt?", channel=place))
        seconds.append(time.monotonic() - told)
    return asked, max(seconds)


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_after_a_disconnect_the_new_socket_acknowledges_within_a_second(slack_project, fake_slack, reason):
    project = await slack_project()
    asked = []
    for turn in range(TURNS):
        latest, slowest = await churned(fake_slack, reason, [f"C{turn}{number}" for number in range(5)])
        asked += latest
        if slowest < 1:
            break
    assert slowest < 1
    assert all(delivery.acknowledged for delivery in asked)
    await project.settled()
    assert sorted(post.thread_ts for post in fake_slack.posts()) == sorted(delivery.ts for delivery in asked)


async def test_what_the_old_socket_took_is_not_answered_again_over_the_new_one(slack_project, fake_slack):
    project = await slack_project()
    for number in range(5):
        asking = asyncio.create_task(fake_slack.mention("Are hotels tax exempt?", channel=f"C{number}"))
        accepted = fake_slack.sockets.accepted
        await fake_slack.sockets.cut() if number % 2 else await fake_slack.sockets.disconnect("refresh_requested")
        await replaced(fake_slack, accepted)
        delivery = await asking
        again = await fake_slack.redeliver(delivery, retry=(1, "timeout"))
        assert again.acknowledged
    await project.settled()
    assert sorted(post.channel for post in fake_slack.posts()) == [f"C{number}" for number in range(5)]


@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_a_socket_that_answers_no_pings_is_found_and_replaced(slack_project, fake_slack):
    project = await slack_project()
    first = await fake_slack.mention("Are hotels tax exempt?", channel="C1")
    accepted = fake_slack.sockets.accepted
    muted = time.monotonic()
    fake_slack.sockets.answer_pings = False
    await fake_slack.wait_until(lambda: fake_slack.sockets.accepted > accepted, HALF_OPEN_SECONDS)
    assert time.monotonic() - muted < HALF_OPEN_SECONDS
    fake_slack.sockets.answer_pings = True
    await fake_slack.redeliver(first, retry=(1, "timeout"))
    assert (await fake_slack.mention("Are hotels tax exempt?", channel="C2")).acknowledged
    await project.settled()
    assert [post.channel for post in fake_slack.posts()] == ["C1", "C2"]
