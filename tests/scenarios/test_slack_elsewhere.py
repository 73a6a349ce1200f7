"""A question that its department cannot answer is asked again elsewhere, with the rights of the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.domain.departments import DepartmentSpec
from bot.storage.tables.answers import QuestionRow
from bot.testing.notes import make_plugin
from plugins.slack.settings import SlackSettings
from plugins.slack.testing.server import labelled
from plugins.slack.workspaces.channels import Channels

if TYPE_CHECKING:
    from bot.testing.engines import ScriptedEngine
    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

LAPTOP = "A new laptop after five days?"
TO_TRAVEL = {"router": make_plugin(route_question=lambda: "travel")}
DEPARTMENTS = (DepartmentSpec("travel", "Travel"), DepartmentSpec("it", "IT"))


def asked(project: SlackProject) -> list[str]:
    with project.mentee.store.read() as session:
        return sorted(row.department for row in session.query(QuestionRow))


@pytest.mark.parametrize("channel", ["C1", "D1"])
async def test_the_button_asks_again_in_the_same_thread(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, scripted_engine: ScriptedEngine, channel: str
) -> None:
    project = await slack_project(departments=DEPARTMENTS, plugins=TO_TRAVEL)
    scripted_engine.answer = "A new laptop comes after five days."
    refused = await project.ask(LAPTOP, channel)
    assert labelled(refused.blocks, "Ask in IT") is not None
    await fake_slack.press_button("Ask in IT", user="U1", post=refused)
    await fake_slack.wait_for_post(channel, count=2)
    await project.settled()
    answered = fake_slack.posts(channel)[-1]
    assert "after five days" in answered.shown
    assert labelled(answered.blocks, "Ask in Travel") is None
    assert answered.thread_ts == refused.thread_ts
    await fake_slack.press_button("Ask in IT", user="U1", post=refused)
    await project.settled()
    assert asked(project) == ["it", "travel"]


async def test_a_private_answer_is_asked_again_in_private(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, scripted_engine: ScriptedEngine
) -> None:
    project = await slack_project(departments=DEPARTMENTS, plugins=TO_TRAVEL)
    scripted_engine.answer = "A new laptop comes after five days."
    channels = Channels(project.mentee.places, SlackSettings.of(project.mentee.settings))
    channels.change("C1", {"private_first": True}, actor="test")
    await fake_slack.mention(LAPTOP)
    await fake_slack.wait_until(lambda: fake_slack.ephemerals)
    await project.settled()
    await fake_slack.press_private(fake_slack.ephemerals[0], "Ask in IT")
    await fake_slack.wait_until(lambda: len(fake_slack.ephemerals) == 2)
    assert "after five days" in str(fake_slack.ephemerals[1]["blocks"])
    assert fake_slack.posts("C1") == []


async def test_somebody_elses_question_is_not_asked_again(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=DEPARTMENTS, plugins=TO_TRAVEL)
    refused = await project.ask(LAPTOP)
    await fake_slack.press_button("Ask in IT", user="U2", post=refused)
    await project.settled()
    assert asked(project) == ["travel"]


async def test_a_department_that_is_closed_or_not_for_the_channel_is_not_named(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=DEPARTMENTS, plugins=TO_TRAVEL)
    refused = await project.ask(LAPTOP)
    channels = Channels(project.mentee.places, SlackSettings.of(project.mentee.settings))
    channels.change("C1", {"departments": ("travel",)}, actor="test")
    assert labelled((await project.ask(LAPTOP)).blocks, "Ask in IT") is None
    await fake_slack.press_button("Ask in IT", user="U1", post=refused)  # offered before the channel was changed
    await project.settled()
    assert asked(project) == ["travel", "travel"]
    project.mentee.departments.configure("it", {"open": False}, actor="test")
    assert labelled((await project.ask(LAPTOP, "D1")).blocks, "Ask in IT") is None


async def test_both_are_erased_with_the_message(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project(departments=DEPARTMENTS, plugins=TO_TRAVEL)
    message = await fake_slack.mention(LAPTOP)
    refused = await fake_slack.wait_for_post("C1")
    await project.settled()
    await fake_slack.press_button("Ask in IT", user="U1", post=refused)
    await fake_slack.wait_for_post("C1", count=2)
    await project.settled()
    assert asked(project) == ["it", "travel"]
    await fake_slack.delete(message)
    await project.settled()
    assert asked(project) == []
