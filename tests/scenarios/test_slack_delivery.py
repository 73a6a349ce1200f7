"""Posting when Slack misbehaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.access.erasure import erase_questions
from bot.storage.tables.answers import QuestionRow
from bot.storage.tables.delivery import OutboxRow
from bot.testing.engines import long_answer
from plugins.slack.copy.answers import withheld
from plugins.slack.settings import SlackSettings
from plugins.slack.testing import FakeSlack, drop, error, hang, http_error, rate_limited
from plugins.slack.workspaces.channels import Channels

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject


async def test_a_server_error_is_tried_again_without_a_strike(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    await slack_project()
    fake_slack.fail("chat.postMessage", http_error(502), times=2)
    await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_for_post("C1")
    assert [call.answer for call in fake_slack.called("chat.postMessage")] == ["http_error", "http_error", ""]


async def test_a_post_that_never_arrived_is_sent_again(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project()
    fake_slack.fail("chat.postMessage", drop(stored=False))
    await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_for_post("C1")
    await project.settled()
    assert len(fake_slack.posts("C1")) == 1


async def test_blocks_that_a_workspace_refuses_are_sent_as_text(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    await slack_project()
    fake_slack.fail("chat.postMessage", error("invalid_blocks"))
    await fake_slack.mention("Are hotels tax exempt?")
    post = await fake_slack.wait_for_post("C1")
    assert post.blocks == []
    assert "Hotels are tax exempt in 12 states [1]." in post.text


async def test_a_channel_that_threw_us_out_ends_in_a_dead_delivery(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    fake_slack.fail("chat.postMessage", error("not_in_channel"), times=9)
    await fake_slack.mention("Are hotels tax exempt?")
    await project.settled()
    with project.mentee.store.read() as session:
        row = session.scalars(select(OutboxRow)).one()
    assert (row.state, row.strikes) == ("dead", 3)
    assert "not_in_channel" in row.error


async def test_a_long_answer_goes_on_where_slack_asked_to_wait(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await slack_project(settings={"model": {"max_new_tokens": 4096}})
    project.engine.answer = long_answer()
    real = fake_slack.web_api.plan.take
    calls = []

    def second_call_is_limited(method: str, arguments: Any) -> Any:
        if method == "chat.postMessage":
            calls.append(method)
            if len(calls) == 2:
                return rate_limited(1)
        return real(method, arguments)

    monkeypatch.setattr(fake_slack.web_api.plan, "take", second_call_is_limited)
    await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_for_post("C1", count=2)
    await project.settled()
    parts = [post.metadata["event_payload"]["part"] for post in fake_slack.posts("C1")]
    assert parts == [0, 1]


async def test_slack_that_cannot_be_reached_at_start_keeps_nothing_from_starting(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    fake_slack.fail("auth.test", http_error(503))
    fake_slack.fail("apps.connections.open", http_error(503))
    project = await slack_project(start=False)
    await project.runtime.start()
    channel = project.runtime.channels["slack"]
    assert not channel.healthy()
    await fake_slack.wait_for_socket()
    await fake_slack.mention("Are hotels tax exempt?")
    assert "12 states" in (await fake_slack.wait_for_post("C1")).shown


async def test_a_hanging_call_ends_at_its_limit(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.slack.client.web_api.CALL_SECONDS", 0.3)
    await slack_project()
    fake_slack.fail("chat.postMessage", hang(5))
    await fake_slack.mention("Are hotels tax exempt?")
    assert "12 states" in (await fake_slack.wait_for_post("C1")).shown


async def test_a_token_revoked_while_serving_lets_answers_wait(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plugins.slack.client.web_api.TOKEN_WAIT", 0.5)
    await slack_project()
    fake_slack.fail("chat.postMessage", error("token_revoked"), times=4)  # a strike each would be one too many
    await fake_slack.mention("Are hotels tax exempt?")
    assert "12 states" in (await fake_slack.wait_for_post("C1")).shown


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("change", ["department", "document", "erasure"])
async def test_an_answer_whose_rights_change_before_it_is_posted_is_withheld(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, change: str, *, private: bool
) -> None:
    project = await slack_project()
    fake_slack.fail("chat.postEphemeral" if private else "chat.postMessage", http_error(503), times=2)
    if private:
        Channels(project.mentee.places, SlackSettings.of(project.mentee.settings)).change(
            "C1", {"private_first": True}, actor="test"
        )
    await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_until(lambda: fake_slack.called("chat.postEphemeral" if private else "chat.postMessage"))
    if change == "department":
        project.mentee.departments.configure("travel", {"open": False}, actor="test")
    elif change == "document":
        retriever: Any = project.mentee.retriever
        retriever.readers = {"travel/lodging.md": frozenset({"department:board"})}
    else:
        with project.mentee.store.write() as session:
            erase_questions(session, list(session.scalars(select(QuestionRow.id))), actor="test")
    await project.settled()
    shown = [call["text"] for call in fake_slack.ephemerals] + [post.shown for post in fake_slack.posts("C1")]
    assert shown == ([] if change == "erasure" else [withheld()])
    assert "12 states" not in str(fake_slack.ephemerals)
