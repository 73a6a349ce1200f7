"""Who voted an answer down is told in Slack, privately, what became of it; and nobody is told what they may not see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.access.people import People
from bot.domain.answers import Answer, Citation
from bot.domain.departments import DepartmentSpec
from bot.domain.feedback import Correction, Vote
from bot.domain.people import EVERYONE, Audience, Person, Role
from bot.domain.questions import Question
from bot.storage.tables.access import PersonRow
from bot.storage.tables.delivery import OutboxRow
from bot.storage.tables.documents import DocumentRow
from bot.storage.tables.training import AdapterRow, ChampionRow, DatasetRowRow, RoundRow
from plugins.slack.testing import FakeSlack, drop
from tuning.services import learned

if TYPE_CHECKING:
    from bot.app import Mentee
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])
BOARD = DepartmentSpec("board", "Board", open=False)
AGENT = Person("web:gus", role=Role.AGENT)
QUESTION = "Are hotels tax exempt?"


@pytest.fixture
async def project(slack_project: MakeSlackProject) -> SlackProject:
    project = await slack_project(departments=("travel", BOARD))
    with project.mentee.store.write() as session:
        for address, readers in [("travel/lodging.md", []), ("travel/merger.md", ["department:board"])]:
            parts = {"source": address, "sha256": address, "size": 1, "readers": readers}
            session.add(DocumentRow(department="travel", address=address, **parts))
    return project


def answered(
    mentee: Mentee,
    text: str = QUESTION,
    *,
    asker: str = "slack:U9",
    department: str = "travel",
    cites: Any = ("travel/lodging.md",),
) -> str:
    question = Question(text, Person(asker), channel="slack", place="C1", audience=Audience(frozenset({EVERYONE})))
    citations = tuple(Citation(n, document, "A heading", "A passage.") for n, document in enumerate(cites, start=1))
    answer = Answer(question.id, f"No idea about {text}", known=True, department=department, citations=citations)
    mentee.recorder.record(question, answer)
    return answer.id


def voted_down_and_corrected(mentee: Mentee, *answer_ids: Any, by: str = "slack:U5") -> None:
    for answer_id in answer_ids:
        mentee.votes.record(Vote(answer_id, Person(by), "down"))
        mentee.votes.correct(Correction(answer_id, AGENT, "Only in Texas."))


def promote(mentee: Mentee, *answer_ids: Any) -> None:
    with mentee.store.write() as session:
        session.add(RoundRow(id="r_1", department="travel", state="finished", verdict="better", dataset="dataset"))
        for number, answer_id in enumerate(answer_ids):
            row = DatasetRowRow(dataset="dataset", example=f"x_{number}", answer_id=answer_id, people=[AGENT.id])
            session.add(row)
        adapter = AdapterRow(version="travel-14", department="travel", base_model="m", sha256="0", state="champion")
        adapter.round_id, adapter.dataset = "r_1", "dataset"
        session.add(adapter)
        session.flush()
        session.add(ChampionRow(department="travel", adapter="travel-14", action="promote", actor="round r_1"))


async def tell(project: SlackProject) -> None:
    await project.mentee.store.run(project.mentee.notifications.tell)
    await project.mentee.store.run(learned(project.mentee).tell)
    await project.settled()


@TRANSPORTS
async def test_from_a_thumb_down_to_the_adapter_that_learned_it(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport, departments=("travel",))
    mentee = project.mentee
    with mentee.store.write() as session:
        parts = {"source": "travel/lodging.md", "sha256": "0", "size": 1}
        session.add(DocumentRow(department="travel", address="travel/lodging.md", **parts))
    await fake_slack.mention(QUESTION)
    post = await fake_slack.wait_for_post("C1")
    await project.settled()
    await fake_slack.press("down", user="U5", post=post)
    await project.settled()
    with mentee.store.read() as session:
        answer_id = session.scalar(select(OutboxRow.answer_id).where(OutboxRow.answer_id.is_not(None)))
    assert answer_id is not None
    mentee.votes.correct(Correction(answer_id, AGENT, "Only in Texas."))
    await tell(project)
    [live] = fake_slack.posts("D5")
    assert "You voted down my answer to this" in live.shown
    assert f"• “{QUESTION}”" in live.shown
    assert "Texas" not in live.shown
    promote(mentee, answer_id)
    for _ in range(2):
        await tell(project)
    [_, learned] = fake_slack.posts("D5")
    assert "My new version (travel-14) answers now" in learned.shown
    assert f"• “{QUESTION}”" in learned.shown
    assert fake_slack.posts("D1") == []


async def test_several_come_in_one_message_and_the_rest_is_counted(
    project: SlackProject, fake_slack: FakeSlack
) -> None:
    questions = [f"Question {number}?" for number in range(12)]
    voted_down_and_corrected(project.mentee, *(answered(project.mentee, text) for text in questions))
    await tell(project)
    [news] = fake_slack.posts("D5")
    assert [text in news.shown for text in questions] == [True] * 10 + [False] * 2
    assert "… and 2 more" in news.shown


async def test_nobody_is_told_of_what_they_may_not_see(project: SlackProject, fake_slack: FakeSlack) -> None:
    mentee = project.mentee
    hidden = [
        answered(mentee, "When is the merger?", cites=("travel/lodging.md", "travel/merger.md")),
        answered(mentee, "What did the board say?", department="board", cites=()),
        answered(mentee, "Where is the page that is gone?", cites=("travel/gone.md",)),
    ]
    seen = [answered(mentee), answered(mentee, "My own?", asker="slack:U5", cites=("travel/merger.md",))]
    voted_down_and_corrected(mentee, *hidden, *seen)
    promote(mentee, *hidden, *seen)
    await tell(project)
    assert len(fake_slack.posts("D5")) == 2
    for news in fake_slack.posts("D5"):
        assert QUESTION in news.shown
        assert "My own?" in news.shown
        for part in ("merger", "board", "gone"):
            assert part not in news.shown


async def test_who_proposed_is_told_what_an_agent_decided_and_why(project: SlackProject, fake_slack: FakeSlack) -> None:
    mentee, bob = project.mentee, Person("slack:U5")
    gus = mentee.people.ensure(Person("web:gus", "gus", Role.AGENT))
    answer_id, secret = answered(mentee), answered(mentee, "When is the merger?", cites=("travel/merger.md",))
    for each in (answer_id, secret):
        mentee.votes.correct(Correction(each, bob, "In <11> states."))
    olga = Person("web:olga", role=Role.OPERATOR)
    for item in mentee.reviews.queue(olga):
        mentee.reviews.reject(item, gus if item.answer_id == answer_id else olga, "The page says <!here> 12.\nNot 11.")
    await tell(project)
    [told] = fake_slack.posts("D5")
    for part in ("gus didn't accept your correction", QUESTION, ">The page says &lt;!here&gt; 12.\n>Not 11."):
        assert part in told.shown, told.shown
    mentee.votes.correct(Correction(answer_id, bob, "In 12."))
    mentee.votes.correct(Correction(answer_id, AGENT, "In 12 states."))
    await tell(project)
    assert "gus published a correction that differs from yours." in fake_slack.posts("D5")[-1].shown
    assert "\n>In 12 states." in fake_slack.posts("D5")[-1].shown
    mentee.votes.correct(Correction(answer_id, bob, "In 13 states."))
    mentee.votes.correct(Correction(answer_id, AGENT, "In 13 states."))
    await tell(project)
    assert "gus published your correction." in fake_slack.posts("D5")[-1].shown
    assert len(fake_slack.posts("D5")) == 3


async def test_where_nothing_may_be_told_nothing_is_written(project: SlackProject, fake_slack: FakeSlack) -> None:
    voted_down_and_corrected(
        project.mentee, answered(project.mentee, "When is the merger?", cites=("travel/merger.md",))
    )
    await tell(project)
    assert fake_slack.posts("D5") == []


async def test_a_message_whose_reply_was_lost_is_found_again(project: SlackProject, fake_slack: FakeSlack) -> None:
    voted_down_and_corrected(project.mentee, answered(project.mentee))
    fake_slack.fail("chat.postMessage", drop(stored=True))
    await tell(project)
    assert len(fake_slack.posts("D5")) == 1


async def test_a_button_and_a_command_end_these_messages_and_bring_them_back(
    project: SlackProject, fake_slack: FakeSlack
) -> None:
    mentee = project.mentee
    People(mentee.store).ensure(Person("slack:U5", "Bob", Role.AGENT))
    voted_down_and_corrected(mentee, answered(mentee))
    await tell(project)
    [news] = fake_slack.posts("D5")
    await fake_slack.press_button("Stop these messages", user="U5", post=news)
    await project.settled()
    assert "`/mentee news on` turns them back on" in fake_slack.ephemerals[-1]["text"]
    voted_down_and_corrected(mentee, answered(mentee, "A second?"))
    await tell(project)
    assert len(fake_slack.posts("D5")) == 1
    switched = await fake_slack.command("news on", user="U5")
    assert "I'll tell you" in switched.body["text"]
    voted_down_and_corrected(mentee, answered(mentee, "A third?"))
    await tell(project)
    assert "A third?" in fake_slack.posts("D5")[1].shown
    assert "A second?" not in fake_slack.posts("D5")[1].shown
    with mentee.store.read() as session:
        assert session.get_one(PersonRow, "slack:U5").role == "agent"
    assert "`on` or `off`" in (await fake_slack.command("news", user="U5")).body["text"]
    assert "won't tell you" in (await fake_slack.command("news off", user="U5")).body["text"]
