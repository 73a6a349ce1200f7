"""The slash command: answered to the one who typed it, within Slack's three seconds and five posts."""

from __future__ import annotations

import asyncio
import io
import logging
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from bot.access.people import People
from bot.access.places import Place
from bot.domain.answers import DirectAnswer
from bot.domain.departments import DepartmentSpec
from bot.domain.people import Person, Role
from bot.observability import logs
from bot.storage.tables.answers import QuestionRow
from bot.storage.tables.delivery import InboxRow
from bot.storage.tables.documents import DocumentRow
from bot.storage.tables.feedback import VoteRow
from bot.testing.notes import make_plugin
from plugins.slack.testing import FakeSlack, Post, drop, error, http_error, rate_limited
from plugins.slack.views import slash

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])
CLOSED = DepartmentSpec("board", "Board", open=False, examples=("When does the board meet?",))


async def said(slack: FakeSlack, text: str, **who: str) -> str:
    """Return what the app answers at once, judged like any message."""
    delivery = await slack.command(text, **who)
    assert delivery.status == 200
    assert delivery.body["response_type"] == "ephemeral"
    assert delivery.seconds < 3
    return "\n".join(block["text"]["text"] for block in delivery.body["blocks"] if "text" in block)


async def answer(slack: FakeSlack, number: int = 1) -> tuple[Post, dict[str, Any]]:
    """Return the answer as its one reader sees it."""
    found = await slack.wait_until(lambda: len(slack.ephemerals) >= number and slack.ephemerals[number - 1])
    return Post(
        found["channel"], "1.0", "U0BOT", found["text"], blocks=found.get("blocks") or [], ephemeral=True
    ), found


def questions(project: SlackProject) -> list[QuestionRow]:
    with project.mentee.store.read() as session:
        return list(session.query(QuestionRow))


@TRANSPORTS
@pytest.mark.parametrize("typed", ["help", "", "Are hotels tax exempt?", "HELP"])
async def test_help_says_what_can_be_typed(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str, typed: str
) -> None:
    await slack_project(transport)
    read = await said(fake_slack, typed, name="/ask-mentee")
    for part in ("`/ask-mentee ask QUESTION`", "`/ask-mentee department`", "`/ask-mentee status`"):
        assert part in read


@TRANSPORTS
async def test_a_question_is_answered_to_the_asker_alone(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    read = await said(fake_slack, "ask Are hotels tax exempt?", user="U3", channel="C9")
    assert "just for you" in read
    post, found = await answer(fake_slack)
    await project.settled()
    assert "Hotels are tax exempt in 12 states [1]." in post.shown
    assert "travel/lodging.md" in post.shown
    assert (found["response_type"], found["user"], found["channel"]) == ("ephemeral", "U3", "C9")
    assert fake_slack.posts() == []
    [row] = questions(project)
    assert (row.person_id, row.text, row.train_eligible) == ("slack:U3", "Are hotels tax exempt?", False)
    await fake_slack.press("down", user="U3", post=post)
    await project.settled()
    with project.mentee.store.read() as session:
        assert [(vote.person_id, vote.value) for vote in session.query(VoteRow)] == [("slack:U3", "down")]


@TRANSPORTS
async def test_words_that_bolt_takes_for_a_form_of_its_own_are_asked_as_they_are(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    await said(fake_slack, "ask What is the payload of hotels & trains, a=b?")
    await answer(fake_slack)
    assert questions(project)[0].text == "What is the payload of hotels & trains, a=b?"


async def test_a_command_that_comes_twice_is_answered_once(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    typed = await fake_slack.command("ask Are hotels tax exempt?")
    await fake_slack.redeliver(typed)
    await answer(fake_slack)
    await project.settled()
    assert len(questions(project)) == len(fake_slack.ephemerals) == 1


@pytest.mark.parametrize("typed", ["ask it: When does it come?", "ask IT help : When does it come?"])
async def test_a_question_may_name_its_department(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, typed: str
) -> None:
    project = await slack_project(departments=("travel", DepartmentSpec("it", "IT help")))
    await said(fake_slack, typed)
    await answer(fake_slack)
    [row] = questions(project)
    assert (row.department, row.text) == ("it", "When does it come?")


async def test_a_closed_department_is_not_named_and_not_asked(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=("travel", CLOSED))
    assert "Board" not in await said(fake_slack, "department")
    for name in ("board", "nonsense"):  # a stranger cannot tell the two apart
        read = await said(fake_slack, f"department {name}")
        assert f"can't ask a department “{name}”" in read
        assert "When does the board meet?" not in read
    await said(fake_slack, "ask board: Are hotels tax exempt?")
    await answer(fake_slack)
    assert questions(project)[0].department == "travel"
    project.mentee.departments.set_member("board", "user:slack:U2", member=True, actor="test")
    assert "When does the board meet?" in await said(fake_slack, "department Board", user="U2")


async def test_the_rights_are_the_askers_not_the_channels(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=(CLOSED,))
    project.mentee.places.configure(Place("slack:C9", ("board",), ("department:board",)), actor="test")
    await said(fake_slack, "ask When does the board meet?", user="U1", channel="C9")
    post, _ = await answer(fake_slack)
    assert "You can't ask any department here" in post.shown
    assert questions(project) == []


async def test_status_tells_agents_of_the_instance_and_others_of_themselves(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    People(project.mentee.store).ensure(Person("slack:U2", "Ada", Role.AGENT))
    await said(fake_slack, "ask Are hotels tax exempt?", user="U1")
    await answer(fake_slack)
    await project.settled()
    with project.mentee.store.write() as session:
        waiting = {"kind": "question", "dedupe_key": "elsewhere", "channel": "web"}
        session.add(InboxRow(**waiting))
    own = await said(fake_slack, "status", user="U1")
    assert "1 message before yours." in own
    assert "Are hotels tax exempt?" in own
    agents = await said(fake_slack, "status", user="U2")
    assert "1 message waiting, the oldest for" in agents
    assert "Are hotels tax exempt?" not in agents


async def test_department_shows_what_one_knows(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project(departments=(DepartmentSpec("it", "IT", examples=("Where is my laptop?",)),))
    with project.mentee.store.write() as session:
        parts = {"address": "it/laptops.md", "source": "it", "sha256": "0", "size": 1}
        session.add(DocumentRow(department="it", **parts))
    read = await said(fake_slack, "department it")
    assert "*IT*\n1 document" in read
    assert "Where is my laptop?" in read


@pytest.mark.parametrize("typed", ["ask", "ask   "])
async def test_asking_nothing_is_told_how_to_ask(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, typed: str
) -> None:
    project = await slack_project()
    assert "What would you like to know?" in await said(fake_slack, typed)
    assert project.mentee.inbox.depth() == 0


async def test_a_full_inbox_says_busy(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project(settings={"limits": {"queue": 1}})
    with project.mentee.store.write() as session:
        session.add(InboxRow(kind="question", dedupe_key="elsewhere", channel="web"))
    assert "Many questions are waiting" in await said(fake_slack, "ask Are hotels tax exempt?")
    assert project.mentee.inbox.depth() == 1


async def test_a_slow_database_says_busy_in_time(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await slack_project()
    monkeypatch.setattr(slash, "READ_SECONDS", 0.05)

    async def never(*_: Any) -> None:
        await asyncio.sleep(1)

    monkeypatch.setattr(project.mentee.store, "run", never)
    assert "Many questions are waiting" in await said(fake_slack, "status")


@pytest.mark.parametrize("fault", [rate_limited(1), http_error(503), drop(stored=False)])
async def test_an_answer_that_slack_does_not_take_at_once_is_posted_later(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, fault: Any
) -> None:
    project = await slack_project()
    fake_slack.fail("response_url", fault)
    await said(fake_slack, "ask Are hotels tax exempt?")
    post, _ = await answer(fake_slack)
    assert "12 states" in post.shown
    await project.settled()
    assert len(fake_slack.ephemerals) == 1


async def test_a_question_that_is_refused_says_why(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    await slack_project(settings={"limits": {"question_chars": 20}})
    await said(fake_slack, "ask Are hotels tax exempt in every single state?")
    post, _ = await answer(fake_slack)
    assert "The limit is 20" in post.shown
    assert post.thumbs is None


async def test_blocks_that_a_workspace_does_not_know_leave_the_text(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    await slack_project()
    fake_slack.surfaces.blocks_known = False
    await said(fake_slack, "ask Are hotels tax exempt?")
    post, _ = await answer(fake_slack)
    assert post.blocks == []
    assert "12 states" in post.text


async def test_an_answer_of_any_length_takes_at_most_five_posts(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    text = "\n\n".join("word " * 1_190 for _ in range(12))
    plugin = make_plugin(answer_directly=lambda question: DirectAnswer(text))  # noqa: ARG005 - the hook passes it by name
    project = await slack_project(departments=("travel",), plugins={"long": plugin})
    await said(fake_slack, "ask Everything, please?")
    await answer(fake_slack)
    await project.settled()
    posts = fake_slack.ephemerals
    assert 4 <= len(posts) <= 5
    thumbs = [any(block["type"] == "context_actions" for block in post["blocks"]) for post in posts]
    assert thumbs == [False] * (len(posts) - 1) + [True]
    assert [block for block in posts[-1]["blocks"] if block["type"] == "markdown"][-1]["text"].endswith("…")


async def test_after_half_an_hour_the_answer_is_among_ones_questions(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    project.engine.gate.clear()
    await said(fake_slack, "ask Are hotels tax exempt?")
    fake_slack.surfaces.expire("1")
    project.engine.gate.set()
    await fake_slack.wait_until(lambda: [call for call in fake_slack.calls if call.answer == "expired_url"])
    assert fake_slack.ephemerals == []
    assert "Are hotels tax exempt?" in await said(fake_slack, "status")
    assert len(questions(project)) == 1


@pytest.mark.parametrize("left_out", ["user_id", "channel_id", "trigger_id", "response_url"])
async def test_a_command_without_what_slack_always_sends_is_refused(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, left_out: str
) -> None:
    from urllib.parse import urlencode

    await slack_project("http")
    fields = {"command": "/mentee", "text": "help", "user_id": "U1", "channel_id": "C1"}
    fields |= {"trigger_id": "1", "response_url": "https://hooks.slack.invalid/1"}
    body = urlencode({name: value for name, value in fields.items() if name != left_out}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _ = await fake_slack.post_raw(body, {**fake_slack.signed_headers(body), **form})
    assert status == 400


async def test_the_response_url_is_in_no_log(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs.configure(json=True)
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(written)
    project = await slack_project()
    fake_slack.fail("response_url", error("invalid_payload"))
    typed = await fake_slack.command("ask Are hotels tax exempt?")
    await answer(fake_slack)
    await project.settled()
    structlog.reset_defaults()
    assert "invalid_payload" in written.getvalue()
    assert typed.payload["response_url"].rpartition("/")[0] not in written.getvalue()
