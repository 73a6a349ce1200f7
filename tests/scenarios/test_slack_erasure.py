"""What people forward or point to in Slack goes with its author, however often it was asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bot.storage.tables.answers import QuestionRow
from bot.storage.tables.delivery import InboxRow
from bot.storage.tables.documents import DocumentRow
from bot.testing.notes import NOTES
from plugins.slack.copy import channels as texts

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
    await fake_slack.mention(POINTING, user="U6", thread_ts=parent.ts)
    await fake_slack.wait_for_post("C1")
    shared = {"is_share": True, "text": SAID, "author_id": "U5", "channel_id": "C1", "ts": parent.ts}
    await fake_slack.message(POINTING, channel="D1", user="U6", attachments=[shared])
    await fake_slack.wait_for_post("D1")
    await fake_slack.message("And what do hotels cost there?", channel="D2", user="U6", attachments=[shared])
    kept = await fake_slack.wait_for_post("D2")
    await project.settled()
    assert await asyncio.to_thread(places, project)

    await fake_slack.delete(parent)
    await fake_slack.wait_until(lambda: fake_slack.posts("C1") == fake_slack.posts("D1") == [])
    await project.settled()
    assert fake_slack.posts("D2") == [kept], "it only stood before this question"
    with project.mentee.store.read() as session:
        assert [(row.place, row.history) for row in session.scalars(select(QuestionRow))] == [("D2", [])]
    assert await asyncio.to_thread(places, project) == []
