"""Questions through Slack, over both transports, as real signed requests and socket envelopes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.access.places import Place
from bot.domain.answers import DirectAnswer
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from bot.domain.questions import Question
    from plugins.slack.testing import FakeSlack
    from plugins.slack.testing.fixtures import MakeSlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])


@TRANSPORTS
async def test_a_mention_is_answered_in_its_thread_with_sources_and_thumbs(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    await slack_project(transport)
    asked = await fake_slack.mention("Are hotels tax exempt?", channel="C1")
    assert asked.status == 200
    post = await fake_slack.wait_for_post("C1")
    assert post.thread_ts == asked.ts
    assert "Hotels are tax exempt in 12 states [1]." in post.shown
    assert "[1] Lodging \u203a Taxes — travel/lodging.md" in post.shown
    assert post.thumbs["positive_button"]["value"].startswith("up:a_")
    assert (post.arguments["unfurl_links"], post.arguments["unfurl_media"]) == (False, False)


@TRANSPORTS
async def test_a_direct_message_is_answered_in_its_own_thread(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    await slack_project(transport)
    asked = await fake_slack.message("Are hotels tax exempt?", channel="D7")
    post = await fake_slack.wait_for_post("D7")
    assert post.thread_ts == asked.ts


async def test_a_follow_up_in_a_thread_needs_no_mention_and_knows_what_was_said(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    asked = await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_for_post("C1")
    project.engine.say("Show the form at the desk [1].")
    await fake_slack.message("And what do I show at the hotels desk?", channel="C1", thread_ts=asked.ts)
    post = await fake_slack.wait_for_post("C1", thread=asked.ts, count=2)
    assert "Show the form" in post.shown
    spoken = "\n".join(message.content for message in project.engine.requests[-1].messages)
    assert "Are hotels tax exempt?" in spoken


async def test_a_skill_knows_who_asked_what_in_a_thread(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    heard: list[tuple[str, list[str]]] = []

    def answer_directly(question: Question) -> DirectAnswer:
        heard.append((question.person.id, [turn.person_id for turn in question.history]))
        return DirectAnswer(f"Noted, number {len(heard)}.")

    project = await slack_project(plugins={"skill": make_plugin(answer_directly=answer_directly)})
    asked = await fake_slack.mention("Open a ticket", user="U1")
    await fake_slack.wait_for_post("C1")
    await fake_slack.message("yes", user="U2", channel="C1", thread_ts=asked.ts)
    await fake_slack.wait_for_post("C1", thread=asked.ts, count=2)
    await fake_slack.message("no", user="U1", channel="C1", thread_ts=asked.ts)
    await fake_slack.wait_for_post("C1", thread=asked.ts, count=3)
    one, two = heard[0][0], heard[1][0]
    assert one.endswith("U1")
    assert two.endswith("U2")
    assert heard == [(one, []), (two, [one]), (one, [one, two])]
    recorded = project.mentee.history.of_person(one, limit=1)[0].question
    assert [turn.person_id for turn in recorded.history] == [one, two], "it is stored with the question"


async def test_talk_in_channels_and_in_other_threads_is_not_for_us_and_not_stored(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    assert (await fake_slack.message("Lunch?", channel="C1")).acknowledged
    assert (await fake_slack.message("At noon", channel="C1", thread_ts="1.000001")).acknowledged
    assert project.mentee.inbox.depth() == 0
    await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_for_post("C1")
    assert len(project.engine.requests) == 1


async def test_when_nothing_is_found_the_nearest_pages_are_named_as_such(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    await slack_project(departments=("travel",))
    await fake_slack.mention("Which hotels have a swimming pool and a sauna for guests?")
    post = await fake_slack.wait_for_post("C1")
    assert "I found nothing certain" in post.shown
    assert "travel/lodging.md" in post.shown


async def test_a_mention_without_a_question_is_told_how_to_ask(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    await slack_project()
    await fake_slack.mention("")
    post = await fake_slack.wait_for_post("C1")
    assert "Ask me a question" in post.shown
    assert post.thumbs is None


async def test_a_bound_channel_asks_only_its_departments_and_may_be_learned_from(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    from bot.storage.tables.answers import QuestionRow

    project = await slack_project()
    project.mentee.places.configure(Place("slack:C9", ("it",), train_eligible=True), actor="test")
    await fake_slack.mention("When does a new laptop come?", channel="C9", user="U5")
    await fake_slack.wait_for_post("C9")
    await fake_slack.mention("Are hotels tax exempt?", channel="C1")
    await fake_slack.wait_for_post("C1")
    with project.mentee.store.read() as session:
        rows = {row.place: row for row in session.query(QuestionRow)}
    assert (rows["C9"].department, rows["C9"].train_eligible) == ("it", True)
    assert rows["C1"].train_eligible is False
    assert project.mentee.departments.person("slack:U5").name == "u5"


async def test_a_name_that_slack_does_not_tell_keeps_no_answer_back(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    from plugins.slack.testing import error

    await slack_project()
    fake_slack.fail("users.info", error("user_not_found"))
    await fake_slack.mention("Are hotels tax exempt?")
    assert "12 states" in (await fake_slack.wait_for_post("C1")).shown


async def test_a_curated_answer_is_marked_as_a_colleagues(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    from bot.domain.feedback import Correction
    from bot.domain.people import Person, Role

    project = await slack_project(departments=("travel",))
    await fake_slack.mention("Are hotels tax exempt?")
    post = await fake_slack.wait_for_post("C1")
    answer_id = post.thumbs["positive_button"]["value"].partition(":")[2]
    agent = Person("web:ada", role=Role.AGENT)
    project.mentee.votes.correct(Correction(answer_id, agent, "Only in Texas."))
    await fake_slack.mention("Are hotels tax exempt?", channel="C2")
    second = await fake_slack.wait_for_post("C2")
    assert "Only in Texas." in second.shown
    assert "Answered by a colleague" in second.shown


async def test_a_question_that_cannot_be_answered_gets_an_apology_without_thumbs(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(settings={"limits": {"question_chars": 20}})
    await fake_slack.mention("Are hotels tax exempt in every single state?")
    post = await fake_slack.wait_for_post("C1")
    assert "The limit is 20" in post.shown
    assert post.thumbs is None
    assert project.engine.requests == []


@pytest.mark.parametrize("place", ["C1", "D1"])
async def test_where_another_company_reads_along_only_granted_documents_answer(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, place: str
) -> None:
    from plugins.slack.testing import payloads

    project = await slack_project(departments=("travel",))
    parts = {"channel": place, "user": "U1", "channel_type": "im" if place == "D1" else "channel"}
    asked = [
        payloads.event(
            payloads.message("message", text="<@U0BOT> Are hotels tax exempt?", ts=ts, **parts), external=True
        )
        for ts in ("5.000001", "5.000002")
    ]
    await fake_slack.deliver(asked[0])
    assert "You can't ask any department here" in (await fake_slack.wait_for_post(place)).shown
    project.mentee.places.configure(Place(f"slack:{place}", ("travel",), ("everyone",)), actor="test")
    await fake_slack.deliver(asked[1])
    assert "12 states" in (await fake_slack.wait_for_post(place, count=2)).shown
