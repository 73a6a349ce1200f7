"""If Slack accepts a post but its response is lost, Mentee finds the post by its id and nobody sees it twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.testing.engines import long_answer
from plugins.slack.testing import FakeSlack, drop, hang

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])


@TRANSPORTS
async def test_a_lost_reply_makes_no_second_post(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    fake_slack.fail("chat.postMessage", drop(stored=True))

    asked = await fake_slack.mention("Are hotels tax exempt?")
    await project.settled()

    [post] = fake_slack.posts("C1")
    assert len(fake_slack.called("chat.postMessage")) == 1
    assert fake_slack.called("conversations.replies")[0].arguments["ts"] == asked.ts
    await fake_slack.react("+1", user="U2", post=post)
    await project.settled()
    answer_id = project.mentee.outbox.find_answer("slack", f"C1:{post.ts}")
    assert answer_id is not None
    vote = project.mentee.votes.current(answer_id, "slack:U2")
    assert vote is not None
    assert vote.value == "up"


@TRANSPORTS
@pytest.mark.parametrize("method", ["chat.startStream", "chat.stopStream"])
async def test_a_lost_reply_about_a_stream_makes_no_second_message(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str, method: str
) -> None:
    project = await slack_project(transport, settings={"slack": {"streaming": "native"}})
    project.engine.gate.clear()  # an answer that is ready before its stream has begun would come whole
    fake_slack.fail(method, drop(stored=True))

    await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_until(lambda: fake_slack.called("chat.startStream"))
    project.engine.gate.set()
    await project.settled()

    [post] = fake_slack.posts("C1")
    assert (post.streaming, len(fake_slack.called("chat.startStream"))) == (False, 1)
    assert post.shown.count("12 states") == 1
    await fake_slack.react("+1", user="U2", post=post)
    await project.settled()
    answer_id = project.mentee.outbox.find_answer("slack", f"C1:{post.ts}")
    assert answer_id is not None
    vote = project.mentee.votes.current(answer_id, "slack:U2")
    assert vote is not None
    assert vote.value == "up"


async def test_a_long_answer_whose_middle_reply_was_lost_is_whole_and_in_order(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(settings={"model": {"max_new_tokens": 4096}})
    project.engine.answer = long_answer()
    fake_slack.fail("chat.postMessage", hang(0.1, stored=True))

    await fake_slack.mention("Are hotels tax exempt?")
    await project.settled()

    assert [post.metadata["event_payload"]["part"] for post in fake_slack.posts("C1")] == [0, 1]
