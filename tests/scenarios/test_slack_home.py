"""App Home: what each person sees there, and an agent's queue."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bot.access.people import People
from bot.domain.departments import DepartmentSpec
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Person, Role
from bot.storage.tables.documents import DocumentRow, SnapshotRow
from bot.storage.tables.feedback import CorrectionRow
from plugins.slack.testing import FakeSlack, hang
from tests.scenarios.records import LODGING, SECRET, add_answer, add_documents, shown

if TYPE_CHECKING:
    from plugins.slack.testing.fixtures import MakeSlackProject, SlackProject

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])
CLOSED = DepartmentSpec("board", "Board", open=False, examples=("When does the board meet?",))


async def project_with_an_agent(slack_project: MakeSlackProject) -> SlackProject:
    """Start a project with an agent, U2, who may read one of two pages of travel and nothing of the closed board."""
    project = await slack_project(departments=("travel", CLOSED))
    People(project.mentee.store).ensure(Person("slack:U2", "Ada", Role.AGENT))
    add_documents(project.mentee, "travel", LODGING)
    add_documents(project.mentee, "travel", SECRET, readers=["department:board"])
    return project


async def home(slack: FakeSlack, user: str = "U1") -> str:
    slack.surfaces.homes.pop(user, None)
    opened = await slack.open_home(user=user)
    assert opened.acknowledged
    return shown((await slack.wait_until(lambda: slack.surfaces.homes.get(user)))["blocks"])


# --- App Home ----------------------------------------------------------------------------------------------------


@TRANSPORTS
async def test_home_shows_the_departments_and_what_they_know(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport)
    add_documents(project.mentee, "travel", LODGING, "travel/trains.md")
    with project.mentee.store.write() as session:
        session.add(SnapshotRow(id="g1", department="travel", embedder="e", active=True))
    read = await home(fake_slack)
    assert "I answer from your company's own documents" in read
    assert "*Travel*\n2 documents, last synced <!date^" in read
    assert "*It*\nNo documents that you may read yet." in read
    assert "You have not asked anything yet." in read


async def test_home_shows_nobody_what_they_may_not_see(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    project = await slack_project(departments=("travel", CLOSED))
    mentee = project.mentee
    add_documents(mentee, "travel", LODGING)
    add_documents(mentee, "travel", SECRET, readers=["department:board"])
    add_documents(mentee, "board", "board/minutes.md")
    add_answer(mentee, "A question of somebody else")
    read = await home(fake_slack, "U1")
    assert "*Travel*\n1 document" in read
    for hidden in ("Board", "somebody else", "Waiting for a correction", "Health"):
        assert hidden not in read
    mentee.departments.set_member("board", "user:slack:U2", member=True, actor="test")
    read = await home(fake_slack, "U2")
    assert "*Travel*\n2 documents" in read
    assert "*Board*\n1 document" in read


async def test_home_lists_ones_own_questions_with_the_words_as_they_were_written(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    for number in range(7):
        at = now() - timedelta(minutes=number)
        add_answer(project.mentee, f"Question {number} <!channel> *{'x' * 300}", person="slack:U1", asked_at=at)
    await home(fake_slack)
    blocks = fake_slack.surfaces.homes["U1"]["blocks"]
    own = [block["text"] for block in blocks if block["type"] == "section" and "Question" in block["text"]["text"]]
    assert [text["text"][:10] for text in own] == [f"Question {number}" for number in range(5)]
    assert {text["type"] for text in own} == {"plain_text"}
    assert all(len(text["text"]) == 200 for text in own)


@pytest.mark.parametrize("role", [Role.AGENT, Role.OPERATOR])
async def test_agents_see_what_waits_for_a_correction_and_operators_the_rest(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, role: Any
) -> None:
    project = await slack_project()
    mentee = project.mentee
    People(mentee.store).ensure(Person("slack:U2", "Ada", role))
    add_documents(mentee, "travel", LODGING)
    with mentee.store.write() as session:
        failed = {"sha256": "0", "size": 1, "state": "failed", "source": "travel/broken.pdf"}
        session.add(DocumentRow(department="travel", address="travel/broken.pdf", **failed))
    down = [("slack:U5", "down", "outdated"), ("slack:U6", "down", "")]
    add_answer(mentee, "Is this waiting?", votes=down)
    corrected = add_answer(mentee, "Is this corrected?", votes=down)
    with mentee.store.write() as session:
        parts = {"person_id": "web:ada", "role": "agent", "text": "No.", "accepted": True}
        session.add(CorrectionRow(answer_id=corrected, **parts))
    read = await home(fake_slack, "U2")
    assert "1 answer voted down and not corrected yet." in read
    assert "Is this waiting?\nTravel · 2 × :-1: · It is out of date" in read
    assert "Is this corrected?" not in read
    assert "no messages are waiting" in read
    assert ("Travel: 1 document could not be read" in read) == (role is Role.OPERATOR)


async def test_operators_see_the_pages_called_out_of_date_and_answers_called_unsafe(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    mentee = project.mentee
    for user, role in (("U2", Role.AGENT), ("U3", Role.OPERATOR)):
        People(mentee.store).ensure(Person(f"slack:{user}", user, role))
    add_documents(mentee, "travel", LODGING)
    add_answer(mentee, "Old?", votes=[("slack:U5", "down", "outdated"), ("slack:U6", "down", "outdated")])
    add_answer(mentee, "Bad?", votes=[("slack:U5", "down", "unsafe"), ("slack:U6", "down", "unsafe")])
    mended = add_answer(mentee, "Mended?", cites=("travel/mended.md",), votes=[("slack:U5", "down", "outdated")])
    with mentee.store.write() as session:
        parts = {"person_id": "web:ada", "role": "agent", "text": "No.", "accepted": True}
        session.add(CorrectionRow(answer_id=mended, **parts))
    read = await home(fake_slack, "U3")
    assert f"{LODGING}: reported as outdated 2 ×" in read
    assert "1 answer reported as unsafe" in read
    assert "mended" not in read
    read = await home(fake_slack, "U2")
    assert "reported as outdated" not in read
    assert "unsafe" not in read.replace("It is unsafe", "")


async def test_an_agents_queue_holds_only_what_the_agent_may_read(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await project_with_an_agent(slack_project)
    mentee = project.mentee
    down = [("slack:U5", "down", "")]
    add_answer(mentee, "When is the merger?", cites=(LODGING, SECRET), votes=down)
    add_answer(mentee, "What did the board say?", department="board", cites=(), votes=down)
    add_answer(mentee, "Are hotels tax exempt?", votes=down)
    read = await home(fake_slack, "U2")
    assert "1 answer voted down" in read
    assert "Are hotels tax exempt?" in read
    assert "merger" not in read
    assert "board" not in read.lower()


async def test_an_answer_whose_page_is_gone_waits_for_an_operator(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    for user, role in (("U2", Role.AGENT), ("U3", Role.OPERATOR)):
        People(project.mentee.store).ensure(Person(f"slack:{user}", user, role))
    add_answer(project.mentee, "Are hotels tax exempt?", votes=[("slack:U5", "down", "")])
    assert "Are hotels tax exempt?" not in await home(fake_slack, "U2")
    assert "Are hotels tax exempt?" in await home(fake_slack, "U3")


async def test_a_long_home_stays_within_slacks_limits(slack_project: MakeSlackProject, fake_slack: FakeSlack) -> None:
    departments = [DepartmentSpec(f"d{number}", f"{number} <&> " + "t" * 240) for number in range(40)]
    project = await slack_project(departments=departments)
    People(project.mentee.store).ensure(Person("slack:U2", "Ada", Role.OPERATOR))
    for number in range(30):
        person = "slack:U2" if number % 2 else "slack:U3"
        text = "q" * 4_000 + str(number)
        add_answer(project.mentee, text, department="d1", cites=(), person=person, votes=[("slack:U5", "down", "")])
    read = await home(fake_slack, "U2")  # the fake refuses a view as Slack does
    assert "… and 20 more" in read
    assert "30 answers voted down" in read


async def test_a_home_that_slack_does_not_take_keeps_nothing_from_being_acknowledged(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    await slack_project()
    fake_slack.fail("views.publish", hang(5))
    opened = await fake_slack.open_home(user="U1")
    assert opened.acknowledged
    assert opened.seconds < 3
    assert "What you can ask about" in await home(fake_slack)


async def test_people_of_another_company_are_shown_nothing(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project()
    for tab in ("home", "messages"):
        assert (await fake_slack.open_home(user="U8", channel="D8", tab=tab, external=True)).acknowledged
    assert "What you can ask about" in await home(fake_slack, "U1")
    await project.settled()
    assert "U8" not in fake_slack.surfaces.homes
    assert fake_slack.posts("D8") == []


# --- correcting from the queue -----------------------------------------------------------------------------------


@TRANSPORTS
async def test_an_agent_corrects_from_the_queue_and_it_is_live_at_once(
    slack_project: MakeSlackProject, fake_slack: FakeSlack, transport: str
) -> None:
    project = await slack_project(transport, departments=("travel",))
    People(project.mentee.store).ensure(Person("slack:U2", "Ada", Role.AGENT))
    add_documents(project.mentee, "travel", LODGING)
    answer_id = add_answer(project.mentee, "Are hotels tax exempt?", votes=[("slack:U5", "down", "wrong")])
    employee = Person("slack:U5", "Bob")
    project.mentee.votes.correct(Correction(answer_id, employee, "In Texas, I think."))
    assert "a correction is suggested" in await home(fake_slack, "U2")
    await fake_slack.press_home("Correct", user="U2")
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[0])
    read = shown(block for block in view["blocks"] if block["type"] != "input")
    for part in ("Are hotels tax exempt?", "An answer.", "In Texas, I think."):
        assert part in read
    blank = await fake_slack.submit_view(view, user="U2", correction="  ")
    assert blank.body["errors"] == {"correction": "Please write what the answer should have been."}
    fake_slack.surfaces.homes.clear()
    assert (await fake_slack.submit_view(view, user="U2", correction="Only in Texas.")).acknowledged
    drawn = await fake_slack.wait_until(lambda: fake_slack.surfaces.homes.get("U2"))
    assert "All done" in shown(drawn["blocks"])
    await fake_slack.mention("Are hotels tax exempt?")
    assert "Only in Texas." in (await fake_slack.wait_for_post("C1")).shown


async def test_what_was_decided_at_the_desk_leaves_the_queue_and_is_told_to_who_was_writing(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await slack_project(departments=("travel",))
    mentee, gus = project.mentee, Person("web:gus", "gus", Role.AGENT)
    for person in (gus, Person("slack:U2", "Ada", Role.AGENT)):
        People(mentee.store).ensure(person)
    add_documents(mentee, "travel", LODGING)
    answer_id = add_answer(mentee, "Are hotels tax exempt?")
    mentee.votes.record(Vote(answer_id, Person("slack:U5"), "down", "wrong", "Not <!here>."))
    mentee.votes.correct(Correction(answer_id, Person("slack:U5"), "In Texas, I think."))
    assert "a correction is suggested" in await home(fake_slack, "U2")
    await fake_slack.press_home("Correct", user="U2")
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[0])
    assert "Not <!here>." in shown(block for block in view["blocks"] if block["type"] != "input")

    mentee.reviews.reject(mentee.reviews.queue(gus)[0], gus, "The page says 12.")
    await fake_slack.press_home("Correct", user="U2")  # of a Home that was drawn before
    stale = await fake_slack.wait_until(lambda: fake_slack.views[1:] and fake_slack.views[1])
    assert "gus decided that the answer stands. Why:*\nThe page says 12." in shown(stale["blocks"][:-1])
    assert "All done" in await home(fake_slack, "U2")
    told = await fake_slack.submit_view(view, user="U2", correction="Only in Texas.")
    assert told.body["response_action"] == "update"
    again = told.body["view"]
    read = shown(block for block in again["blocks"] if block["type"] != "input")
    assert "gus decided to keep the answer." in read
    assert "The page says 12." in read
    assert "In Texas, I think." not in read
    assert again["blocks"][-1]["element"]["initial_value"] == "Only in Texas."
    await project.settled()
    assert mentee.curated.all("travel") == ()

    sent = await fake_slack.submit_view({**view, **again}, user="U2", correction="Mine.")
    assert (sent.acknowledged, sent.body) == (True, None)
    await project.settled()
    assert [each.text for each in mentee.curated.all("travel")] == ["Mine."]


async def test_only_an_agent_who_may_read_it_corrects_an_answer(
    slack_project: MakeSlackProject, fake_slack: FakeSlack
) -> None:
    project = await project_with_an_agent(slack_project)
    mentee = project.mentee
    down = [("slack:U5", "down", "")]
    add_answer(mentee, "Are hotels tax exempt?", votes=down)
    hidden = [
        add_answer(mentee, "When is the merger?", cites=(SECRET,), votes=down),
        add_answer(mentee, "What did the board say?", department="board", cites=(), votes=down),
        "a_none",
    ]
    await home(fake_slack, "U2")
    for answer_id in hidden:
        assert (await fake_slack.press_home("Correct", user="U2", value=answer_id)).acknowledged
    await fake_slack.press_home("Correct", user="U2")
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[0])
    for user, about in [
        ("U1", view["private_metadata"]),
        *(("U2", json.dumps({"answer_id": each})) for each in hidden),
    ]:
        forged = {**view, "id": f"V{user}{about}"[:255], "private_metadata": about}
        await fake_slack.submit_view(forged, user=user, correction="Forged.")
    await project.settled()
    assert len(fake_slack.views) == 1
    with mentee.store.read() as session:
        assert session.query(CorrectionRow).all() == []
