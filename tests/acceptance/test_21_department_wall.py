"""Text the audience may not read never reaches a prompt, citation, answer, record or log, even if asked for verbatim.

Asked directly, by a person without the right, in a channel that several departments share, and as a follow-up; nor by
a colleague's correction, an earlier conversation, a dataset, a membership that has ended or a name that is used again.
"""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from bot.domain.answers import Done
from bot.domain.departments import DepartmentSpec
from bot.domain.errors import ForbiddenError, SettingsError
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Audience, Person, Role
from bot.domain.questions import Question, Turn
from bot.feedback.curated.answers import Found
from bot.storage.tables.base import Base
from bot.storage.tables.documents import DocumentRow
from plugins.web.conversations import WITHHELD, Conversations
from retrieval.assembly import open_documents
from tuning import services
from tuning.data.prompts import Asked

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app import Mentee
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import MakeHome

SECRET = "BLUEHERON"
SENTENCE = f"The severance of directors is twenty-six weeks under the {SECRET} plan."
ASKED = "What is the severance of directors, how many weeks under which plan?"
BUILT_IN = (
    "retrieval.plugin",
    "plugins.sources",
    "plugins.guards.grounding",
    "plugins.guards.secrets",
    "plugins.scrubbers.personal_data",
)
ADA, BOB = Person("web:ada"), Person("web:bob")
AGENT, OPERATOR = Person("web:eve", role=Role.AGENT), Person("web:op", role=Role.OPERATOR)
BOARD = Audience(frozenset({"everyone", "group:board"}))


@pytest.fixture
def company(make_home: MakeHome, tmp_path: Path, scripted_engine: ScriptedEngine) -> Any:
    departments = (
        DepartmentSpec("hr", "HR", open=False),
        DepartmentSpec("travel", "Travel"),
        DepartmentSpec("it", "IT"),
    )
    mentee = make_home(departments=departments, engine=scripted_engine, built_in=BUILT_IN)
    mentee.departments.set_member("hr", "user:ada", member=True, actor="test")
    documents = open_documents(mentee, actor="test")
    pages = {
        "severance.md": f"# Severance of directors\n\n{SENTENCE}\n",
        "board.md": f"# Travel of directors\n\n{SENTENCE} Directors fly business class.\n",
        "hotel.md": "# Hotels\n\nBook hotels in Concur below the rate, also for directors and their weeks away.\n",
        "laptop.md": "# Laptops\n\nA laptop plan lasts for many weeks; directors get the same.\n",
    }
    for name, text in pages.items():
        (tmp_path / name).write_text(text)
    documents.add([str(tmp_path / "severance.md")], "hr")
    documents.add([str(tmp_path / "hotel.md")], "travel")
    documents.add([str(tmp_path / "board.md")], "travel", readers=["group:board", "user:eve"])
    documents.add([str(tmp_path / "laptop.md")], "it")
    return mentee


async def ask(mentee: Mentee, **values: Any) -> Any:
    question = Question(values.pop("text", ASKED), values.pop("person", BOB), **values)
    async with aclosing(mentee.pipeline.answer(question)) as events:
        shown = [event async for event in events]
    answer = next(event.answer for event in shown if isinstance(event, Done))
    mentee.recorder.record(question, answer)
    return answer, repr(shown)


def recorded(mentee: Mentee) -> Any:
    """Everything in the database but the documents themselves."""
    with mentee.store.read() as session:
        return "".join(
            json.dumps([dict(row._mapping) for row in session.execute(select(table))], default=str)
            for name, table in Base.metadata.tables.items()
            if name != "documents"
        )


def everywhere(mentee: Mentee, shown: Any, logs: Any) -> Any:
    engine: Any = mentee.engine
    prompts = repr(engine.requests)
    return "\n".join([shown, prompts, recorded(mentee), repr(logs)])


@pytest.mark.parametrize(
    "values",
    [
        {"department": "travel"},
        {"department": "it"},
        {"departments": ("hr", "travel", "it"), "channel": "slack", "place": "C1"},
        {"department": "travel", "text": SENTENCE.replace(SECRET, "same")},
        {"department": "travel", "text": "and for how many weeks?", "history": (Turn(ASKED, "I don't know."),)},
    ],
    ids=["direct", "other-department", "mixed-channel", "verbatim", "follow-up"],
)
async def test_a_person_without_the_right_sees_nothing_of_it(company: Any, values: Any) -> None:
    audience = company.departments.audience_of(BOB)
    with capture_logs() as logs:
        _, shown = await ask(company, audience=audience, **values)
    assert SECRET not in everywhere(company, shown, logs)


async def test_a_mixed_channel_sees_only_what_all_of_it_may_see_even_if_a_member_asks(company: Any) -> None:
    with capture_logs() as logs:
        answer, shown = await ask(
            company, person=ADA, audience=Audience(), departments=("hr", "travel"), channel="slack"
        )
    assert answer.department == "travel"
    assert SECRET not in everywhere(company, shown, logs)


async def test_the_closed_department_refuses_to_be_asked(company: Any) -> None:
    with pytest.raises(ForbiddenError, match="HR"):
        await ask(company, department="hr", audience=company.departments.audience_of(BOB))


async def test_those_with_the_right_do_see_it(company: Any) -> None:
    answer, _ = await ask(company, person=ADA, department="hr", audience=company.departments.audience_of(ADA))
    assert SECRET in repr(company.engine.requests) + answer.text
    assert SECRET in company.retriever.search(ASKED, "travel", BOARD)[0].text


async def test_employees_are_shown_no_scores(company: Any) -> None:
    answer, shown = await ask(company, department="travel", audience=company.departments.audience_of(BOB))
    assert BOB.role is Role.EMPLOYEE
    assert answer.citations
    assert "score" not in repr(answer.citations)
    assert "relevance" not in repr(answer.citations)
    assert "score=" not in shown


def pages_of(company: Any) -> Conversations:
    return Conversations.of(company)


async def ask_on_the_web(company: Any, person: Person, text: str, department: str) -> Any:
    """Ask in the person's one conversation, with its earlier turns."""
    answer, _ = await ask(
        company,
        text=text,
        person=person,
        audience=company.departments.audience_of(person),
        department=department,
        channel="web",
        place="c1",
        thread="c1",
        history=pages_of(company).history(person, "c1"),
    )
    return answer


def dataset(company: Any, department: str, folder: Path) -> str:
    """Build a dataset of whatever there is and return all its files."""
    found = company.departments.get(department)
    eager = {"min_examples": 1, "min_questions": 0, "person_share": 1.0}
    found = replace(found, tuning=found.tuning.model_copy(update=eager))
    services.datasets(company).build(found, folder / department, as_of=now())
    return "".join(file.read_text() for file in sorted((folder / department).glob("*.json*")))


@pytest.fixture
async def corrected(company: Any) -> Any:
    """Travel's answer to the board, corrected by an agent; the correction repeats the board's document."""
    company.engine.say(f"{SENTENCE} [1]")
    answer, _ = await ask(company, department="travel", audience=BOARD)
    company.votes.correct(Correction(answer.id, AGENT, f"Checked. {SENTENCE}"))
    return company


async def test_a_curated_answer_is_given_only_to_those_who_may_read_what_it_rests_on(corrected: Any) -> None:
    given, _ = await ask(corrected, department="travel", audience=BOARD)
    assert given.provenance.source == "curated"
    _, shown = await ask(corrected, department="travel", audience=corrected.departments.audience_of(BOB))
    assert SECRET not in shown


async def test_a_curated_answer_whose_document_is_gone_is_given_to_nobody_until_it_is_checked(
    corrected: Any, tmp_path: Path
) -> None:
    open_documents(corrected, actor="test").remove([str(tmp_path / "board.md")], "travel")
    everybody = [BOARD, corrected.departments.audience_of(BOB), corrected.departments.audience_of(OPERATOR)]
    for audience in everybody:
        _, shown = await ask(corrected, department="travel", audience=audience)
        assert SECRET not in shown
    (flagged,) = corrected.curated.all("travel")
    assert flagged.needs_review
    corrected.curated.keep(flagged.id, actor="test")
    given, _ = await ask(corrected, department="travel", audience=BOARD)
    assert SECRET in given.text, "the board had the right"
    _, shown = await ask(corrected, department="travel", audience=everybody[1])
    assert SECRET not in shown, "checking it gives nobody a right"


async def test_rounds_learn_only_what_everyone_who_may_ask_the_department_may_read(
    company: Any, tmp_path: Path
) -> None:
    public, _ = await ask(company, text="Where do I book hotels?", department="travel", audience=Audience())
    company.engine.say(f"{SENTENCE} [1]")
    secret, _ = await ask(company, department="travel", audience=BOARD)
    assert SECRET in secret.text
    for answer in (public, secret):
        company.votes.record(Vote(answer.id, AGENT, "up"))
    learned = dataset(company, "travel", tmp_path / "datasets")
    assert "Where do I book hotels?" in learned
    assert SECRET not in learned


async def test_passages_fetched_for_a_prompt_of_training_are_those_that_everyone_may_read(company: Any) -> None:
    passages = company.retriever.search(ASKED, "travel", BOARD)
    assert SECRET in passages[0].text
    asked = Asked(ASKED, chunks=tuple(passage.chunk_id for passage in passages))
    prompts = services.prompts(company, company.departments.get("travel"))
    prompt = repr(prompts(asked, "Book in Concur.", learned=True))
    assert "Concur" in prompt
    assert SECRET not in prompt


async def test_the_history_of_a_closed_department_is_in_no_other_ones_prompt_record_or_dataset(
    company: Any, tmp_path: Path
) -> None:
    company.engine.say(f"{SENTENCE} [1]")
    first = await ask_on_the_web(company, ADA, ASKED, "hr")
    assert SECRET in first.text
    again = await ask_on_the_web(company, ADA, "And who is a director?", "hr")
    assert SECRET in repr(company.engine.requests[-1]), "a follow-up in the same department knows what was said"
    company.engine.requests.clear()
    answer = await ask_on_the_web(company, ADA, "Where do I book hotels?", "travel")
    company.votes.record(Vote(answer.id, AGENT, "up"))
    assert "hr" in {basis.department for basis in again.rests_on}
    assert {basis.department for basis in answer.rests_on} == {"travel"}
    assert SECRET not in repr(company.engine.requests)
    assert SECRET not in repr(company.history.exchange(answer.question_id))
    assert SECRET not in dataset(company, "travel", tmp_path / "datasets")


async def test_old_answers_are_no_longer_shown_once_the_membership_is_withdrawn(company: Any) -> None:
    company.engine.say(f"{SENTENCE} [1]")
    answer = await ask_on_the_web(company, ADA, ASKED, "hr")
    pages = pages_of(company)
    assert SECRET in repr(pages.turns(ADA, "c1"))
    company.departments.set_member("hr", "user:ada", member=False, actor="test")
    assert SECRET not in repr(pages.turns(ADA, "c1"))
    assert SECRET not in repr(pages.answer_to(ADA, answer.question_id))
    company.engine.requests.clear()
    await ask_on_the_web(company, ADA, "Where do I book hotels?", "travel")
    assert SECRET not in repr(company.engine.requests)


async def test_old_answers_are_no_longer_shown_once_their_document_is_for_others(company: Any) -> None:
    answer = await ask_on_the_web(company, BOB, "Where do I book hotels in Concur?", "travel")
    pages = pages_of(company)
    before = pages.answer_to(BOB, answer.question_id)
    with company.store.write() as session:
        for row in session.scalars(select(DocumentRow).where(DocumentRow.department == "travel")):
            row.readers = ["group:board"]
    after = pages.answer_to(BOB, answer.question_id)
    assert before is not None
    assert after is not None
    assert before["citations"]
    assert (after["text"], after["citations"]) == (WITHHELD, [])


def test_the_name_of_a_removed_person_is_never_given_again_and_its_rights_end(company: Any) -> None:
    ada = company.people.add("ada", role=Role.EMPLOYEE, password=None, actor="test")
    assert "hr" in company.departments.askable(company.departments.audience_of(ada))
    company.people.remove("ada", actor="test")
    assert company.departments.askable(company.departments.audience_of(ada)) == []
    assert company.departments.get("hr").members == frozenset()
    for name in ("ada", " ADA "):
        with pytest.raises(SettingsError, match="can't be reused"):
            company.people.add(name, role=Role.EMPLOYEE, password=None, actor="test")


def test_the_name_of_a_removed_department_is_never_given_again(company: Any) -> None:
    company.departments.remove("hr", actor="test")
    with pytest.raises(SettingsError, match="can't be reused"):
        company.departments.add(DepartmentSpec("hr", "HR"), actor="test")


async def test_a_curated_answer_that_rests_on_two_documents_is_withheld_when_either_is_gone(
    company: Any, tmp_path: Path
) -> None:
    (tmp_path / "weeks.md").write_text("# Weeks of directors\n\nThe severance plan of directors counts in weeks.\n")
    documents = open_documents(company, actor="test")
    documents.add([str(tmp_path / "weeks.md")], "travel")
    company.engine.say(f"{SENTENCE} [1]")
    answer, _ = await ask(company, department="travel", audience=BOARD)
    assert len({basis.document for basis in answer.rests_on if basis.document}) > 1
    company.votes.correct(Correction(answer.id, AGENT, f"Checked. {SENTENCE}"))
    documents.remove([str(tmp_path / "weeks.md")], "travel")
    _, shown = await ask(company, department="travel", audience=company.departments.audience_of(BOB))
    assert SECRET not in shown
    given, _ = await ask(company, department="travel", audience=BOARD)
    assert given.provenance.source != "curated", "one of its documents is gone"
    (flagged,) = company.curated.all("travel")
    company.curated.keep(flagged.id, actor="test")
    given, _ = await ask(company, department="travel", audience=BOARD)
    assert given.provenance.source == "curated"
    _, shown = await ask(company, department="travel", audience=company.departments.audience_of(BOB))
    assert SECRET not in shown, "the other one is still the board's"
    documents.remove([str(tmp_path / "board.md")], "travel")
    given, _ = await ask(company, department="travel", audience=BOARD)
    assert SECRET not in given.text, "what was kept without one document needs another look without the other"


async def test_readers_that_change_twice_between_answers_open_nothing_to_those_between(company: Any) -> None:
    def hand_to(*readers: str) -> None:
        with company.store.write() as session:
            for row in session.scalars(select(DocumentRow).where(DocumentRow.address.endswith("board.md"))):
                row.readers = list(readers)

    pages = pages_of(company)
    hand_to("user:ada")
    company.engine.say(f"{SENTENCE} [1]")
    first = await ask_on_the_web(company, ADA, ASKED, "travel")
    assert SECRET in first.text
    company.votes.correct(Correction(first.id, AGENT, f"Checked. {SENTENCE}"))
    for now_reading in ("user:bob", "user:cyd"):
        hand_to(now_reading)
        assert SECRET not in repr(pages.turns(ADA, "c1"))
        company.engine.requests.clear()
        given = await ask_on_the_web(company, ADA, ASKED, "travel")
        assert SECRET not in given.text + repr(company.engine.requests)
        _, shown = await ask(company, department="travel", audience=company.departments.audience_of(BOB))
        assert "Checked." not in shown, "bob was no reader then"
    hand_to("user:ada")
    assert SECRET in repr(pages.turns(ADA, "c1"))


async def test_a_department_that_is_closed_after_it_answered_keeps_to_its_members(company: Any, tmp_path: Path) -> None:
    company.engine.say("Book hotels in Concur below the rate [1].")
    answer = await ask_on_the_web(company, BOB, "Where do I book hotels?", "travel")
    company.votes.correct(Correction(answer.id, AGENT, "Checked: book hotels in Concur."))
    company.votes.record(Vote(answer.id, AGENT, "up"))
    company.departments.configure("travel", {"open": False}, actor="test")
    company.departments.set_member("travel", "user:ada", member=True, actor="test")
    for audience in (company.departments.audience_of(BOB), Audience()):
        assert company.curated.find(company.departments.get("travel"), "Where do I book hotels?", audience) == Found()
        assert company.retriever.search("Where do I book hotels?", "travel", audience) == []
        with pytest.raises(ForbiddenError):
            await ask(company, department="travel", text="Where do I book hotels?", audience=audience)
    assert "Concur" not in repr(pages_of(company).turns(BOB, "c1"))
    assert "Concur" not in dataset(company, "it", tmp_path / "datasets")
    given, _ = await ask(
        company, text="Where do I book hotels?", department="travel", audience=company.departments.audience_of(ADA)
    )
    assert given.provenance.source == "curated"
