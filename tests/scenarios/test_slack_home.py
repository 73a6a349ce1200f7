"""What Slack shows around messages: App Home, the greeting, suggested prompts, titles and the status line."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from bot.messages import Correction, DepartmentSpec, Person, Role, now
from bot.people import People
from bot.store.models import AnswerRow, CorrectionRow, DocumentRow, GenerationRow, QuestionRow, VoteRow
from bot.testing.slack import error, hang
from plugins.slack.surfaces.suggestions import ASKERS

TRANSPORTS = pytest.mark.parametrize("transport", ["socket", "http"])
LODGING, SECRET = "travel/lodging.md", "travel/merger.md"
CLOSED = DepartmentSpec("board", "Board", open=False, examples=("When does the board meet?",))


def shown(blocks):
    """Return everything a reader reads, block after block."""
    texts = []
    for block in blocks:
        texts += [block["text"]["text"]] if "text" in block else []
        texts += [element["text"] for element in block.get("elements", ())]
    return "\n".join(texts)


def add_documents(mentee, department, *addresses, readers=()):
    with mentee.store.write() as session:
        for address in addresses:
            parts = {"sha256": address, "size": 1, "readers": list(readers)}
            session.add(DocumentRow(department=department, address=address, source=address, **parts))


def add_answer(mentee, text, *, person="slack:U9", department="travel", cites=(LODGING,), votes=(), **row):
    """Record a question and its answer; ``votes`` are values by person."""
    with mentee.store.write() as session:
        question = QuestionRow(text=text, person_id=person, department=department, channel="slack", **row)
        session.add(question)
        session.flush()
        page = {"heading": "A heading", "text": "A passage."}
        citations = [{"n": n, "document": document, **page} for n, document in enumerate(cites, start=1)]
        answer = AnswerRow(question_id=question.id, department=department, text="An answer.", citations=citations)
        answer.provenance = {"source": "model"}
        session.add(answer)
        session.flush()
        for voter, value, reason in votes:
            vote = VoteRow(answer_id=answer.id, person_id=voter, role="employee", value=value, reason=reason)
            session.add(vote)
        return answer.id


async def project_with_an_agent(slack_project):
    """Start a project with an agent, U2, who may read one of two pages of travel and nothing of the closed board."""
    project = await slack_project(departments=("travel", CLOSED))
    People(project.mentee.store).ensure(Person("slack:U2", "Ada", Role.AGENT))
    add_documents(project.mentee, "travel", LODGING)
    add_documents(project.mentee, "travel", SECRET, readers=["department:board"])
    return project


def asked_by_many(mentee, text, people=ASKERS, *, value="up", **parts):
    for number in range(people):
        add_answer(mentee, text, person=f"slack:UX{number}", votes=[(f"slack:UX{number}", value, "")], **parts)


async def home(slack, user="U1"):
    slack.surfaces.homes.pop(user, None)
    opened = await slack.open_home(user=user)
    assert opened.acknowledged
    return shown((await slack.wait_until(lambda: slack.surfaces.homes.get(user)))["blocks"])


async def prompts(slack, user="U1", channel="D1"):
    slack.surfaces.prompts.clear()
    await slack.open_home(user=user, channel=channel, tab="messages")
    set_ = await slack.wait_until(lambda: slack.surfaces.prompts.get((channel, None)))
    return [prompt["message"] for prompt in set_["prompts"]]


# --- App Home ----------------------------------------------------------------------------------------------------


@TRANSPORTS
async def test_home_shows_the_departments_and_what_they_know(slack_project, fake_slack, transport):
    project = await slack_project(transport)
    add_documents(project.mentee, "travel", LODGING, "travel/trains.md")
    with project.mentee.store.write() as session:
        session.add(GenerationRow(id="g1", department="travel", embedder="e", active=True))
    read = await home(fake_slack)
    assert "I answer from your company's own documents" in read
    assert "*Travel*\n2 documents, last synced <!date^" in read
    assert "*It*\nNo documents that you may read yet." in read
    assert "You have not asked anything yet." in read


async def test_home_shows_nobody_what_they_may_not_see(slack_project, fake_slack):
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


async def test_home_lists_ones_own_questions_with_the_words_as_they_were_written(slack_project, fake_slack):
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
async def test_agents_see_what_waits_for_a_correction_and_operators_the_rest(slack_project, fake_slack, role):
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
    assert "nothing waits to be answered or posted" in read
    assert ("Travel: 1 document could not be read" in read) == (role is Role.OPERATOR)


async def test_operators_see_the_pages_called_out_of_date_and_answers_called_unsafe(slack_project, fake_slack):
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
    assert f"{LODGING}: called out of date 2 ×" in read
    assert "1 answer reported as unsafe" in read
    assert "mended" not in read
    read = await home(fake_slack, "U2")
    assert "called out of date" not in read
    assert "unsafe" not in read.replace("It is unsafe", "")


async def test_an_agents_queue_holds_only_what_the_agent_may_read(slack_project, fake_slack):
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


async def test_an_answer_whose_page_is_gone_waits_for_an_operator(slack_project, fake_slack):
    project = await slack_project()
    for user, role in (("U2", Role.AGENT), ("U3", Role.OPERATOR)):
        People(project.mentee.store).ensure(Person(f"slack:{user}", user, role))
    add_answer(project.mentee, "Are hotels tax exempt?", votes=[("slack:U5", "down", "")])
    assert "Are hotels tax exempt?" not in await home(fake_slack, "U2")
    assert "Are hotels tax exempt?" in await home(fake_slack, "U3")


async def test_a_long_home_stays_within_slacks_limits(slack_project, fake_slack):
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


async def test_a_home_that_slack_does_not_take_keeps_nothing_from_being_acknowledged(slack_project, fake_slack):
    await slack_project()
    fake_slack.fail("views.publish", hang(5))
    opened = await fake_slack.open_home(user="U1")
    assert opened.acknowledged
    assert opened.seconds < 3
    assert "What you can ask about" in await home(fake_slack)


async def test_people_of_another_company_are_shown_nothing(slack_project, fake_slack):
    project = await slack_project()
    for tab in ("home", "messages"):
        assert (await fake_slack.open_home(user="U8", channel="D8", tab=tab, external=True)).acknowledged
    assert "What you can ask about" in await home(fake_slack, "U1")
    await project.settled()
    assert "U8" not in fake_slack.surfaces.homes
    assert fake_slack.posts("D8") == []


# --- the direct conversation -------------------------------------------------------------------------------------


@TRANSPORTS
async def test_opening_the_conversation_greets_once_and_suggests_each_time(slack_project, fake_slack, transport):
    project = await slack_project(
        transport,
        departments=(
            DepartmentSpec("travel", "Travel", examples=("Are hotels tax exempt?", "May I fly business?")),
            DepartmentSpec("it", "IT", examples=("When does a new laptop come?",)),
            CLOSED,
        ),
    )
    expected = ["When does a new laptop come?", "Are hotels tax exempt?", "May I fly business?"]
    assert await prompts(fake_slack) == expected
    await project.settled()
    [greeting] = fake_slack.posts("D1")
    assert greeting.thread_ts is None
    assert greeting.thumbs is None
    assert "Ask me anything" in greeting.shown
    assert await prompts(fake_slack) == expected
    await project.settled()
    assert len(fake_slack.posts("D1")) == 1


async def test_a_greeting_whose_reply_was_lost_is_found_again(slack_project, fake_slack):
    from bot.testing.slack import drop

    project = await slack_project()
    fake_slack.fail("chat.postMessage", drop(stored=True))
    await fake_slack.open_home(tab="messages")
    await fake_slack.wait_until(lambda: fake_slack.called("conversations.history"))
    await project.settled()
    assert len(fake_slack.posts("D1")) == 1


async def test_an_older_app_greets_in_the_thread_that_slack_opened(slack_project, fake_slack):
    project = await slack_project(departments=(DepartmentSpec("it", "IT", examples=("Where is my laptop?",)),))
    fake_slack.surfaces.agent_view = False
    started = await fake_slack.start_thread()
    thread = started.payload["event"]["assistant_thread"]["thread_ts"]
    set_ = await fake_slack.wait_until(lambda: fake_slack.surfaces.prompts.get(("D1", thread)))
    assert [prompt["message"] for prompt in set_["prompts"]] == ["Where is my laptop?"]
    await fake_slack.redeliver(started)
    await project.settled()
    [greeting] = fake_slack.posts("D1")
    assert greeting.thread_ts == thread


async def test_while_an_answer_is_made_the_status_says_so_and_a_new_thread_gets_its_title(slack_project, fake_slack):
    project = await slack_project()
    statuses, gate = fake_slack.surfaces.statuses, project.engine.gate
    gate.clear()  # once an answer is there, no status is due any more
    asked = await fake_slack.message("Are hotels   tax exempt?", channel="D7")
    title = await fake_slack.wait_until(lambda: fake_slack.surfaces.titles.get(("D7", asked.ts)))
    assert title == "Are hotels tax exempt?"
    await fake_slack.wait_until(lambda: statuses and statuses[-1]["thread_ts"] == asked.ts)
    gate.set()
    await fake_slack.wait_for_post("D7")
    await fake_slack.message("And which form do hotels want?", channel="D7", thread_ts=asked.ts)
    await fake_slack.wait_for_post("D7", thread=asked.ts, count=2)
    gate.clear()
    mentioned = await fake_slack.mention("Are hotels tax exempt?")
    await fake_slack.wait_until(lambda: statuses[-1]["thread_ts"] == mentioned.ts)
    gate.set()
    await fake_slack.wait_for_post("C1")
    await project.settled()
    assert {status["thread_ts"] for status in statuses} == {asked.ts, mentioned.ts}
    assert list(fake_slack.surfaces.titles) == [("D7", asked.ts)], "a follow-up and a channel's thread get no title"


async def test_a_refused_status_keeps_no_answer_back(slack_project, fake_slack):
    await slack_project()
    fake_slack.fail("assistant.threads.setStatus", error("missing_scope"))
    await fake_slack.mention("Are hotels tax exempt?")
    assert "12 states" in (await fake_slack.wait_for_post("C1")).shown


# --- which questions are suggested -------------------------------------------------------------------------------


async def test_frequent_and_well_voted_questions_come_before_the_examples(slack_project, fake_slack):
    project = await slack_project(departments=(DepartmentSpec("travel", "Travel", examples=("An example?",)),))
    mentee = project.mentee
    add_documents(mentee, "travel", LODGING)
    asked_by_many(mentee, "Are hotels tax exempt?")
    asked_by_many(mentee, "are HOTELS  tax exempt", 1)  # the same question in other dress
    asked_by_many(mentee, "May I fly business?", ASKERS + 2)
    asked_by_many(mentee, "Why is it so bad?", value="down")
    asked_by_many(mentee, "Asked by too few?", ASKERS - 1)
    asked_by_many(mentee, "And then?", history=[{"question": "q", "answer": "a"}])
    asked_by_many(mentee, "A story" + " and so on" * 20)
    asked_by_many(mentee, "Long ago?", asked_at=now() - timedelta(days=91))
    assert await prompts(fake_slack) == ["May I fly business?", "Are hotels tax exempt?"]


async def test_one_person_who_asks_often_is_not_many(slack_project, fake_slack):
    project = await slack_project(departments=(DepartmentSpec("travel", "Travel", examples=("An example?",)),))
    add_documents(project.mentee, "travel", LODGING)
    for _ in range(ASKERS + 1):
        add_answer(project.mentee, "Will I be dismissed?", person="slack:U5", votes=[("slack:U5", "up", "")])
    assert await prompts(fake_slack) == ["An example?"]


async def test_a_question_is_suggested_only_to_those_who_may_read_its_answer(slack_project, fake_slack):
    project = await slack_project(departments=(DepartmentSpec("travel", "Travel", examples=("An example?",)), CLOSED))
    mentee = project.mentee
    add_documents(mentee, "travel", SECRET, readers=["department:board"])
    asked_by_many(mentee, "When is the merger?", cites=(SECRET,))
    assert await prompts(fake_slack, "U1", "D1") == ["An example?"]
    mentee.departments.set_member("board", "user:slack:U2", member=True, actor="test")
    assert await prompts(fake_slack, "U2", "D2") == ["When does the board meet?", "When is the merger?"]


# --- correcting from the queue -----------------------------------------------------------------------------------


@TRANSPORTS
async def test_an_agent_corrects_from_the_queue_and_it_is_live_at_once(slack_project, fake_slack, transport):
    project = await slack_project(transport, departments=("travel",))
    People(project.mentee.store).ensure(Person("slack:U2", "Ada", Role.AGENT))
    add_documents(project.mentee, "travel", LODGING)
    answer_id = add_answer(project.mentee, "Are hotels tax exempt?", votes=[("slack:U5", "down", "wrong")])
    employee = Person("slack:U5", "Bob")
    project.mentee.votes.correct(Correction(answer_id, employee, "In Texas, I think."))
    assert "a correction is proposed" in await home(fake_slack, "U2")
    await fake_slack.press_home("Correct", user="U2")
    view = await fake_slack.wait_until(lambda: fake_slack.views and fake_slack.views[0])
    read = shown(block for block in view["blocks"] if block["type"] != "input")
    for part in ("Are hotels tax exempt?", "An answer.", "In Texas, I think."):
        assert part in read
    blank = await fake_slack.submit_view(view, user="U2", correction="  ")
    assert blank.body["errors"] == {"correction": "Please write what would have been the right answer."}
    fake_slack.surfaces.homes.clear()
    assert (await fake_slack.submit_view(view, user="U2", correction="Only in Texas.")).acknowledged
    drawn = await fake_slack.wait_until(lambda: fake_slack.surfaces.homes.get("U2"))
    assert "Nothing waits" in shown(drawn["blocks"])
    await fake_slack.mention("Are hotels tax exempt?")
    assert "Only in Texas." in (await fake_slack.wait_for_post("C1")).shown


async def test_only_an_agent_who_may_read_it_corrects_an_answer(slack_project, fake_slack):
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
