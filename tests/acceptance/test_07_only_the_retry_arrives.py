"""A question whose first delivery was lost is answered when Slack's retry arrives: a retry mark drops nothing."""

from __future__ import annotations

import pytest

from bot.testing.slack import payloads


@pytest.mark.parametrize("transport", ["socket", "http"])
async def test_an_unseen_retry_is_a_first_delivery(slack_project, fake_slack, transport):
    project = await slack_project(transport)
    message = payloads.message("app_mention", text="Are hotels tax exempt?", channel="C1", user="U1", ts="9.000001")

    delivery = await fake_slack.deliver(payloads.event(message), retry=(1, "http_timeout"))

    assert delivery.acknowledged
    post = await fake_slack.wait_for_post("C1")
    assert post.thread_ts == "9.000001"
    await project.settled()
    assert len(fake_slack.posts("C1")) == 1


async def test_a_delivery_that_the_inbox_could_not_take_is_answered_when_it_comes_again(
    slack_project, fake_slack, monkeypatch
):
    from sqlalchemy.exc import OperationalError

    project = await slack_project("http")
    accept = project.mentee.inbox.accept_all

    def unreachable(_items):
        raise OperationalError("insert", {}, Exception("the database is away"))

    monkeypatch.setattr(project.mentee.inbox, "accept_all", unreachable)
    first = await fake_slack.mention("Are hotels tax exempt?", again=False)
    assert first.status == 500
    monkeypatch.setattr(project.mentee.inbox, "accept_all", accept)
    await fake_slack.redeliver(first, retry=(1, "http_error"))
    assert first.acknowledged
    await project.settled()
    assert len(fake_slack.posts("C1")) == 1
