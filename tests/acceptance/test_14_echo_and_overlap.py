"""Mentee never answers itself, other bots or Slack's own notices, and answers each message once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from plugins.slack.testing import FakeSlack, payloads

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])
TEXT = "<@U0BOT> Are hotels tax exempt?"
NOT_QUESTIONS: dict[str, dict[str, Any]] = {
    "its own message": {"user": "U0BOT", "text": TEXT, "bot_id": "B0BOT"},
    "its own message without a bot id": {"user": "U0BOT", "text": TEXT},
    "another bot": {"user": "U9", "text": TEXT, "bot_id": "B9"},
    "Slackbot": {"user": "USLACKBOT", "text": TEXT},
    "a bot message": {"subtype": "bot_message", "text": TEXT, "bot_id": "B9", "username": "alerts"},
    "an edit": {
        "subtype": "message_changed",
        "message": {"user": "U1", "text": TEXT, "ts": "5.000001"},
        "hidden": True,
    },
    "a deletion": {"subtype": "message_deleted", "deleted_ts": "5.000001", "hidden": True},
    "a join": {"subtype": "channel_join", "user": "U1", "text": "<@U1> has joined the channel"},
    "a channel's topic": {"subtype": "channel_topic", "user": "U1", "text": TEXT, "topic": TEXT},
}


@TRANSPORTS
@pytest.mark.parametrize("kind", NOT_QUESTIONS)
@pytest.mark.parametrize("place", ["C1", "D1"])
async def test_what_is_no_question_is_acknowledged_and_dropped(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str, kind: Any, place: str
) -> None:
    project = await slack_project(transport)
    parts: dict[str, Any] = {"channel": place, "ts": "5.000002", "channel_type": "im" if place == "D1" else "channel"}
    delivery = await fake_slack.deliver(payloads.event(payloads.message("message", **parts, **NOT_QUESTIONS[kind])))
    assert delivery.acknowledged
    await project.settled()
    assert project.engine.requests == []
    assert fake_slack.posts() == []


@TRANSPORTS
@pytest.mark.parametrize("order", [("app_mention", "message"), ("message", "app_mention")])
async def test_a_mention_told_as_two_events_is_answered_once(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str, order: Any
) -> None:
    project = await slack_project(transport)
    parts = {"text": TEXT, "channel": "C1", "user": "U1", "ts": "5.000001"}
    events = [
        payloads.event(payloads.message(kind, **parts, **({"channel_type": "channel"} if kind == "message" else {})))
        for kind in order
    ]
    deliveries = await asyncio.gather(*(fake_slack.deliver(event) for event in events))
    assert all(delivery.acknowledged for delivery in deliveries)
    await project.settled()
    assert len(fake_slack.posts("C1")) == 1


@TRANSPORTS
async def test_its_answers_told_back_to_it_make_no_loop(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    asked = await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_for_post("C1")
    [post] = fake_slack.posts("C1")
    echo = payloads.message(
        "message", user="U0BOT", bot_id="B0BOT", app_id="A0FAKE", text=post.text, channel="C1", ts=post.ts,
        thread_ts=asked.ts, channel_type="channel",
    )  # fmt: skip
    assert (await fake_slack.deliver(payloads.event(echo))).acknowledged
    await project.settled()
    assert len(fake_slack.posts("C1")) == 1
