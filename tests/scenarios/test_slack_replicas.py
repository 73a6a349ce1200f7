"""Several processes on one database: each question answered by one of them, each channel at its pace."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from bot.storage.tables.delivery import InboxRow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

QUESTION = "Are hotels tax exempt?"
ANSWER = "Hotels are tax exempt in 12 states [1]."
QUESTIONS = 16


@pytest.mark.parametrize("streaming", ["native", "off"])
async def test_replicas_share_the_questions_and_answer_each_once(
    slack_project: MakeSlackProject,
    fake_slack: FakeSlack,
    replica: Callable[[str], Awaitable[SlackProject]],
    streaming: str,
) -> None:
    project = await slack_project(settings={"slack": {"streaming": streaming}})
    other = await replica(ANSWER)
    for engine in (project.engine, other.engine):
        engine.delay = 0.05
    await asyncio.gather(*(fake_slack.mention(QUESTION, channel=f"C{number}") for number in range(QUESTIONS)))
    await project.settled()
    assert [len(fake_slack.posts(f"C{number}")) for number in range(QUESTIONS)] == [1] * QUESTIONS
    assert all(post.thumbs and "12 states" in post.shown and not post.streaming for post in fake_slack.posts())
    assert len(project.engine.requests) + len(other.engine.requests) == QUESTIONS
    with project.mentee.store.read() as session:
        assert set(session.scalars(select(InboxRow.strikes))) == {0}, "no question failed on the way"


async def test_one_event_that_reaches_two_replicas_is_answered_once(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, replica: Callable[[str], Awaitable[SlackProject]]
) -> None:
    project = await slack_project()
    await replica(ANSWER)
    asked = await fake_slack.mention(QUESTION)
    fake_slack.sockets.open.reverse()  # the newest gets the next
    again = await fake_slack.redeliver(asked)
    assert (again.acknowledged, len(fake_slack.sockets.open)) == (True, 2)
    await project.settled()
    assert len(fake_slack.posts("C1")) == 1


async def test_replicas_keep_one_pace_in_a_channel(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, replica: Callable[[str], Awaitable[SlackProject]]
) -> None:
    project = await slack_project()
    await replica(ANSWER)
    for _ in range(4):
        await fake_slack.mention(QUESTION)
    await project.settled()
    moments = [post.at for post in fake_slack.posts("C1")]
    assert len(moments) == 4
    assert all(later - earlier >= 1 for earlier, later in pairwise(moments))
