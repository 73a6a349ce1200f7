"""Questions that are edited or deleted, before and after their answer is posted."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from sqlalchemy import select

from bot.domain.feedback import Correction
from bot.domain.people import Person, Role
from bot.storage.tables.access import AuditRow
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.delivery import InboxRow, OutboxRow
from bot.storage.tables.feedback import CuratedAnswerRow, VoteRow
from bot.testing.engines import long_answer
from plugins.slack.setup import manifest
from plugins.slack.testing import FakeSlack, payloads, rate_limited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])
HOTELS, TRAINS = "Are hotels tax exempt?", "How do I book trains in Concur?"


@pytest.fixture(autouse=True)
def granted(fake_slack: FakeSlack) -> Iterator[None]:
    """Grant what the manifest asks for, and see that it was enough."""
    fake_slack.web_api.granted = set(manifest.scopes())
    yield
    assert [call.method for call in fake_slack.calls if call.answer == "missing_scope"] == []


def asked_of(project: SlackProject) -> Any:
    with project.mentee.store.read() as session:
        return [row.text for row in session.scalars(select(QuestionRow).order_by(QuestionRow.asked_at))]


Row = TypeVar("Row")


def rows(project: SlackProject, table: type[Row]) -> list[Row]:
    with project.mentee.store.read() as session:
        return list(session.scalars(select(table)))


@TRANSPORTS
async def test_an_edit_before_the_answer_is_what_is_answered(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport, departments=("travel",))
    project.engine.gate.clear()
    asked = await fake_slack.mention(HOTELS)
    await until(lambda: project.engine.requests)
    await fake_slack.edit(asked, "And the trains?")
    await fake_slack.edit(asked, TRAINS)
    await until(lambda: len(project.engine.requests) >= 2)
    project.engine.gate.set()
    await fake_slack.wait_for_post("C1")
    await project.settled()
    assert asked_of(project) == [TRAINS]
    assert len(fake_slack.posts("C1")) == 1


@TRANSPORTS
async def test_an_edit_after_the_answer_is_answered_in_the_thread_once(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport, departments=("travel",))
    asked = await fake_slack.mention(HOTELS)
    first = await fake_slack.wait_for_post("C1")
    await fake_slack.edit(asked, "are hotels tax-exempt??")
    await project.settled()
    assert asked_of(project) == [HOTELS], "another comma asks nothing new"
    await fake_slack.edit(asked, TRAINS)
    second = await fake_slack.wait_for_post("C1", count=2)
    assert (first.thread_ts, second.thread_ts) == (asked.ts, asked.ts)
    await fake_slack.edit(asked, "When does a new laptop come?")
    await project.settled()
    assert asked_of(project) == [HOTELS, TRAINS]
    assert len(fake_slack.posts("C1")) == 2


async def test_a_mention_that_is_edited_in_is_heard(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project()
    talk = await fake_slack.message(HOTELS, channel="C1")
    await fake_slack.edit(talk, "Never mind.")
    await project.settled()
    assert rows(project, InboxRow) == []
    await fake_slack.edit(talk, f"<@U0BOT> {HOTELS}")
    post = await fake_slack.wait_for_post("C1")
    assert post.thread_ts == talk.ts


async def test_link_previews_and_old_edits_ask_nothing(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project()
    asked = await fake_slack.mention(HOTELS)
    await fake_slack.wait_for_post("C1")
    before = asked.payload["event"]
    late = f"{float(asked.ts) + 3_700:.6f}"
    await fake_slack.deliver(payloads.event(payloads.edited(before, before["text"], ts="9.000001")))
    await fake_slack.deliver(payloads.event(payloads.edited(before, f"<@U0BOT> {TRAINS}", ts=late)))
    await project.settled()
    assert asked_of(project) == [HOTELS]


@TRANSPORTS
async def test_the_answer_to_a_deleted_question_is_not_posted(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    project.engine.gate.clear()
    asked = await fake_slack.mention(HOTELS)
    await until(lambda: project.engine.requests)
    await fake_slack.delete(asked)
    await until(lambda: all(row.state == "done" for row in rows(project, InboxRow)))
    project.engine.gate.set()
    await project.settled()
    await until(lambda: fake_slack.posts("C1") == [])
    assert asked_of(project) == []
    assert not any("hotels" in str(row.payload) for row in rows(project, InboxRow))


@TRANSPORTS
async def test_with_a_deleted_question_goes_all_that_came_of_it(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport, departments=("travel",))
    asked = await fake_slack.mention(HOTELS)
    post = await fake_slack.wait_for_post("C1")
    await fake_slack.mention(TRAINS, thread_ts=asked.ts)
    follow_up = await fake_slack.wait_for_post("C1", count=2)
    await fake_slack.press("up", user="U1", post=post)
    agent = Person("web:ada", role=Role.AGENT)
    answer_id = post.thumbs["positive_button"]["value"].partition(":")[2]
    project.mentee.votes.correct(Correction(answer_id, agent, "Only in Texas."))
    await project.settled()
    await fake_slack.delete(asked)
    await fake_slack.wait_until(lambda: fake_slack.posts("C1") == [follow_up])
    await project.settled()
    [left] = rows(project, QuestionRow)
    assert (left.text, left.history) == (TRAINS, [])
    assert (rows(project, VoteRow), rows(project, CuratedAnswerRow)) == ([], [])
    assert len(rows(project, AnswerRow)) == len(rows(project, OutboxRow)) == 1
    assert not any("hotels" in str(row.payload) for row in rows(project, InboxRow))
    assert [row.subject[:2] for row in rows(project, AuditRow) if row.action == "question.erase"] == ["q_"]


async def test_every_part_of_a_long_answer_is_removed_also_when_slack_asks_to_wait(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=("travel",), settings={"model": {"max_new_tokens": 4_000}})
    project.engine.say(long_answer())
    asked = await fake_slack.mention(HOTELS)
    await fake_slack.wait_for_post("C1", count=2)
    await project.settled()
    fake_slack.fail("chat.delete", rate_limited(1))
    await fake_slack.delete(asked)
    await fake_slack.wait_until(lambda: fake_slack.posts("C1") == [])
    await project.settled()
    assert asked_of(project) == []


async def test_deletions_of_talk_are_not_stored(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project()
    talk = await fake_slack.message("Lunch?", channel="C1")
    await fake_slack.delete(talk)
    assert rows(project, InboxRow) == []


async def until(condition: Callable[[], object]) -> None:
    """Wait until something holds that nobody tells."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the engine and the database tell nobody
            await asyncio.sleep(0.01)
