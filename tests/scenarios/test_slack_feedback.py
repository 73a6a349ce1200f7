"""Thumbs, reactions and reasons, from Slack's payloads to votes and corrections."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from sqlalchemy import select

from bot.access.people import People
from bot.domain.people import Person, Role
from bot.storage.tables.feedback import CorrectionRow, VoteEventRow, VoteRow
from bot.testing.engines import long_answer

if TYPE_CHECKING:
    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

QUESTION = "Are hotels tax exempt?"
TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])


def votes(project: SlackProject) -> Any:
    with project.mentee.store.read() as session:
        return {row.person_id: row.value for row in session.scalars(select(VoteRow))}


Row = TypeVar("Row")


def rows(project: SlackProject, table: type[Row]) -> list[Row]:
    with project.mentee.store.read() as session:
        return list(session.scalars(select(table)))


@TRANSPORTS
async def test_a_thumb_is_a_vote_and_a_thumb_down_asks_for_the_reason(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    post = await project.ask(QUESTION)
    pressed = await fake_slack.press("down", user="U2", post=post)
    assert pressed.status == 200
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[0])
    await project.settled()
    assert votes(project) == {"slack:U2": "down"}
    sent = await fake_slack.submit_view(view, user="U2", reason="outdated", comment="New rule since May")
    assert sent.status == 200
    await project.settled()
    [row] = rows(project, VoteRow)
    assert (row.value, row.reason, row.comment) == ("down", "outdated", "New rule since May")


@TRANSPORTS
async def test_another_reason_must_be_said_in_words(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    post = await project.ask(QUESTION)
    await fake_slack.press("down", user="U2", post=post)
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[0])
    sent = await fake_slack.submit_view(view, user="U2", reason="other", comment="")
    assert sent.body == {
        "response_action": "errors",
        "errors": {"comment": "Please say in a few words what was wrong."},
    }
    await project.settled()
    assert rows(project, VoteRow)[0].reason == ""


async def test_a_modal_that_does_not_open_loses_no_vote(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    from plugins.slack.testing import error

    project = await slack_project()
    post = await project.ask(QUESTION)
    fake_slack.fail("views.open", error("expired_trigger_id"))
    assert (await fake_slack.press("down", user="U2", post=post)).acknowledged
    await project.settled()
    assert votes(project) == {"slack:U2": "down"}


@pytest.mark.parametrize(
    ("role", "accepted", "told"), [("agent", True, "is live"), ("employee", False, "until a support agent")]
)
async def test_a_correction_is_live_at_once_when_an_agent_writes_it(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, role: str, accepted: bool, told: str
) -> None:
    project = await slack_project()
    People(project.mentee.store).ensure(Person("slack:U2", "Ada", Role(role)))
    post = await project.ask(QUESTION)
    await fake_slack.press("down", user="U2", post=post)
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[0])
    await fake_slack.submit_view(view, user="U2", reason="wrong", correction="Only in Texas.")
    thanks = await fake_slack.wait_until(lambda: fake_slack.ephemerals and fake_slack.ephemerals[0])
    assert (thanks["user"], thanks["thread_ts"]) == ("U2", post.thread_ts)
    assert told in thanks["text"]
    [row] = rows(project, CorrectionRow)
    assert (row.text, row.accepted, row.role) == ("Only in Texas.", accepted, role)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("+1", "up"),
        ("thumbsup::skin-tone-4", "up"),
        ("white_check_mark", "up"),
        ("-1", "down"),
        ("thumbsdown", "down"),
    ],
)
async def test_an_emoji_is_a_vote_until_it_is_removed(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, name: str, value: str
) -> None:
    project = await slack_project()
    post = await project.ask(QUESTION)
    await fake_slack.react(name, user="U3", post=post)
    await project.settled()
    assert votes(project) == {"slack:U3": value}
    await fake_slack.react(name, user="U3", post=post, remove=True)
    await project.settled()
    assert votes(project) == {}
    assert [row.value for row in rows(project, VoteEventRow)] == [value, None]


@TRANSPORTS
async def test_an_emoji_down_is_asked_for_its_reason_by_a_button(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    post = await project.ask(QUESTION)
    await fake_slack.react("thumbsdown::skin-tone-2", user="U3", post=post)
    asked = await fake_slack.wait_until(lambda: fake_slack.ephemerals and fake_slack.ephemerals[0])
    assert (asked["user"], asked["thread_ts"]) == ("U3", post.thread_ts)
    assert (await fake_slack.press_private(asked, "Say why")).acknowledged
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[0])
    await fake_slack.wait_until(lambda: asked not in fake_slack.ephemerals)
    assert votes(project) == {"slack:U3": "down"}
    await fake_slack.submit_view(view, user="U3", reason="outdated", comment="New rule since May")
    thanks = await fake_slack.wait_until(lambda: fake_slack.ephemerals and fake_slack.ephemerals[-1])
    assert (thanks["user"], thanks["thread_ts"]) == ("U3", post.thread_ts)
    await fake_slack.press("down", user="U3", post=post)
    await project.settled()
    [row] = rows(project, VoteRow)
    assert (row.value, row.reason) == ("down", "outdated"), "the same thumb again takes no reason back"


async def test_an_emoji_up_or_removed_asks_nothing_and_a_forged_reason_is_ignored(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    post = await project.ask(QUESTION)
    await fake_slack.react("+1", user="U3", post=post)
    await fake_slack.react("-1", user="U4", post=post)
    asked = await fake_slack.wait_until(lambda: fake_slack.ephemerals and fake_slack.ephemerals[0])
    await fake_slack.react("-1", user="U4", post=post, remove=True)
    await project.settled()
    assert fake_slack.ephemerals == [asked]
    await fake_slack.press_private(asked, "Say why", value="a_none:1.1")
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[0])
    await fake_slack.submit_view(view, user="U4", reason="wrong")
    await project.settled()
    assert votes(project) == {"slack:U3": "up"}


async def test_a_removed_thumb_up_leaves_a_later_thumb_down(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    post = await project.ask(QUESTION)
    await fake_slack.react("+1", user="U3", post=post)
    await fake_slack.press("down", user="U3", post=post)
    await fake_slack.react("+1", user="U3", post=post, remove=True)
    await project.settled()
    assert votes(project) == {"slack:U3": "down"}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1), (2, 0, 1), (1, 0, 2)])
async def test_the_order_in_which_deliveries_are_handled_does_not_matter(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, order: Any
) -> None:
    from plugins.slack.testing import payloads

    project = await slack_project()
    post = await project.ask(QUESTION)
    acts = [
        (payloads.event(payloads.reaction("reaction_added", "+1", post, user="U3")), "events_api"),
        (payloads.press(post, post.thumbs, post.thumbs["negative_button"]["value"], user="U3"), "interactive"),
        (payloads.event(payloads.reaction("reaction_removed", "+1", post, user="U3")), "events_api"),
    ]
    for index in order:
        payload, kind = acts[index]
        await fake_slack.deliver(payload, kind=kind)
        await asyncio.sleep(0.05)
    await project.settled()
    assert votes(project) == {"slack:U3": "down"}


async def test_a_reaction_under_the_first_part_of_a_long_answer_counts(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(settings={"model": {"max_new_tokens": 4096}})
    project.engine.answer = long_answer()
    project.mentee.departments.configure("travel", {"answers.passages": 1}, actor="test")
    await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_for_post("C1", count=2)
    await project.settled()
    first, *_, last = fake_slack.posts("C1")
    assert first.thumbs is None
    assert last.thumbs is not None
    await fake_slack.react("+1", user="U3", post=first)
    await project.settled()
    assert votes(project) == {"slack:U3": "up"}


async def test_reactions_to_other_messages_and_other_emoji_are_no_votes(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    post = await project.ask(QUESTION)
    question = next(shown for shown in fake_slack.web_api.posts if not shown.bot_id)
    assert (await fake_slack.react("+1", user="U3", post=question)).acknowledged
    assert (await fake_slack.react("tada", user="U3", post=post)).acknowledged
    await project.settled()
    assert votes(project) == {}
