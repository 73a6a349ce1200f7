"""Questions through Slack, over both transports, as real signed requests and socket envelopes."""

from __future__ import annotations

import pytest

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])


@TRANSPORTS
async def test_a_mention_is_answered_in_its_thread_with_sources_and_thumbs(slack_project, fake_slack, transport):
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
async def test_a_direct_message_is_answered_in_its_own_thread(slack_project, fake_slack, transport):
    await slack_project(transport)
    asked = await fake_slack.message("Are hotels tax exempt?", channel="D7")
    post = await fake_slack.wait_for_post("D7")
    assert post.thread_ts == asked.ts


async def test_a_follow_up_in_a_thread_needs_no_mention_and_knows_what_was_said(slack_project, fake_slack):
    project = await slack_project()
    asked = await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_for_post("C1")
    project.engine.say("Show the form at the desk [1].")
    await fake_slack.message("And what do I show at the hotels desk?", channel="C1", thread_ts=asked.ts)
    post = await fake_slack.wait_for_post("C1", thread=asked.ts, count=2)
    assert "Show the form" in post.shown
    spoken = "\n".join(message.content for message in project.engine.requests[-1].messages)
    assert "Are hotels tax exempt?" in spoken


async def test_talk_in_channels_and_in_other_threads_is_not_for_us_and_not_stored(slack_project, fake_slack):
    project = await slack_project()
    assert (await fake_slack.message("Lunch?", channel="C1")).acknowledged
    assert (await fake_slack.message("At noon", channel="C1", thread_ts="1.000001")).acknowledged
    assert project.mentee.inbox.depth() == 0
    await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_for_post("C1")
    assert len(project.engine.requests) == 1


async def test_when_nothing_is_found_the_nearest_pages_are_named_as_such(slack_project, fake_slack):
    await slack_project(departments=("travel",))
    await fake_slack.mention("Which hotels have a swimming pool and a sauna for guests?")
    post = await fake_slack.wait_for_post("C1")
    assert "Nothing certain found" in post.shown
    assert "travel/lodging.md" in post.shown


async def test_a_mention_without_a_question_is_told_how_to_ask(slack_project, fake_slack):
    await slack_project()
    await fake_slack.mention("")
    post = await fake_slack.wait_for_post("C1")
    assert "Ask me a question" in post.shown
    assert post.thumbs is None


async def test_a_bound_channel_asks_only_its_departments_and_may_be_learned_from(slack_project, fake_slack):
    from bot.store.models import QuestionRow

    project = await slack_project()
    project.mentee.departments.set_channel("slack:C9", ["it"], actor="test", train_eligible=True)
    await fake_slack.mention("When does a new laptop come?", channel="C9", user="U5")
    await fake_slack.wait_for_post("C9")
    await fake_slack.mention("Are hotels tax exempt?", channel="C1")
    await fake_slack.wait_for_post("C1")
    with project.mentee.store.read() as session:
        rows = {row.place: row for row in session.query(QuestionRow)}
    assert (rows["C9"].department, rows["C9"].train_eligible) == ("it", True)
    assert rows["C1"].train_eligible is False
    assert project.mentee.departments.person("slack:U5").name == "u5"


async def test_a_name_that_slack_does_not_tell_keeps_no_answer_back(slack_project, fake_slack):
    from bot.testing.slack import error

    await slack_project()
    fake_slack.fail("users.info", error("user_not_found"))
    await fake_slack.mention("Are hotels tax exempt?")
    assert "12 states" in (await fake_slack.wait_for_post("C1")).shown


async def test_a_curated_answer_is_marked_as_a_colleagues(slack_project, fake_slack):
    from bot.messages import Correction, Person, Role

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


async def test_a_question_that_cannot_be_answered_gets_an_apology_without_thumbs(slack_project, fake_slack):
    project = await slack_project(settings={"limits": {"question_chars": 20}})
    await fake_slack.mention("Are hotels tax exempt in every single state?")
    post = await fake_slack.wait_for_post("C1")
    assert "at most 20 are read" in post.shown
    assert post.thumbs is None
    assert project.engine.requests == []


@pytest.mark.parametrize("place", ["C1", "D1"])
async def test_where_another_company_reads_along_only_granted_documents_answer(slack_project, fake_slack, place):
    from bot.testing.slack import payloads

    project = await slack_project(departments=("travel",))
    parts = {"channel": place, "user": "U1", "channel_type": "im" if place == "D1" else "channel"}
    asked = [
        payloads.event(
            payloads.message("message", text="<@U0BOT> Are hotels tax exempt?", ts=ts, **parts), external=True
        )
        for ts in ("5.000001", "5.000002")
    ]
    await fake_slack.deliver(asked[0])
    assert "No department here is open to you" in (await fake_slack.wait_for_post(place)).shown
    project.mentee.departments.set_channel(f"slack:{place}", ["travel"], actor="test", principals=["everyone"])
    await fake_slack.deliver(asked[1])
    assert "12 states" in (await fake_slack.wait_for_post(place, count=2)).shown
