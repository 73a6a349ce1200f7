"""When Slack rate-limits a channel, its answer waits as long as asked and arrives once; other channels don't wait."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from plugins.slack.testing import FakeSlack, error, rate_limited

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])


@TRANSPORTS
@pytest.mark.parametrize(("streaming", "method"), [("off", "chat.postMessage"), ("native", "chat.stopStream")])
async def test_only_the_limited_channel_waits(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str, streaming: str, method: str
) -> None:
    project = await slack_project(transport, settings={"slack": {"streaming": streaming}})
    fake_slack.fail(method, rate_limited(3), times=2, channel="C1")

    project.engine.gate.clear()  # an answer that is ready before its stream has begun would come whole
    await fake_slack.mention("Are hotels tax exempt?", channel="C1")
    if streaming == "native":
        await fake_slack.wait_until(lambda: fake_slack.called("chat.startStream"))
    project.engine.gate.set()
    await fake_slack.wait_until(lambda: fake_slack.called(method))
    await fake_slack.mention("Are hotels tax exempt?", channel="C2")
    other = await fake_slack.wait_for_post("C2")
    limited = await fake_slack.wait_for_post("C1")
    await project.settled()

    tries = [call.at for call in fake_slack.called(method) if call.arguments["channel"] == "C1"]
    assert len(tries) == 3
    assert all(later - earlier >= 3 for earlier, later in pairwise(tries))
    assert [call.at for call in fake_slack.calls if call.arguments.get("channel") == "C2"][-1] < tries[-1]
    assert other.thumbs
    assert limited.thumbs
    assert len(fake_slack.posts("C1")) == 1


@pytest.mark.parametrize(("transport", "streaming"), [("socket", "off"), ("http", "native")])
async def test_a_channel_gets_one_message_a_second(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str, streaming: str
) -> None:
    project = await slack_project(transport, settings={"slack": {"streaming": streaming}})
    fake_slack.fail("chat.startStream", error("channel_type_not_supported"), times=9)
    for _ in range(3):
        await fake_slack.mention("Are hotels tax exempt?", channel="C1")
    for number in range(3):
        await fake_slack.mention("Are hotels tax exempt?", channel=f"C2{number}")
    await project.settled()
    posted = {channel: [post.at for post in fake_slack.posts(channel)] for channel in ("C1", "C20", "C21", "C22")}
    assert [len(moments) for moments in posted.values()] == [3, 1, 1, 1]
    assert all(later - earlier >= 1 for earlier, later in pairwise(posted["C1"]))
    assert max(moments[0] for channel, moments in posted.items() if channel != "C1") < posted["C1"][-1]
