"""Slack's assistant: the greeting, suggested prompts, titles and the status line."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from bot.domain.departments import DepartmentSpec
from bot.domain.identifiers import now
from plugins.slack.overview.suggestions import ASKERS
from plugins.slack.testing import FakeSlack, error
from tests.scenarios.records import LODGING, SECRET, add_answer, add_documents, asked_by_many

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])
CLOSED = DepartmentSpec("board", "Board", open=False, examples=("When does the board meet?",))


async def prompts(slack: FakeSlack, user: str = "U1", channel: str = "D1") -> list[str]:
    slack.surfaces.prompts.clear()
    await slack.open_home(user=user, channel=channel, tab="messages")
    set_ = await slack.wait_until(lambda: slack.surfaces.prompts.get((channel, None)))
    return [prompt["message"] for prompt in set_["prompts"]]


# --- the direct conversation -------------------------------------------------------------------------------------


@TRANSPORTS
async def test_opening_the_conversation_greets_once_and_suggests_each_time(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(
        transport,
        departments=(
            DepartmentSpec("travel", "Travel", examples=("Are hotels tax exempt?", "May I fly business?")),
            DepartmentSpec("it", "IT", examples=("When does a new laptop come?",)),
            CLOSED,
        ),
    )
    expected = ["When does a new laptop come?", "Are hotels tax exempt?", "May I fly business?"]
    assert await prompts(fake_slack) == expected
    await project.settled()
    [greeting] = fake_slack.posts("D1")
    assert greeting.thread_ts is None
    assert greeting.thumbs is None
    assert "Ask me anything" in greeting.shown
    assert await prompts(fake_slack) == expected
    await project.settled()
    assert len(fake_slack.posts("D1")) == 1


async def test_a_greeting_whose_reply_was_lost_is_found_again(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    from plugins.slack.testing import drop

    project = await slack_project()
    fake_slack.fail("chat.postMessage", drop(stored=True))
    await fake_slack.open_home(tab="messages")
    await fake_slack.wait_until(lambda: fake_slack.called("conversations.history"))
    await project.settled()
    assert len(fake_slack.posts("D1")) == 1


async def test_an_older_app_greets_in_the_thread_that_slack_opened(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=(DepartmentSpec("it", "IT", examples=("Where is my laptop?",)),))
    fake_slack.surfaces.agent_view = False
    started = await fake_slack.start_thread()
    thread = started.payload["event"]["assistant_thread"]["thread_ts"]
    set_ = await fake_slack.wait_until(lambda: fake_slack.surfaces.prompts.get(("D1", thread)))
    assert [prompt["message"] for prompt in set_["prompts"]] == ["Where is my laptop?"]
    await fake_slack.redeliver(started)
    await project.settled()
    [greeting] = fake_slack.posts("D1")
    assert greeting.thread_ts == thread


async def test_while_an_answer_is_made_the_status_says_so_and_a_new_thread_gets_its_title(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    statuses, gate = fake_slack.surfaces.statuses, project.engine.gate
    gate.clear()  # once an answer is there, no status is due any more
    asked = await fake_slack.message("Are hotels   tax exempt?", channel="D7")
    title = await fake_slack.wait_until(lambda: fake_slack.surfaces.titles.get(("D7", asked.ts)))
    assert title == "Are hotels tax exempt?"
    await fake_slack.wait_until(lambda: statuses and statuses[-1]["thread_ts"] == asked.ts)
    gate.set()
    await fake_slack.wait_for_post("D7")
    await fake_slack.message("And which form do hotels want?", channel="D7", thread_ts=asked.ts)
    await fake_slack.wait_for_post("D7", thread=asked.ts, count=2)
    gate.clear()
    mentioned = await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_until(lambda: statuses[-1]["thread_ts"] == mentioned.ts)
    gate.set()
    await fake_slack.wait_for_post("C1")
    await project.settled()
    assert {status["thread_ts"] for status in statuses} == {asked.ts, mentioned.ts}
    assert list(fake_slack.surfaces.titles) == [("D7", asked.ts)], "a follow-up and a channel's thread get no title"


async def test_a_refused_status_keeps_no_answer_back(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    await slack_project()
    fake_slack.fail("assistant.threads.setStatus", error("missing_scope"))
    await fake_slack.mention("Are hotels tax exempt?")
    assert "12 states" in (await fake_slack.wait_for_post("C1")).shown


# --- which questions are suggested -------------------------------------------------------------------------------


async def test_frequent_and_well_voted_questions_come_before_the_examples(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=(DepartmentSpec("travel", "Travel", examples=("An example?",)),))
    mentee = project.mentee
    add_documents(mentee, "travel", LODGING)
    asked_by_many(mentee, "Are hotels tax exempt?")
    asked_by_many(mentee, "are HOTELS  tax exempt", 1)  # the same question in other dress
    asked_by_many(mentee, "May I fly business?", ASKERS + 2)
    asked_by_many(mentee, "Why is it so bad?", value="down")
    asked_by_many(mentee, "Asked by too few?", ASKERS - 1)
    asked_by_many(mentee, "And then?", history=[{"question": "q", "answer": "a"}])
    asked_by_many(mentee, "A story" + " and so on" * 20)
    asked_by_many(mentee, "Long ago?", asked_at=now() - timedelta(days=91))
    assert await prompts(fake_slack) == ["May I fly business?", "Are hotels tax exempt?"]


async def test_one_person_who_asks_often_is_not_many(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project(departments=(DepartmentSpec("travel", "Travel", examples=("An example?",)),))
    add_documents(project.mentee, "travel", LODGING)
    for _ in range(ASKERS + 1):
        add_answer(project.mentee, "Will I be dismissed?", person="slack:U5", votes=[("slack:U5", "up", "")])
    assert await prompts(fake_slack) == ["An example?"]


async def test_a_question_is_suggested_only_to_those_who_may_read_its_answer(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=(DepartmentSpec("travel", "Travel", examples=("An example?",)), CLOSED))
    mentee = project.mentee
    add_documents(mentee, "travel", SECRET, readers=["department:board"])
    asked_by_many(mentee, "When is the merger?", cites=(SECRET,))
    assert await prompts(fake_slack, "U1", "D1") == ["An example?"]
    mentee.departments.set_member("board", "user:slack:U2", member=True, actor="test")
    assert await prompts(fake_slack, "U2", "D2") == ["When does the board meet?", "When is the merger?"]
