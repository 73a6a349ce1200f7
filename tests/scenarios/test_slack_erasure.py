"""What people forward or point to in Slack goes with its author, however often it was asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from bot.access.places import Place
from bot.storage.tables.answers import QuestionRow
from bot.storage.tables.delivery import InboxRow
from bot.storage.tables.documents import DocumentRow
from bot.storage.tables.feedback import VoteRow
from bot.testing.notes import NOTES
from plugins.slack.copy import channels as texts
from plugins.slack.testing import payloads
from plugins.slack.testing.wire import Post

if TYPE_CHECKING:
    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

SAID = "Wilhelmina asks: a new laptop after five days?"
POINTING = "can you help with this?"


def places(project: SlackProject) -> list[str]:
    return list(project.mentee.erasing.orphans(lambda text: "Wilhelmina" in text))


def quotes(project: SlackProject) -> list[list[str]]:
    with project.mentee.store.read() as session:
        return [row.quotes for row in session.scalars(select(QuestionRow))]


def closed_notes(project: SlackProject, closed: str, reader: str) -> None:
    """Let the database know the notes as documents, one of them closed to all but a reader."""
    retriever: Any = project.mentee.retriever
    retriever.readers = {closed: frozenset({reader})}
    with project.mentee.store.write() as session:
        for name, _, _ in NOTES["travel"]:
            row = DocumentRow(id=name, department="travel", address=name, source=name, sha256="", size=1)
            row.readers = [reader] if name == closed else []
            session.merge(row)


async def test_a_private_answer_goes_with_the_author_of_the_question_s_words(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=("travel",))
    closed_notes(project, "travel/lodging.md", "user:slack:U6")
    parent = await fake_slack.message("Are hotels tax exempt, Wilhelmina?", channel="C1", user="U5")
    await fake_slack.mention(POINTING, user="U6", thread_ts=parent.ts)
    await fake_slack.wait_for_post("C1")
    await fake_slack.wait_until(lambda: fake_slack.ephemerals)
    await fake_slack.press_private(fake_slack.ephemerals[0], texts.alone_button(), user="U6")
    await fake_slack.wait_until(lambda: fake_slack.ephemerals and fake_slack.ephemerals[-1]["text"] != texts.offer())
    await project.settled()
    assert quotes(project) == [["slack:U5", f"slack:T0FAKE:C1:{parent.ts}"]] * 2

    await asyncio.to_thread(lambda: project.mentee.erasing.person("slack:U5", actor="test"))
    assert await asyncio.to_thread(places, project) == []


async def test_what_was_forwarded_with_a_deleted_message_is_deleted_too(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    forwarded = [{"is_share": True, "text": SAID}]  # nobody knows by whom
    asked = await fake_slack.message(POINTING, channel="D1", attachments=forwarded)
    await fake_slack.wait_for_post("D1")
    await project.settled()
    assert await asyncio.to_thread(places, project)
    await fake_slack.delete(asked)
    await fake_slack.wait_until(lambda: fake_slack.posts("D1") == [])
    await project.settled()
    with project.mentee.store.read() as session:
        assert not any("Wilhelmina" in str(row.payload) for row in session.scalars(select(InboxRow)))
    assert await asyncio.to_thread(places, project) == []


async def test_with_a_deleted_message_goes_what_others_asked_by_it(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    parent = await fake_slack.message(SAID, channel="C1", user="U5")
    pointing = await fake_slack.mention(POINTING, user="U6", thread_ts=parent.ts)
    await fake_slack.wait_for_post("C1")
    shared = {"is_share": True, "text": SAID, "author_id": "U5", "channel_id": "C1", "ts": parent.ts}
    await fake_slack.message(POINTING, channel="D1", user="U6", attachments=[shared])
    await fake_slack.wait_for_post("D1")
    await fake_slack.message("And what do hotels cost there?", channel="D2", user="U6", attachments=[shared])
    kept = await fake_slack.wait_for_post("D2")
    await project.settled()
    assert await asyncio.to_thread(places, project)
    with project.mentee.store.write() as session:  # as retention does
        session.execute(delete(InboxRow).where(InboxRow.message_key.contains(pointing.ts)))

    await fake_slack.delete(parent)
    await fake_slack.wait_until(lambda: fake_slack.posts("C1") == fake_slack.posts("D1") == [])
    await project.settled()
    assert fake_slack.posts("D2") == [kept], "it only stood before this question"
    with project.mentee.store.read() as session:
        assert [(row.place, row.history) for row in session.scalars(select(QuestionRow))] == [("D2", [])]
    assert await asyncio.to_thread(places, project) == []


async def test_people_of_another_company_have_their_own_workspace_in_their_id(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=("travel",))
    project.mentee.places.configure(Place("slack:C1", ("travel",), ("everyone",)), actor="test")
    fake_slack.web_api.people["U5"] = {"team_id": "T9OTHER"}
    guest = {"user": "U5", "team": "T9OTHER", "channel": "C1", "channel_type": "channel"}
    asked = payloads.message("message", text="<@U0BOT> Are hotels tax exempt?", ts="5.000001", **guest)
    await fake_slack.deliver(payloads.event(asked, external=True))
    post = await fake_slack.wait_for_post("C1")
    fake_slack.web_api.posts.append(Post("C1", "6.000001", "U5", SAID, None, team="T9OTHER"))
    pointing = {"user": "U6", "ts": "7.000001", "thread_ts": "6.000001", "channel": "C1", "channel_type": "channel"}
    by_another = payloads.message("message", text=f"<@U0BOT> {POINTING}", **pointing)
    await fake_slack.deliver(payloads.event(by_another, external=True))
    await fake_slack.wait_for_post("C1", count=2)

    reaction = payloads.reaction("reaction_added", "-1", post, user="U5")
    await fake_slack.deliver(payloads.event(reaction, external=True))
    await project.settled()
    assert post.thumbs is not None
    button = post.thumbs["positive_button"]
    pressed = payloads.press(post, post.thumbs, button["value"], user="U5")
    pressed["user"]["team_id"] = "T9OTHER"
    await fake_slack.deliver(pressed, kind="interactive")
    await project.settled()

    with project.mentee.store.read() as session:
        people = [row.person_id for row in session.scalars(select(QuestionRow).order_by(QuestionRow.asked_at))]
        voters = [(row.person_id, row.value) for row in session.scalars(select(VoteRow))]
    assert people == ["slack:T9OTHER:U5", "slack:U6"]
    assert quotes(project)[1][0] == "slack:T9OTHER:U5"
    assert voters == [("slack:T9OTHER:U5", "up")], "a thumb and a reaction are one person's"
    assert await asyncio.to_thread(lambda: project.mentee.erasing.person("slack:T9OTHER:U5", actor="test").left) == ()
    assert await asyncio.to_thread(places, project) == []
