"""What people say in threads beside questions, and what Mentee hears of a thread that it joins late."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from plugins.slack.testing import FakeSlack, error

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject

QUESTION = "Are hotels tax exempt?"


async def test_thanks_get_a_short_reply_without_thumbs(slack_project: MakeSlackProject) -> None:
    project = await slack_project()
    await project.ask(QUESTION, channel="D1")
    post = await project.ask("Thank you!", channel="D1")
    assert post.shown == "You're welcome."
    assert post.thumbs is None
    assert len(project.engine.requests) == 1


async def test_thanks_among_colleagues_get_no_reply(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project()
    asked = await fake_slack.mention(QUESTION)
    await fake_slack.wait_for_post("C1")
    await fake_slack.message("ok, perfect, that worked", channel="C1", user="U2", thread_ts=asked.ts)
    await project.settled()
    assert len(fake_slack.posts("C1")) == 1
    await fake_slack.message("ok, and hotels in Ohio?", channel="C1", user="U2", thread_ts=asked.ts)
    await fake_slack.wait_for_post("C1", count=2)


async def test_the_beginning_of_a_thread_that_mentee_joins_late_is_read(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    parent = await fake_slack.message("Are hotels tax exempt in all states?", channel="C1", user="U5")
    await project.settled()
    await fake_slack.mention("can you help with this?", user="U6", thread_ts=parent.ts)
    assert "12 states" in (await fake_slack.wait_for_post("C1")).shown
    assert project.engine.requests[0].messages[-1].content.endswith("Question: Are hotels tax exempt in all states?")


async def test_what_leans_on_the_beginning_of_a_thread_is_asked_with_it(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    parent = await fake_slack.message("Which states do you know?", channel="C1", user="U5")
    await fake_slack.mention("are hotels tax exempt in those?", user="U6", thread_ts=parent.ts)
    await fake_slack.wait_for_post("C1")
    prompt = project.engine.requests[0].messages[-1].content
    assert prompt.endswith("Question: Which states do you know?\nare hotels tax exempt in those?")


async def test_a_question_that_stands_alone_does_not_need_its_thread(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    await slack_project()
    parent = await fake_slack.message("Lunch?", channel="C1", user="U5")
    await fake_slack.mention("Are the hotels in all of the states tax exempt?", user="U6", thread_ts=parent.ts)
    await fake_slack.wait_for_post("C1")
    assert not [call for call in fake_slack.calls if call.method == "conversations.replies"]


@pytest.mark.parametrize("deleted", [True, False], ids=["deleted", "not allowed"])
async def test_a_thread_that_cannot_be_read_is_said_to_be_unseen(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, deleted: bool
) -> None:
    await slack_project()
    thread = "1700000000.000100"
    if not deleted:
        parent = await fake_slack.message("Are hotels tax exempt?", channel="C1", user="U5")
        thread = parent.ts
        fake_slack.fail("conversations.replies", error("missing_scope"))
    await fake_slack.mention("can you help with this?", user="U6", thread_ts=thread)
    assert "I can't see the earlier messages in this thread" in (await fake_slack.wait_for_post("C1")).shown


SHARED = {"is_share": True, "is_msg_unfurl": True, "author_id": "U9", "channel_id": "C77"}
BLOCKS = [{"message": {"blocks": [{"type": "rich_text", "elements": [{"type": "text", "text": QUESTION}]}]}}]


@pytest.mark.parametrize("text", ["", "can you answer this?"])
@pytest.mark.parametrize("content", [{"text": QUESTION}, {"message_blocks": BLOCKS}], ids=["text", "blocks"])
async def test_a_forwarded_message_is_the_question(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, text: str, content: dict[str, Any]
) -> None:
    project = await slack_project()
    await fake_slack.message(text, channel="D1", attachments=[{**SHARED, **content}])
    assert "12 states" in (await fake_slack.wait_for_post("D1")).shown
    assert project.engine.requests[0].messages[-1].content.endswith(f"Question: {QUESTION}")


async def test_other_attachments_ask_nothing(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project()
    preview = {"from_url": "https://example.com", "text": "Trains are cheap."}
    await fake_slack.message(QUESTION, channel="D1", attachments=[preview])
    await fake_slack.wait_for_post("D1")
    assert "Trains are cheap" not in project.engine.requests[0].messages[-1].content


@pytest.mark.parametrize("text", ["can you help with this?", "are hotels tax exempt in those?"])
async def test_erasing_the_author_of_what_was_pointed_to_erases_it(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, text: str
) -> None:
    project = await slack_project()
    parent = await fake_slack.message("Which states does my cousin Wilhelmina live in?", channel="C1", user="U5")
    await fake_slack.mention(text, user="U6", thread_ts=parent.ts)
    await fake_slack.wait_for_post("C1")
    await project.settled()
    assert await asyncio.to_thread(lambda: list(project.mentee.erasing.orphans(lambda text: "Wilhelmina" in text)))

    erased = await asyncio.to_thread(lambda: project.mentee.erasing.person("slack:U5", actor="test"))
    assert erased.left == ()
    assert not await asyncio.to_thread(lambda: list(project.mentee.erasing.orphans(lambda text: "Wilhelmina" in text)))


async def test_erasing_the_author_of_a_forwarded_message_spares_those_of_others(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    forwarded = [
        {**SHARED, "author_id": "U8", "text": "My cousin Wilhelmina travels."},
        {**SHARED, "author_id": "U9", "text": "So does uncle Bartholomew."},
    ]
    await fake_slack.message("are hotels tax exempt for those?", channel="D1", user="U6", attachments=forwarded)
    await fake_slack.wait_for_post("D1")
    await project.settled()

    await asyncio.to_thread(lambda: project.mentee.erasing.person("slack:U8", actor="test"))
    (asked,) = await asyncio.to_thread(lambda: project.mentee.history.of_person("slack:U6", limit=5))
    assert [turn.question for turn in asked.question.history] == ["So does uncle Bartholomew."]
