"""When Slack replaces its sockets, no question is lost, acknowledged late or answered twice."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject

HALF_OPEN_SECONDS = 25
SLACK_SECONDS = 3.0
QUESTIONS = 5


async def replaced(slack: FakeSlack, accepted: Any, seconds: float = 10) -> None:
    """Wait until the app has opened another socket and the old ones are gone."""
    await slack.wait_until(lambda: slack.sockets.accepted > accepted and len(slack.sockets.open) == 1, seconds)


def _more_than(slack: FakeSlack, known: int) -> bool:
    return slack.sockets.accepted > known


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_after_a_disconnect_the_new_socket_acknowledges_the_first_delivery_in_time(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, reason: Any
) -> None:
    project = await slack_project()
    asked, seconds = [], []
    for number in range(QUESTIONS):
        accepted, told = fake_slack.sockets.accepted, time.monotonic()
        await fake_slack.sockets.disconnect(reason)
        await fake_slack.wait_until(partial(_more_than, fake_slack, accepted))
        asked.append(await fake_slack.mention("Are hotels tax exempt?", channel=f"C{number}", again=False))
        seconds.append(time.monotonic() - told)
    assert [(delivery.status, delivery.attempts) for delivery in asked] == [(200, 1)] * QUESTIONS
    assert max(seconds) < SLACK_SECONDS, "what Slack sends at the moment of the disconnect waits for the new socket"
    await project.settled()
    assert sorted(str(post.thread_ts) for post in fake_slack.posts()) == sorted(str(delivery.ts) for delivery in asked)


async def test_what_the_old_socket_took_is_not_answered_again_over_the_new_one(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
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


@pytest.mark.full
async def test_a_socket_that_answers_no_pings_is_found_and_replaced(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
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
