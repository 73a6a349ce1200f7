"""When Slack asks to wait in one channel, that channel waits as long as asked, is answered once, and no other waits."""

from __future__ import annotations

from itertools import pairwise

from bot.testing.slack import rate_limited


async def test_only_the_limited_channel_waits(slack_project, fake_slack):
    project = await slack_project()
    fake_slack.fail("chat.postMessage", rate_limited(3), times=2, channel="C1")

    await fake_slack.mention("Are hotels tax exempt?", channel="C1")
    await fake_slack.wait_until(lambda: fake_slack.called("chat.postMessage"))
    await fake_slack.mention("Are hotels tax exempt?", channel="C2")
    other = await fake_slack.wait_for_post("C2", seconds=2.5)
    limited = await fake_slack.wait_for_post("C1", seconds=15)
    await project.settled()

    tries = [call.at for call in fake_slack.called("chat.postMessage") if call.arguments["channel"] == "C1"]
    assert len(tries) == 3
    assert all(later - earlier >= 3 for earlier, later in pairwise(tries))
    assert other.at < limited.at
    assert len(fake_slack.posts("C1")) == 1
