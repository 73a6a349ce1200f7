"""Correcting an answer from its message's menu, and what reasons and corrections are thanked with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from sqlalchemy import select

from bot.access.people import People
from bot.domain.people import Person, Role
from bot.storage.tables.documents import DocumentRow
from bot.storage.tables.feedback import CorrectionRow, CuratedAnswerRow, VoteRow
from bot.testing.engines import long_answer
from plugins.slack.items import CORRECT_SHORTCUT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from plugins.slack.testing import FakeSlack, Post
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])
QUESTION = "Are hotels tax exempt?"


@pytest.fixture
def make_project(slack_project: MakeSlackProject) -> Callable[..., Awaitable[SlackProject]]:
    """Return a function that starts a project in which U2 is an agent."""

    async def make(transport: str = "socket", *, readers: Any = (), **more: Any) -> SlackProject:
        project = await slack_project(transport, departments=("travel",), **more)
        People(project.mentee.store).ensure(Person("slack:U2", "Ada", Role.AGENT))
        with project.mentee.store.write() as session:
            for address in ("travel/lodging.md", "travel/trains.md"):
                parts = {"source": address, "sha256": address, "size": 1, "readers": list(readers)}
                session.add(DocumentRow(department="travel", address=address, **parts))
        return project

    return make


async def chosen(slack: FakeSlack, post: Post, user: str) -> Any:
    """Choose the entry in the message's menu and return the modal that opens."""
    opened = len(slack.views)
    delivery = await slack.shortcut(CORRECT_SHORTCUT, user=user, post=post)
    assert delivery.acknowledged
    assert delivery.seconds < 3
    return await slack.wait_until(lambda: len(slack.views) > opened and slack.views[-1])


Row = TypeVar("Row")


def rows(project: SlackProject, table: type[Row]) -> list[Row]:
    with project.mentee.store.read() as session:
        return list(session.scalars(select(table)))


@TRANSPORTS
async def test_an_agent_corrects_an_answer_where_it_stands(
    make_project: Callable[..., Awaitable[SlackProject]], fake_slack: FakeSlack, transport: str
) -> None:
    project = await make_project(transport)
    post = await project.ask(QUESTION)
    view = await chosen(fake_slack, post, "U2")
    assert QUESTION in str(view["blocks"])
    assert "12 states" in str(view["blocks"])
    blank = await fake_slack.submit_view(view, user="U2", correction=" ")
    assert blank.body["errors"] == {"correction": "Please write what the answer should have been."}
    await fake_slack.submit_view(view, user="U2", correction="Only in Texas.")
    thanks = await fake_slack.wait_until(lambda: fake_slack.ephemerals and fake_slack.ephemerals[-1])
    assert (thanks["user"], thanks["thread_ts"]) == ("U2", post.thread_ts)
    assert "is live" in thanks["text"]
    await fake_slack.mention(QUESTION, channel="C2", user="U7")
    assert "Only in Texas." in (await fake_slack.wait_for_post("C2")).shown


@TRANSPORTS
async def test_others_propose(
    make_project: Callable[..., Awaitable[SlackProject]], fake_slack: FakeSlack, transport: str
) -> None:
    project = await make_project(transport)
    post = await project.ask(QUESTION)
    view = await chosen(fake_slack, post, "U5")
    assert view["title"]["text"] == "Suggest a correction"
    assert "12 states" not in str(view["blocks"])
    await fake_slack.submit_view(view, user="U5", correction="Only in Texas, I think.")
    thanks = await fake_slack.wait_until(lambda: fake_slack.ephemerals and fake_slack.ephemerals[-1])
    assert "until a support agent accepts it" in thanks["text"]
    [row] = rows(project, CorrectionRow)
    assert (row.text, row.accepted, row.person_id) == ("Only in Texas, I think.", False, "slack:U5")
    assert rows(project, CuratedAnswerRow) == []
    assert [(each.person_id, each.value) for each in rows(project, VoteRow)] == [("slack:U5", "down")]
    view = await chosen(fake_slack, post, "U2")
    assert "Only in Texas, I think." in str(view["blocks"])


@pytest.mark.parametrize("user", ["U2", "U5"])
async def test_a_message_that_is_no_answer_is_refused_kindly(
    make_project: Callable[..., Awaitable[SlackProject]], fake_slack: FakeSlack, user: str
) -> None:
    project = await make_project()
    await fake_slack.message("Lunch?", channel="C9", user="U5")
    lunch = fake_slack.web_api.posts[-1]
    await fake_slack.open_home(user="U5", channel="D5", tab="messages")
    greeting = await fake_slack.wait_for_post("D5")
    await project.settled()
    for post in (lunch, greeting):
        view = await chosen(fake_slack, post, user)
        assert "isn't one of my answers" in view["blocks"][0]["text"]["text"]
        assert "submit" not in view


async def test_an_agent_who_may_not_read_the_page_is_refused_kindly(
    make_project: Callable[..., Awaitable[SlackProject]], fake_slack: FakeSlack
) -> None:
    project = await make_project(readers=["user:slack:U1"])
    post = await project.ask(QUESTION)
    view = await chosen(fake_slack, post, "U2")
    assert "a page that you may not read" in view["blocks"][0]["text"]["text"]


async def test_the_first_part_of_a_long_answer_is_that_answer(
    make_project: Callable[..., Awaitable[SlackProject]], fake_slack: FakeSlack
) -> None:
    project = await make_project(settings={"model": {"max_new_tokens": 4096}})
    project.engine.answer = long_answer()
    project.mentee.departments.configure("travel", {"answers.passages": 1}, actor="test")
    await fake_slack.mention(QUESTION)
    await fake_slack.wait_for_post("C1", count=2)
    await project.settled()
    view = await chosen(fake_slack, fake_slack.posts("C1")[0], "U2")
    assert view["title"]["text"] == "Correct an answer"


async def test_a_forged_proposal_is_ignored(
    make_project: Callable[..., Awaitable[SlackProject]], fake_slack: FakeSlack
) -> None:
    project = await make_project()
    post = await project.ask(QUESTION)
    view = await chosen(fake_slack, post, "U5")
    about = json.loads(view["private_metadata"])
    for number, forged in enumerate([{**about, "channel": "C2"}, {**about, "answer_id": "a_none"}]):
        fake = {**view, "id": f"VFORGED{number}", "private_metadata": json.dumps(forged)}
        assert (await fake_slack.submit_view(fake, user="U5", correction="Forged.")).acknowledged
    await project.settled()
    assert rows(project, CorrectionRow) == []


@pytest.mark.parametrize(
    ("user", "reason", "goes"),
    [
        ("U5", "outdated", "once the page is updated"),
        ("U5", "wrong source", "the model isn't trained on it"),
        ("U5", "wrong", "please suggest a correction"),
        ("U2", "wrong", "please correct it"),
        ("U5", "unsafe", "please tell an operator"),
        ("U2", "unsafe", "until you correct it"),
        ("U5", "tone", "may be used to train the model"),
        ("U5", "other", "Your vote and your words are recorded."),
    ],
)
async def test_a_reason_is_thanked_for_privately_with_what_follows_from_it(
    make_project: Callable[..., Awaitable[SlackProject]], fake_slack: FakeSlack, user: str, reason: str, goes: str
) -> None:
    project = await make_project()
    post = await project.ask(QUESTION)
    await fake_slack.press("down", user=user, post=post)
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[-1])
    await fake_slack.submit_view(view, user=user, reason=reason, comment="In words.")
    thanks = await fake_slack.wait_until(lambda: fake_slack.ephemerals and fake_slack.ephemerals[-1])
    assert (thanks["user"], thanks["thread_ts"]) == (user, post.thread_ts)
    assert goes in thanks["text"]
    assert len(fake_slack.posts("C1")) == 1
