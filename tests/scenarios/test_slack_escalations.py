"""A question handed to a person: the note, the reply that resolves it, what the asker hears, what becomes of it."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from bot.access.people import People
from bot.domain.departments import DepartmentSpec
from bot.domain.identifiers import now
from bot.domain.people import Person, Role
from bot.storage.tables.documents import DocumentRow
from bot.storage.tables.feedback import CorrectionRow, EscalationRow
from plugins.slack.testing import FakeSlack, Post, error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

    MakeProject = Callable[..., Awaitable[SlackProject]]
    Replies = tuple[SlackProject, dict[str, Post]]

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])
QUESTION = "Are hotels tax exempt?"
REPLY = "In 13 states, since May."


@pytest.fixture
def make_project(slack_project: MakeSlackProject) -> MakeProject:
    """Return a function that starts a project with an agent, U2, who may read all of travel."""

    async def make(transport: str = "socket", *, readers: Any = (), **settings: Any) -> SlackProject:
        project = await slack_project(transport, departments=("travel",))
        mentee = project.mentee
        People(mentee.store).ensure(Person("slack:U2", "Ada", Role.AGENT))
        with mentee.store.write() as session:
            for address in ("travel/lodging.md", "travel/trains.md"):
                parts = {"source": address, "sha256": address, "size": 1, "readers": list(readers)}
                session.add(DocumentRow(department="travel", address=address, **parts))
        if settings:
            values = {f"escalations.{name}": value for name, value in settings.items()}
            mentee.departments.configure("travel", values, actor="test")
        return project

    return make


async def handed_on(
    project: SlackProject, slack: FakeSlack, channel: str = "C1", place: str = "D2"
) -> tuple[Post, Post]:
    """Ask and hand it to a person; return the answer's post and the note's."""
    post = await project.ask(QUESTION, channel)
    assert (await slack.press_button("Ask a person", user="U1", post=post)).acknowledged
    note = await slack.wait_for_post(place)
    await project.settled()
    return post, note


async def said(slack: FakeSlack, text: str, *, user: str = "U2", thread: Post) -> Post:
    """Let somebody write in the thread of a post, and return what they wrote."""
    await slack.message(text, user=user, channel=thread.channel, thread_ts=thread.thread_ts or thread.ts)
    return slack.web_api.posts[-1]


def escalation(project: SlackProject) -> Any:
    with project.mentee.store.read() as session:
        return session.scalar(select(EscalationRow))


def words(slack: FakeSlack) -> list[tuple[str, str]]:
    return [(each["user"], each["text"]) for each in slack.ephemerals]


@TRANSPORTS
async def test_from_the_button_to_a_curated_answer(
    make_project: MakeProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await make_project(transport)
    post, note = await handed_on(project, fake_slack)
    assert words(fake_slack) == [
        ("U1", "I've passed your question on to Travel. I'll let you know when someone answers.")
    ]
    for part in (QUESTION, "Hotels are tax exempt in 12 states", "Lodging › Taxes", "<@U1> asks for a person"):
        assert part in note.shown
    assert f"<https://fake.slack.com/archives/C1/p{str(post.thread_ts).replace('.', '')}" in note.shown
    reply = await said(fake_slack, REPLY, thread=post)
    await fake_slack.react("white_check_mark", user="U2", post=reply)
    told = await fake_slack.wait_for_post("D1")
    assert "<@U2> confirmed it" in told.shown
    assert QUESTION in told.shown
    assert REPLY in told.shown
    ended = await fake_slack.wait_for_post("D2", thread=note.ts)
    await project.settled()
    row = escalation(project)
    assert (row.state, row.outcome, row.resolved_by, row.reply) == ("resolved", "replied", "slack:U2", REPLY)
    assert len(fake_slack.posts("C1", thread=post.thread_ts)) == 1, "Mentee is quiet while people talk"
    await fake_slack.press_button("Save as correction", user="U2", post=ended)
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[-1])
    [written] = [block["element"] for block in view["blocks"] if block["type"] == "input"]
    assert written["initial_value"] == REPLY
    await fake_slack.submit_view(view, user="U2", correction=written["initial_value"])
    await project.settled()
    assert escalation(project).outcome == "corrected"
    await fake_slack.mention(QUESTION, channel="C3", user="U7")
    assert REPLY in (await fake_slack.wait_for_post("C3")).shown


async def test_a_private_question_is_answered_by_its_note(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project()
    post, note = await handed_on(project, fake_slack, channel="D1")
    assert "Reply in this thread" in note.shown
    assert "archives" not in note.shown, "nobody else can open a direct conversation"
    reply = await said(fake_slack, "In 13 states, see <https://irs.gov/x|this page> &amp; ask.", thread=note)
    await fake_slack.react("heavy_check_mark", user="U2", post=reply)
    told = await fake_slack.wait_for_post("D1", thread=post.thread_ts, count=2)
    await project.settled()
    assert "In 13 states, see this page (https://irs.gov/x) & ask." in told.shown
    assert [each.thread_ts for each in fake_slack.posts("D2")] == [None, note.ts], "the reply was no question"


async def test_a_channel_of_helpers_is_told_and_its_owners_tagged(
    make_project: MakeProject, fake_slack: FakeSlack
) -> None:
    project = await make_project(channel="slack:CHELP", owners=["slack:U2", "slack:U4", "web:gus"])
    _, note = await handed_on(project, fake_slack, place="CHELP")
    assert "<@U2> <@U4>" in note.shown
    assert "gus" not in note.shown
    assert fake_slack.posts("D2") == []
    reply = await said(fake_slack, REPLY, user="U8", thread=note)
    await fake_slack.react("white_check_mark", user="U8", post=reply)
    await project.settled()
    assert escalation(project).state == "open", "a helper's own mark does not do"
    await fake_slack.react("white_check_mark", user="U4", post=reply)
    assert REPLY in (await fake_slack.wait_for_post("D1")).shown
    await fake_slack.wait_for_post("CHELP", thread=note.ts)


@pytest.mark.parametrize(("place", "settings"), [("CHELP", {"channel": "slack:CHELP"}), ("D2", {})])
async def test_a_note_shows_nobody_an_answer_from_pages_they_may_not_read(
    make_project: MakeProject, fake_slack: FakeSlack, place: str, settings: Any
) -> None:
    project = await make_project(readers=["user:slack:U1"], **settings)
    _, note = await handed_on(project, fake_slack, channel="D1", place=place)
    assert QUESTION in note.shown
    assert "not everyone here may read" in note.shown
    for hidden in ("12 states", "lodging"):
        assert hidden not in note.shown


async def test_where_nothing_is_found_a_person_is_offered(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project()
    post = await project.ask("Who won the cup?")
    assert "Shall I ask a person who knows?" in post.shown
    await fake_slack.press_button("Ask a person", user="U1", post=post)
    assert "Who won the cup?" in (await fake_slack.wait_for_post("D2")).shown


async def test_pressed_again_and_by_others_it_is_told_once(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project()
    post, _ = await handed_on(project, fake_slack)
    for user in ("U1", "U3"):
        await fake_slack.press_button("Ask a person", user=user, post=post)
    await project.settled()
    assert len(fake_slack.posts("D2")) == 1
    told = dict(words(fake_slack)[1:])  # the two presses are handled at the same time: either may be told first
    assert "passed your question on" in told["U1"]
    assert told["U3"] == "This question has already been passed on. Someone will look at it."
    assert escalation(project).opened_by == "slack:U1"


async def test_a_button_of_another_answer_hands_nothing_on(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project()
    post = await project.ask(QUESTION)
    other = await project.ask(QUESTION, "C2")
    [button] = [each for block in post.blocks_of("actions") for each in block["elements"]]
    for forged in (button["value"], "a_none"):
        assert (await fake_slack.press_button("Ask a person", user="U1", post=other, value=forged)).acknowledged
    await project.settled()
    assert escalation(project) is None


async def test_with_nobody_to_ask_the_asker_is_told_so(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project(departments=("travel",))
    post = await project.ask(QUESTION)
    await fake_slack.press_button("Ask a person", user="U1", post=post)
    await project.settled()
    assert "nobody handles questions for Travel in Slack yet" in words(fake_slack)[0][1]
    assert escalation(project).state == "open"


@pytest.fixture
async def two_replies(make_project: MakeProject, fake_slack: FakeSlack) -> Replies:
    """A project with a question to which two agents have replied, and the reply of each."""
    project = await make_project()
    People(project.mentee.store).ensure(Person("slack:U3", "Bob", Role.AGENT))
    post, _ = await handed_on(project, fake_slack)
    return project, {user: await said(fake_slack, f"Reply of {user}", user=user, thread=post) for user in ("U2", "U3")}


async def test_two_agents_at_once_resolve_it_once(two_replies: Replies, fake_slack: FakeSlack) -> None:
    project, replies = two_replies
    for user, reply in replies.items():
        await fake_slack.react("white_check_mark", user=user, post=reply)
    await fake_slack.wait_for_post("D1")
    await project.settled()
    assert len(fake_slack.posts("D1")) == 1
    assert [text for _, text in words(fake_slack)[1:]] == ["This question is already resolved."]
    for place in ("D2", "D3"):
        assert [post.thread_ts is None for post in fake_slack.posts(place)] == [True, False]


async def test_who_marks_a_reply_just_after_another_is_told_too(two_replies: Replies, fake_slack: FakeSlack) -> None:
    project, replies = two_replies
    for user, reply in replies.items():
        await fake_slack.react("white_check_mark", user=user, post=reply)
        await project.settled()
    assert words(fake_slack)[1:] == [("U3", "This question is already resolved.")]
    assert len(fake_slack.posts("D1")) == 1


async def test_a_mark_on_anything_else_says_what_to_mark(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project()
    post, note = await handed_on(project, fake_slack)
    own = await said(fake_slack, "Anybody?", user="U1", thread=post)
    for marked in (note, post, own):
        await fake_slack.react("white_check_mark", user="U2", post=marked)
        await project.settled()
    hints = [text for user, text in words(fake_slack) if user == "U2"]
    assert len(hints) == 3
    assert set(hints) == {"Mark the reply that answers the question and I'll pass it on, or press *Close*."}
    assert escalation(project).state == "open"


async def test_a_reply_that_was_deleted_resolves_nothing(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project()
    post, _ = await handed_on(project, fake_slack)
    reply = await said(fake_slack, REPLY, thread=post)
    fake_slack.web_api.posts.remove(reply)
    assert (await fake_slack.react("white_check_mark", user="U2", post=reply)).acknowledged
    await project.settled()
    assert escalation(project).state == "open"
    assert fake_slack.posts("D1") == []


async def test_a_thread_that_was_deleted_has_no_link_and_the_note_still_takes_the_reply(
    make_project: MakeProject, fake_slack: FakeSlack
) -> None:
    project = await make_project()
    post = await project.ask(QUESTION)
    fake_slack.web_api.posts[:] = []
    await fake_slack.press_button("Ask a person", user="U1", post=post)
    note = await fake_slack.wait_for_post("D2")
    assert "Reply in this thread" in note.shown
    reply = await said(fake_slack, REPLY, thread=note)
    await fake_slack.react("white_check_mark", user="U2", post=reply)
    assert REPLY in (await fake_slack.wait_for_post("D1")).shown


async def test_check_marks_mean_nothing_while_none_is_open(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project()
    post = await project.ask(QUESTION)
    reply = await said(fake_slack, "<@U9> done", thread=post)
    before = len(fake_slack.called("conversations.replies"))
    await fake_slack.react("white_check_mark", user="U2", post=reply)
    await project.settled()
    assert len(fake_slack.called("conversations.replies")) == before


async def test_closing_takes_an_agent_and_tells_the_asker(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project(channel="slack:CHELP")
    _, note = await handed_on(project, fake_slack, place="CHELP")
    await fake_slack.press_button("Close", user="U8", post=note)
    await project.settled()
    assert words(fake_slack)[-1][0] == "U8"
    assert "Only people who handle this department's questions" in words(fake_slack)[-1][1]
    await fake_slack.press_button("Close", user="U2", post=note)
    assert "<@U2> has closed your question without an answer" in (await fake_slack.wait_for_post("D1")).shown
    ended = await fake_slack.wait_for_post("CHELP", thread=note.ts)
    assert "Save as correction" not in str(ended.blocks)
    await fake_slack.press_button("Ask a person", user="U1", post=fake_slack.posts("C1")[0])
    await project.settled()
    assert words(fake_slack)[-1] == ("U1", "This question is already resolved.")


async def test_an_agent_writes_the_answer_from_the_note(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project()
    _, note = await handed_on(project, fake_slack)
    await fake_slack.press_button("Write the answer", user="U2", post=note)
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[-1])
    await fake_slack.submit_view(view, user="U2", correction=REPLY)
    assert REPLY in (await fake_slack.wait_for_post("D1")).shown
    await project.settled()
    assert escalation(project).outcome == "corrected"
    with project.mentee.store.read() as session:
        assert session.scalar(select(CorrectionRow.accepted))


@pytest.mark.parametrize(("user", "value"), [("U8", None), ("U2", "es_none")])
async def test_who_may_not_write_it_is_told_kindly(
    make_project: MakeProject, fake_slack: FakeSlack, user: str, value: Any
) -> None:
    project = await make_project(channel="slack:CHELP")
    _, note = await handed_on(project, fake_slack, place="CHELP")
    await fake_slack.press_button("Write the answer", user=user, post=note, value=value)
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[-1])
    assert view["title"]["text"] == "Nothing to correct"
    assert "submit" not in view


async def test_what_waits_too_long_comes_again_once(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project()
    await handed_on(project, fake_slack)
    with project.mentee.store.write() as session:
        session.execute(update(EscalationRow).values(opened_at=now() - timedelta(hours=5)))
    for _ in range(2):
        await project.mentee.store.run(project.mentee.escalations.remind)
    reminder = await fake_slack.wait_for_post("D2", count=2)
    await project.settled()
    assert "has been waiting for a person since" in reminder.shown
    assert len(fake_slack.posts("D2")) == 2
    reply = await said(fake_slack, REPLY, thread=reminder)
    await fake_slack.react("white_check_mark", user="U2", post=reply)
    assert REPLY in (await fake_slack.wait_for_post("D1")).shown


async def test_mentioned_in_the_thread_it_still_answers(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project()
    post, _ = await handed_on(project, fake_slack)
    await fake_slack.mention(QUESTION, user="U2", thread_ts=post.thread_ts)
    await fake_slack.wait_for_post("C1", thread=post.thread_ts, count=2)
    await said(fake_slack, "Is that so?", user="U1", thread=post)
    await project.settled()
    assert len(fake_slack.posts("C1", thread=post.thread_ts)) == 2


async def test_home_and_status_show_agents_what_waits(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project()
    await handed_on(project, fake_slack)
    for user, sees in (("U2", True), ("U1", False)):
        await fake_slack.open_home(user=user)
        home = await fake_slack.wait_until(partial(fake_slack.surfaces.homes.get, user))
        assert ("Waiting for a person" in str(home)) is sees
        status = await fake_slack.command("status", user=user)
        assert ("1 question waiting for a person" in str(status.body)) is sees
    home = str(fake_slack.surfaces.homes["U2"])
    assert QUESTION in home
    assert "<@U1>" in home
    await fake_slack.press_home("Write the answer", user="U2")
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[-1])
    await fake_slack.submit_view(view, user="U2", correction=REPLY)
    drawn = await fake_slack.wait_until(lambda: "Nobody is waiting" in str(h := fake_slack.surfaces.homes["U2"]) and h)
    assert QUESTION not in str(drawn["blocks"][:-1]) or "Waiting for a correction" in str(drawn)


async def test_a_line_that_cannot_be_shown_there_comes_as_a_direct_message(
    make_project: MakeProject, fake_slack: FakeSlack
) -> None:
    project = await make_project()
    post = await project.ask(QUESTION)
    fake_slack.fail("chat.postEphemeral", error("not_in_channel"))
    await fake_slack.press_button("Ask a person", user="U1", post=post)
    assert "passed your question on" in (await fake_slack.wait_for_post("D1")).shown


async def test_an_agent_outside_a_closed_department_sees_none_of_it(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=(DepartmentSpec("travel", "Travel", open=False),))
    mentee = project.mentee
    for user in ("U2", "U3"):
        People(mentee.store).ensure(Person(f"slack:{user}", user, Role.AGENT))
    for user in ("U1", "U3"):
        mentee.departments.set_member("travel", f"user:slack:{user}", member=True, actor="test")
    await handed_on(project, fake_slack, channel="D1", place="D3")
    assert fake_slack.posts("D2") == []
    await fake_slack.open_home(user="U2")
    home = await fake_slack.wait_until(lambda: fake_slack.surfaces.homes.get("U2"))
    assert "tax" not in str(home)


async def test_a_deleted_question_takes_its_notes_along(make_project: MakeProject, fake_slack: FakeSlack) -> None:
    project = await make_project(channel="slack:CHELP")
    deleted = await fake_slack.mention(QUESTION)
    post = await fake_slack.wait_for_post("C1")
    await project.settled()
    await fake_slack.press_button("Ask a person", user="U1", post=post)
    note = await fake_slack.wait_for_post("CHELP")
    await project.settled()
    assert (await fake_slack.delete(deleted)).acknowledged
    await project.settled()
    assert fake_slack.posts("CHELP") == []
    assert escalation(project) is None
    assert (await fake_slack.press_button("Close", user="U2", post=note)).acknowledged
    await project.settled()
    assert "no longer exists" in words(fake_slack)[-1][1]
