"""Each person has one current vote per answer, the latest; its history is kept, and forged votes are ignored."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.storage.tables.feedback import VoteEventRow, VoteRow
from plugins.slack.testing import FakeSlack, payloads

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject


@pytest.fixture(params=["socket", "http"])
async def answered(request: pytest.FixtureRequest, slack_project: MakeSlackProject) -> Any:
    """An instance that has answered, and its post; over either transport."""
    project = await slack_project(request.param)
    return project, await project.ask("Are hotels tax exempt?")


def current(project: SlackProject) -> dict[str, str]:
    with project.mentee.store.read() as session:
        return {row.person_id: row.value for row in session.scalars(select(VoteRow))}


def history(project: SlackProject) -> Any:
    with project.mentee.store.read() as session:
        return [row.value for row in session.scalars(select(VoteEventRow).order_by(VoteEventRow.at))]


async def test_pressing_the_same_thumb_again_is_still_one_vote(answered: Any, fake_slack: FakeSlack) -> None:
    project, post = answered
    await fake_slack.press("up", user="U2", post=post)
    await fake_slack.press("up", user="U2", post=post)
    await project.settled()
    assert current(project) == {"slack:U2": "up"}
    assert history(project) == ["up", "up"]


async def test_the_last_thumb_wins_and_the_first_stays_in_the_history(answered: Any, fake_slack: FakeSlack) -> None:
    project, post = answered
    await fake_slack.press("up", user="U2", post=post)
    await fake_slack.press("down", user="U2", post=post)
    await project.settled()
    assert current(project) == {"slack:U2": "down"}
    assert history(project) == ["up", "down"]


async def test_two_people_have_two_votes(answered: Any, fake_slack: FakeSlack) -> None:
    project, post = answered
    await asyncio.gather(fake_slack.press("up", user="U2", post=post), fake_slack.press("down", user="U3", post=post))
    await project.settled()
    assert current(project) == {"slack:U2": "up", "slack:U3": "down"}


async def test_a_thumb_and_an_emoji_of_one_person_are_one_vote(answered: Any, fake_slack: FakeSlack) -> None:
    project, post = answered
    await fake_slack.press("up", user="U2", post=post)
    await fake_slack.react("-1", user="U2", post=post)
    await project.settled()
    assert current(project) == {"slack:U2": "down"}


async def test_a_replayed_press_changes_nothing(answered: Any, fake_slack: FakeSlack) -> None:
    project, post = answered
    first = await fake_slack.press("up", user="U2", post=post)
    await fake_slack.press("down", user="U2", post=post)
    await fake_slack.redeliver(first)
    await project.settled()
    assert first.acknowledged
    assert current(project) == {"slack:U2": "down"}
    assert history(project) == ["up", "down"]


async def test_presses_handled_in_the_wrong_order_end_with_the_last_one(answered: Any, fake_slack: FakeSlack) -> None:
    project, post = answered
    values = {side: post.thumbs[f"{name}_button"]["value"] for side, name in (("up", "positive"), ("down", "negative"))}
    earlier, later = (payloads.press(post, post.thumbs, values[side], user="U2") for side in ("up", "down"))
    for payload in (later, earlier):
        await fake_slack.deliver(payload, kind="interactive")
        await project.settled()
    assert current(project) == {"slack:U2": "down"}


@pytest.mark.parametrize("value", ["up:a_forged", "down:", "sideways:a_1", "up", "", "up:" + "a" * 1_990])
async def test_a_forged_answer_is_ignored_and_not_named_in_the_log(
    answered: Any,
    fake_slack: FakeSlack,
    value: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG, logger="plugins")
    project, post = answered
    capfd.readouterr()
    pressed = await fake_slack.press("up", user="U2", post=post, value=value or "x")
    await project.settled()
    assert pressed.acknowledged
    assert current(project) == {}
    assert history(project) == []
    assert not value or value not in caplog.text + capfd.readouterr().out


async def test_an_answer_of_another_channel_cannot_be_voted_on_from_here(answered: Any, fake_slack: FakeSlack) -> None:
    project, post = answered
    await fake_slack.mention("Are hotels tax exempt?", channel="C2")
    other = await fake_slack.wait_for_post("C2")
    await project.settled()
    await fake_slack.press("down", user="U2", post=other, value=post.thumbs["negative_button"]["value"])
    await project.settled()
    assert current(project) == {}
