"""Actions in Slack: buttons under an answer, confirmed by who asked, with the result in the same message."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.domain.answers import DirectAnswer
from bot.domain.departments import DepartmentSpec
from bot.domain.identifiers import now
from bot.domain.plugins.actions import Action, ActionResult
from bot.feedback.actions import TOO_LATE
from bot.storage.tables.actions import ActionRow
from bot.storage.tables.delivery import InboxRow, OutboxRow
from bot.testing.notes import make_plugin
from plugins.slack.settings import SlackSettings
from plugins.slack.testing import FakeSlack, Post, error
from plugins.slack.testing.server import labelled
from plugins.slack.workspaces.channels import Channels

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bot.domain.questions import Question
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

    MakeProject = Callable[..., Awaitable[SlackProject]]

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])
ASKED = "Please open a ticket"


def answer_directly(question: Question) -> DirectAnswer | None:
    if "ticket" not in question.text:
        return None
    offers = (
        Action("open", "Open a ticket", {"secret": "words"}, "primary"),
        Action("all", "Delete all", style="danger", confirm="Really all of them?"),
    )
    return DirectAnswer("Shall I?", actions=offers)


@pytest.fixture
def confirmed() -> list[str]:
    """The names of the actions that the plugin was asked to do."""
    return []


@pytest.fixture
def make_project(slack_project: MakeSlackProject, confirmed: list[str]) -> MakeProject:
    def on_action(action: Action) -> ActionResult:
        confirmed.append(action.name)
        return ActionResult(f"Did *{action.name}* <!channel>.", actions=(Action("undo", "Undo it"),))

    async def make(transport: str = "socket", **more: Any) -> SlackProject:
        given = {"answer_directly": answer_directly, "on_action": on_action, **more.pop("hooks", {})}
        return await slack_project(transport, plugins={"tickets": make_plugin(**given)}, **more)

    return make


def labels(post: Post) -> list[str]:
    return [each["text"]["text"] for block in post.blocks_of("actions") for each in block["elements"]]


def told(slack: FakeSlack) -> list[tuple[str, str]]:
    return [(each["user"], each["text"]) for each in slack.ephemerals]


@TRANSPORTS
@pytest.mark.parametrize("channel", ["C1", "D1"])
async def test_an_action_is_confirmed_and_its_result_is_in_the_message(
    make_project: MakeProject, fake_slack: FakeSlack, confirmed: list[str], transport: str, channel: str
) -> None:
    project = await make_project(transport)
    post = await project.ask(ASKED, channel)
    assert labels(post) == ["Open a ticket", "Delete all", "Ask a person"]
    button = labelled(post.blocks, "Delete all")
    assert button is not None
    assert (button["style"], button["confirm"]["text"]["text"]) == ("danger", "Really all of them?")
    assert "words" not in str(post.blocks)
    assert (await fake_slack.press_button("Open a ticket", user="U1", post=post)).acknowledged
    await project.settled()
    assert confirmed == ["open"]
    [updated] = fake_slack.posts(channel)
    assert ":white_check_mark: *Open a ticket* Did *open* &lt;!channel&gt;." in updated.shown
    assert labels(updated) == ["Undo it", "Ask a person"]
    assert updated.thumbs is not None
    assert told(fake_slack) == []


@TRANSPORTS
async def test_a_button_pressed_twice_and_delivered_twice_counts_once(
    make_project: MakeProject, fake_slack: FakeSlack, confirmed: list[str], transport: str
) -> None:
    project = await make_project(transport)
    post = await project.ask(ASKED)
    pressed = await fake_slack.press_button("Open a ticket", user="U1", post=post)
    await fake_slack.redeliver(pressed)
    button = labelled(post.blocks, "Open a ticket")
    assert button is not None
    await fake_slack.press_button("Ask a person", user="U1", post=post)
    await project.settled()
    assert confirmed == ["open"]


async def test_who_confirms_what_is_being_done_already_is_told_so(
    make_project: MakeProject, fake_slack: FakeSlack
) -> None:
    go, begun = threading.Event(), threading.Event()

    def on_action() -> ActionResult:
        begun.set()
        go.wait(20)
        return ActionResult("Ticket IT-42 is open.")

    project = await make_project(hooks={"on_action": on_action})
    post = await project.ask(ASKED)
    await fake_slack.press_button("Open a ticket", user="U1", post=post)
    assert await asyncio.to_thread(begun.wait, 10)
    await fake_slack.press_button("Open a ticket", user="U1", post=post)
    assert await fake_slack.wait_until(lambda: told(fake_slack)) == [("U1", "This is already being done.")]
    go.set()
    await fake_slack.wait_until(lambda: "Ticket IT-42 is open." in fake_slack.posts("C1")[0].shown)
    await project.settled()


async def test_somebody_else_is_refused_in_private(
    make_project: MakeProject, fake_slack: FakeSlack, confirmed: list[str]
) -> None:
    project = await make_project()
    post = await project.ask(ASKED)
    await fake_slack.press_button("Open a ticket", user="U2", post=post)
    await project.settled()
    [(user, text)] = told(fake_slack)
    assert (user, confirmed) == ("U2", [])
    assert text.startswith("Only the person who asked can confirm this.")


async def test_a_forged_or_misplaced_action_is_ignored(
    make_project: MakeProject, fake_slack: FakeSlack, confirmed: list[str]
) -> None:
    project = await make_project()
    post, elsewhere = await project.ask(ASKED), await project.ask(ASKED, "C2")
    action = labelled(post.blocks, "Open a ticket")
    assert action is not None
    await fake_slack.press_button("Open a ticket", user="U1", post=post, value="act_unknown")
    await fake_slack.press_button("Open a ticket", user="U1", post=elsewhere, value=action["value"])
    await project.settled()
    assert (confirmed, told(fake_slack)) == ([], [])


async def test_a_department_that_closed_after_the_offer_refuses(
    make_project: MakeProject, fake_slack: FakeSlack, confirmed: list[str]
) -> None:
    project = await make_project(departments=(DepartmentSpec("travel", "Travel"),))
    post = await project.ask(ASKED)
    project.mentee.departments.configure("travel", {"open": "false"}, actor="test")
    await fake_slack.press_button("Open a ticket", user="U1", post=post)
    await project.settled()
    assert confirmed == []
    assert told(fake_slack)[0][1].startswith("You can no longer see this answer")


async def test_a_late_result_replaces_the_text_that_nobody_knows(
    make_project: MakeProject, fake_slack: FakeSlack
) -> None:
    go = threading.Event()

    def on_action() -> ActionResult:
        go.wait(20)
        return ActionResult("Ticket IT-42 is open.")

    project = await make_project(hooks={"on_action": on_action}, settings={"limits": {"action_seconds": 0.3}})
    post = await project.ask(ASKED)
    await fake_slack.press_button("Open a ticket", user="U1", post=post)
    await fake_slack.wait_until(lambda: TOO_LATE in fake_slack.posts("C1")[0].shown)
    assert labels(fake_slack.posts("C1")[0]) == ["Ask a person"]
    go.set()
    await fake_slack.wait_until(lambda: "Ticket IT-42 is open." in fake_slack.posts("C1")[0].shown)
    assert TOO_LATE not in fake_slack.posts("C1")[0].shown


async def test_a_result_whose_message_is_gone_is_posted_below_it(
    make_project: MakeProject, fake_slack: FakeSlack
) -> None:
    project = await make_project()
    post = await project.ask(ASKED)
    fake_slack.fail("chat.update", error("message_not_found"))
    await fake_slack.press_button("Open a ticket", user="U1", post=post)
    await project.settled()
    assert any("Did *open*" in each.shown for each in fake_slack.posts("C1")[1:])


async def test_an_answer_to_a_command_is_confirmed_and_told_in_private(
    make_project: MakeProject, fake_slack: FakeSlack, confirmed: list[str]
) -> None:
    project = await make_project()
    await fake_slack.command(f"ask {ASKED}")
    [shown] = await fake_slack.wait_until(lambda: fake_slack.ephemerals)
    await project.settled()
    await fake_slack.press_private(shown, "Open a ticket")
    await project.settled()
    assert confirmed == ["open"]
    assert fake_slack.ephemerals[-1]["text"].startswith("Did *open*")


async def test_an_answer_that_is_shared_after_its_action_shows_what_came_of_it(
    make_project: MakeProject, fake_slack: FakeSlack, confirmed: list[str]
) -> None:
    project = await make_project()
    channels = Channels(project.mentee.places, SlackSettings.of(project.mentee.settings))
    channels.change("C1", {"private_first": True}, actor="test")
    await fake_slack.mention(ASKED)
    await fake_slack.wait_until(lambda: fake_slack.ephemerals)
    await project.settled()
    shown = fake_slack.ephemerals[0]
    await fake_slack.press_private(shown, "Open a ticket")
    await project.settled()
    assert confirmed == ["open"]
    assert fake_slack.ephemerals[-1]["text"].startswith("Did *open*")
    await fake_slack.press_private(shown, "Share with the channel")
    [post] = [await fake_slack.wait_for_post("C1")]
    assert ":white_check_mark: *Open a ticket* Did *open*" in post.shown
    assert labels(post) == ["Undo it", "Ask a person"]


async def test_a_long_answer_with_long_results_stays_within_slacks_limits(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    def answer() -> DirectAnswer:
        return DirectAnswer("word " * 1_700, actions=tuple(Action(f"a{n}", "L" * 75) for n in range(5)))

    def on_action() -> ActionResult:
        more = tuple(Action(f"a{n}", "M" * 75, style="danger", confirm="?" * 300) for n in range(5))
        return ActionResult("&" * 3_000, ok=False, actions=more)

    project = await slack_project(plugins={"t": make_plugin(answer_directly=answer, on_action=on_action)})
    await fake_slack.mention(ASKED)
    await fake_slack.wait_for_post("C1")
    await project.settled()
    for label in ("L" * 75, "M" * 75, "M" * 75):
        await fake_slack.press_button(label, user="U1", post=fake_slack.posts("C1")[-1])
        await project.settled()
    posts = fake_slack.posts("C1")
    assert posts[-1].shown.count(":x:") == 3
    assert {each.answer for each in fake_slack.calls} <= {""}


async def test_an_action_whose_process_died_is_told_as_unknown_and_not_done_again(
    make_project: MakeProject, fake_slack: FakeSlack, confirmed: list[str]
) -> None:
    project = await make_project()
    post = await project.ask(ASKED)
    mentee, button = project.mentee, labelled(post.blocks, "Open a ticket")
    assert button is not None
    with mentee.store.write() as session:  # as the process left it that died; its item is handled again
        row = session.get_one(ActionRow, button["value"])
        row.state, row.started_at, row.due_at = "running", now(), now() + timedelta(seconds=1)
        payload = {"user": "U1", "channel": "C1", "thread": post.thread_ts, "action_id": button["value"]}
        session.add(InboxRow(channel="slack", kind="confirm_action", payload=payload, dedupe_key="again", attempts=1))
    await fake_slack.wait_until(lambda: "I was interrupted" in fake_slack.posts("C1")[0].shown)
    await project.settled()
    assert (confirmed, told(fake_slack)) == ([], [])
    assert labels(fake_slack.posts("C1")[0]) == ["Ask a person"]


async def test_deleting_the_question_removes_what_was_done_under_its_answer(
    make_project: MakeProject, fake_slack: FakeSlack
) -> None:
    project = await make_project()
    asked = await fake_slack.mention(ASKED)
    post = await fake_slack.wait_for_post("C1")
    await project.settled()
    await fake_slack.press_button("Open a ticket", user="U1", post=post)
    await project.settled()
    await fake_slack.delete(asked)
    await project.settled()
    assert fake_slack.posts("C1") == []
    with project.mentee.store.read() as session:
        assert session.query(ActionRow).all() == []
        assert "Did *open*" not in str([each.payload for each in session.query(OutboxRow)])
