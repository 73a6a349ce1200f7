"""How Mentee behaves in channels: whom it hears, whom it answers, what it keeps to one person, what it unsays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.storage.tables.answers import QuestionRow
from bot.storage.tables.delivery import InboxRow
from bot.storage.tables.documents import DocumentRow
from plugins.slack.copy import channels as texts
from plugins.slack.settings import SlackSettings
from plugins.slack.setup import manifest
from plugins.slack.testing import FakeSlack, error, payloads
from plugins.slack.testing.wire import Post
from plugins.slack.workspaces.channels import Channels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])
ASKED = "Are hotels tax exempt?"
UNKNOWN = "Which hotels have a swimming pool and a sauna for guests?"


@pytest.fixture(autouse=True)
def granted(fake_slack: FakeSlack) -> Iterator[None]:
    """Grant what the manifest asks for, and see that it was enough."""
    fake_slack.web_api.granted = set(manifest.scopes())
    yield
    assert [call.method for call in fake_slack.calls if call.answer == "missing_scope"] == []


def channels_of(project: SlackProject) -> Channels:
    mentee = project.mentee
    return Channels(mentee.places, SlackSettings.of(mentee.settings))


def setting(project: SlackProject, channel: str = "C1", **values: Any) -> None:
    """Set how Mentee behaves in a channel, as an operator does."""
    channels_of(project).change(channel, values, actor="test")


def questions(project: SlackProject) -> list[QuestionRow]:
    with project.mentee.store.read() as session:
        return list(session.scalars(select(QuestionRow).order_by(QuestionRow.asked_at)))


def shown(message: Any) -> str:
    """Return what one person reads."""
    return Post(message["channel"], "1.0", "U0BOT", message["text"], blocks=message.get("blocks") or []).shown


async def ephemeral(slack: FakeSlack, number: int = 1) -> dict[str, Any]:
    await slack.wait_until(lambda: len(slack.ephemerals) >= number)
    return slack.ephemerals[number - 1]


# --- whom it hears -----------------------------------------------------------------------------------------------


@TRANSPORTS
async def test_every_question_is_answered_where_the_channel_is_set_so(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    setting(project, answers="all")
    asked = await fake_slack.message(ASKED, channel="C1")
    post = await fake_slack.wait_for_post("C1")
    assert post.thread_ts == asked.ts
    for talk in ("Lunch at noon.", "See https://example.org/?q=1", "<@U9> are hotels tax exempt?", "`a ? b`"):
        await fake_slack.message(talk, channel="C1")
    await fake_slack.message("Anyone?", channel="C1", thread_ts="1.000001")
    await fake_slack.message(ASKED, channel="C2")
    await project.settled()
    assert len(questions(project)) == 1
    with project.mentee.store.read() as session:
        assert session.query(InboxRow).count() == 1, "what is not for us is not stored"


async def test_follow_ups_wait_for_a_mention_where_the_channel_is_set_so(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    setting(project, follow_ups=False)
    asked = await fake_slack.mention(ASKED)
    await fake_slack.wait_for_post("C1")
    await fake_slack.message("And trains?", channel="C1", thread_ts=asked.ts)
    await project.settled()
    assert len(questions(project)) == 1
    await fake_slack.mention("And trains?", thread_ts=asked.ts)
    await fake_slack.wait_for_post("C1", count=2)


async def test_a_follow_up_that_calls_somebody_else_is_not_for_us(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    asked = await fake_slack.mention(ASKED)
    await fake_slack.wait_for_post("C1")
    await fake_slack.message("<@U9> do you know about trains?", channel="C1", thread_ts=asked.ts)
    await project.settled()
    assert len(questions(project)) == 1


@pytest.mark.parametrize("quiet", ["off", "react", "silent"])
async def test_a_stray_question_without_an_answer_is_met_as_the_channel_is_set(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, quiet: str
) -> None:
    project = await slack_project(departments=("travel",))
    setting(project, answers="all", quiet=quiet)
    stray = await fake_slack.message(UNKNOWN, channel="C1")
    await project.settled()
    assert len(fake_slack.posts("C1")) == (1 if quiet == "off" else 0)
    reactions = [(each.ts, each.name) for each in fake_slack.workspace.reactions]
    assert reactions == ([(stray.ts, texts.QUIET_EMOJI)] if quiet == "react" else [])
    await fake_slack.message("Maybe?", channel="C1", thread_ts=stray.ts, user="U2")
    await project.settled()
    assert len(questions(project)) == (2 if quiet == "off" else 1), "it takes no part where it said nothing"
    await fake_slack.mention(UNKNOWN)
    await project.settled()
    assert "I found nothing certain" in fake_slack.posts("C1")[-1].shown, "who calls it gets an answer"


# --- who may ask -------------------------------------------------------------------------------------------------


@TRANSPORTS
async def test_where_nobody_is_answered_who_calls_it_is_told_so_alone(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport, settings={"slack": {"answers": "never"}})
    asked = await fake_slack.mention(ASKED)
    refused = await ephemeral(fake_slack)
    assert (refused["user"], refused["text"]) == ("U1", texts.answers_nobody())
    await fake_slack.message("Anyone?", channel="C1", thread_ts=asked.ts)
    await fake_slack.message(ASKED, channel="D1")
    await fake_slack.wait_for_post("D1")
    setting(project, channel="C2", answers="tagged")
    await fake_slack.mention(ASKED, channel="C2")
    await fake_slack.wait_for_post("C2")
    setting(project, channel="C2", answers="never")
    await fake_slack.message("And trains?", channel="C2", thread_ts=fake_slack.posts("C2")[0].thread_ts)
    await project.settled()
    assert [row.place for row in questions(project)] == ["D1", "C2"]
    assert fake_slack.posts("C1") == []


@pytest.mark.parametrize("place", ["C1", "D1"])
async def test_who_asks_too_much_within_a_minute_is_told_so_alone(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, place: str
) -> None:
    project = await slack_project(settings={"limits": {"questions_per_minute": 2}})
    ask = fake_slack.mention if place == "C1" else fake_slack.message
    for _ in range(3):
        await ask(ASKED, channel=place, user="U1")
    await ask(ASKED, channel=place, user="U2")
    await project.settled()
    assert sorted(row.person_id for row in questions(project)) == ["slack:U1", "slack:U1", "slack:U2"]
    alone, posts = map(shown, fake_slack.ephemerals), [post.shown for post in fake_slack.posts()]
    told = [text for text in (alone if place == "C1" else posts) if "You asked 2 questions within a minute" in text]
    assert len(told) == 1
    assert len(fake_slack.posts()) == (3 if place == "C1" else 4)


@TRANSPORTS
async def test_only_members_of_the_channels_groups_may_ask(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    fake_slack.workspace.groups = {"S1": {"U1"}, "S2": {"U2"}}
    setting(project, askers=["S1", "S2"], answers="all")
    await fake_slack.mention(ASKED, user="U3")
    refused = await ephemeral(fake_slack)
    assert (refused["user"], refused["text"]) == ("U3", texts.may_not_ask())
    await fake_slack.message(ASKED, channel="C1", user="U3")
    await fake_slack.mention(ASKED, user="U2")
    await fake_slack.mention(ASKED, user="U1")
    await fake_slack.wait_for_post("C1", count=2)
    await project.settled()
    assert {row.person_id for row in questions(project)} == {"slack:U2", "slack:U1"}
    assert len(fake_slack.ephemerals) == 1, "who did not call it is not told"
    asked = [call.arguments["usergroup"] for call in fake_slack.calls if call.method == "usergroups.users.list"]
    assert asked == ["S1", "S2"], "remembered for a while"
    await fake_slack.message(ASKED, channel="D3", user="U3")
    await fake_slack.wait_for_post("D3")


async def test_a_group_that_slack_does_not_tell_about_lets_nobody_in(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    setting(project, askers=["S1"])
    fake_slack.fail("usergroups.users.list", error("missing_scope"))
    await fake_slack.mention(ASKED)
    assert (await ephemeral(fake_slack))["text"] == texts.may_not_ask()
    assert questions(project) == []


# --- first to the asker ------------------------------------------------------------------------------------------


@TRANSPORTS
async def test_an_answer_is_shown_to_the_asker_first_who_shares_it(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport, departments=("travel",))
    readable_notes(project)
    setting(project, private_first=True)
    asked = await fake_slack.mention(ASKED)
    first = await ephemeral(fake_slack)
    assert (first["user"], first.get("thread_ts")) == ("U1", None)
    assert "12 states" in shown(first)
    assert fake_slack.posts("C1") == []
    await fake_slack.message("What does it say?", channel="C1", thread_ts=asked.ts, user="U2")
    await project.settled()
    assert len(questions(project)) == 1, "others know of no answer yet"
    await fake_slack.press_private(first, texts.share_button(), user="U2")
    await project.settled()
    assert fake_slack.posts("C1") == [], "it is the asker's to share"
    for _ in range(2):
        await fake_slack.press_private(first, texts.share_button())
    post = await fake_slack.wait_for_post("C1")
    await project.settled()
    assert len(fake_slack.posts("C1")) == 1
    assert post.thread_ts == asked.ts
    assert "12 states" in post.shown
    assert first not in fake_slack.ephemerals
    await fake_slack.press("up", user="U2", post=post)
    await fake_slack.message("And trains?", channel="C1", thread_ts=asked.ts, user="U2")
    await project.settled()
    assert len(questions(project)) == 2, "now it takes part"
    vote = project.mentee.votes.current(answer_of(post), "slack:U2")
    assert vote is not None
    assert vote.value == "up"


async def test_a_discarded_answer_is_gone_and_nobody_else_saw_it(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    setting(project, private_first=True)
    await fake_slack.mention(ASKED)
    first = await ephemeral(fake_slack)
    await fake_slack.press_private(first, texts.discard_button())
    await fake_slack.wait_until(lambda: fake_slack.ephemerals == [])
    await project.settled()
    assert fake_slack.posts("C1") == []


@pytest.mark.parametrize("change", ["document", "company", "group", "department", "closed"])
async def test_rights_are_looked_at_again_when_an_answer_is_shared(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, change: str
) -> None:
    project = await slack_project()
    readable_notes(project)
    fake_slack.workspace.groups = {"S1": set()}
    setting(project, private_first=True)
    await fake_slack.mention(ASKED)
    first = await ephemeral(fake_slack)
    if change == "document":
        readable_notes(project, **{"travel/lodging.md": ["department:travel"]})
    elif change == "company":
        fake_slack.workspace.shared.add("C1")
    elif change == "group":
        setting(project, askers=["S1"])
    elif change == "closed":
        project.mentee.departments.configure("travel", {"open": False}, actor="test")
    else:
        setting(project, departments=["it"])
    await fake_slack.press_private(first, texts.share_button())
    assert (await ephemeral(fake_slack, 2))["text"] == texts.cannot_share()
    await project.settled()
    assert fake_slack.posts("C1") == []


# --- what needs the asker's own rights ---------------------------------------------------------------------------


def readable_notes(project: SlackProject, **readers: Any) -> None:
    """Let the database know the notes as documents, some of them closed to all but ``readers``."""
    from bot.testing.notes import NOTES

    retriever: Any = project.mentee.retriever
    retriever.readers = {name: frozenset(each) for name, each in readers.items()}
    with project.mentee.store.write() as session:
        for department in project.mentee.departments.names():
            for name, _, _ in NOTES[department]:
                row = DocumentRow(id=name, department=department, address=name, source=name, sha256="", size=1)
                row.readers = list(readers.get(name, ()))
                session.merge(row)


def answer_of(post: Post) -> str:
    return str(post.thumbs["positive_button"]["value"]).partition(":")[2]


CLOSED = {"travel/lodging.md": ["user:slack:U1"]}


@TRANSPORTS
async def test_what_the_channel_may_not_read_is_offered_to_the_asker_alone(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport, departments=("travel",))
    readable_notes(project, **CLOSED)
    asked = await fake_slack.mention(ASKED)
    post = await fake_slack.wait_for_post("C1")
    assert "lodging" not in post.shown
    offered = await ephemeral(fake_slack)
    assert (offered["user"], offered["text"]) == ("U1", texts.offer())
    await fake_slack.press_private(offered, texts.alone_button(), user="U2")
    await project.settled()
    assert len(questions(project)) == 1, "it is the asker's to take up"
    await fake_slack.press_private(offered, texts.alone_button())
    await fake_slack.wait_until(lambda: offered not in fake_slack.ephemerals)
    private = await fake_slack.wait_until(lambda: fake_slack.ephemerals and fake_slack.ephemerals[-1])
    assert private["user"] == "U1"
    assert "Lodging" in shown(private)
    assert texts.share_button() not in str(private["blocks"]), "nobody can share it"
    assert len(fake_slack.posts("C1")) == 1
    await project.settled()
    own = questions(project)[-1]
    assert own.train_eligible is False
    project.engine.requests.clear()
    await fake_slack.mention("How do I book trains?", thread_ts=asked.ts, user="U2")
    await fake_slack.wait_for_post("C1", count=2)
    prompt = "\n".join(message.content for message in project.engine.requests[-1].messages)
    assert "Hotels are tax exempt" not in prompt, "the channel's thread does not know it"


@pytest.mark.parametrize("who", ["nobody", "another", "external"])
async def test_nobody_is_offered_what_they_may_not_read_or_where_another_company_reads(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, who: str
) -> None:
    project = await slack_project(departments=("travel",))
    readable_notes(project, **(CLOSED if who != "nobody" else {}))
    setting(project, reads=["everyone"])
    user = "U2" if who == "another" else "U1"
    parts = {"text": f"<@U0BOT> {ASKED}", "ts": "5.000001", "channel": "C1", "user": user, "channel_type": "channel"}
    await fake_slack.deliver(payloads.event(payloads.message("message", **parts), external=who == "external"))
    await fake_slack.wait_for_post("C1")
    await project.settled()
    channel: Any = project.runtime.channels["slack"]
    background = channel._parts.background
    async with asyncio.timeout(10):
        while background._tasks:  # noqa: ASYNC110 - the offer is made, or not, beside everything else
            await asyncio.sleep(0.01)
    await project.settled()
    assert fake_slack.ephemerals == []


# --- what rounds may learn from ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instance", "channel", "external", "eligible"),
    [
        (True, None, False, True),
        (True, None, True, False),
        (True, True, True, True),
        (True, False, False, False),
        (False, None, False, False),
        (False, True, False, True),
    ],
)
async def test_a_channel_says_whether_rounds_may_learn_from_it(  # noqa: PLR0917 - each part of the rule
    slack_project: MakeSlackProject, fake_slack: FakeSlack, instance: bool, channel: Any, external: bool, eligible: bool
) -> None:
    from collections import Counter

    from bot.domain.identifiers import now
    from tuning.data.aggregate import aggregate

    project = await slack_project(departments=("travel",), settings={"slack": {"train_eligible": instance}})
    setting(project, train_eligible=channel, reads=["everyone"])
    parts = {"text": f"<@U0BOT> {ASKED}", "ts": "5.000001", "channel": "C1", "user": "U1", "channel_type": "channel"}
    await fake_slack.deliver(payloads.event(payloads.message("message", **parts), external=external))
    post = await fake_slack.wait_for_post("C1")
    await fake_slack.press("up", user="U1", post=post)
    await project.settled()
    dropped: Counter[str] = Counter()
    found = aggregate(project.mentee.feedback.rated("travel", now()), dropped)
    assert (len(found), dropped["not eligible for training"]) == ((1, 0) if eligible else (0, 1))
    setting(project, train_eligible=False)
    found = aggregate(project.mentee.feedback.rated("travel", now()), dropped)
    assert found == [], "what was asked before is kept out as well"
