"""Attachments of a question, whatever channel it came through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.answering.attachments import PASSAGES
from bot.domain.answers import Done
from bot.domain.feedback import Correction
from bot.domain.people import Person, Role
from bot.domain.questions import Attachment, Question
from bot.storage.tables.answers import QuestionRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.domain.answers import Answer
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import Mentee


ADA = Person("user:ada", "Ada")
MEMO = Attachment("memo.md", (("Parking", "Parking costs 9 dollars."), ("Doors", "The door code is blue.")))


async def ask(mentee: Mentee, text: str, *attachments: Any, department: str = "travel") -> Answer:
    question = Question(text, ADA, mentee.departments.audience_of(ADA), department=department, attachments=attachments)
    events = [event async for event in mentee.pipeline.answer(question)]
    assert isinstance(events[-1], Done)
    mentee.recorder.record(question, events[-1].answer)
    return events[-1].answer


async def test_the_nearest_pieces_stand_before_the_documents_passages(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.answer = "Parking costs 9 dollars [1]."
    many = Attachment("long.md", tuple(("", f"Filler number {number}.") for number in range(9)))
    answer = await ask(make_mentee(), "Parking costs what at the tax exempt hotels?", many, MEMO)
    prompt = "\n".join(message.content for message in engine.requests[-1].messages)
    assert prompt.index("Parking costs 9 dollars.") < prompt.index("Hotels are tax exempt")
    assert sum(piece in prompt for _, piece in (*many.pieces, *MEMO.pieces)) == PASSAGES
    assert [(each.document, each.heading, each.text) for each in answer.citations] == [("memo.md", "Parking", "")]
    assert answer.provenance.snapshot == "g1"


async def test_an_attachment_answers_where_no_document_does(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.answer = "Parking costs 9 dollars [1]."
    mentee = make_mentee()
    answer = await ask(mentee, "What does parking cost?", MEMO)
    assert (answer.known, answer.text) == (True, "Parking costs 9 dollars [1].")
    assert (await ask(mentee, "What does parking cost?")).known is False


async def test_problems_follow_any_answer_and_change_no_other(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.answer = "Hotels are tax exempt in 12 states [1]."
    unread = Attachment("a.png", problem="I can't read images (a.png).")
    mentee = make_mentee()
    assert (await ask(mentee, "Are hotels tax exempt?", unread)).text == f"{engine.answer}\n\n{unread.problem}"
    assert (await ask(mentee, "What does parking cost?", unread)).text.endswith(unread.problem)
    assert (await ask(mentee, "Are hotels tax exempt?")).text == engine.answer


async def test_they_never_train_and_a_correction_answers_nobody_else(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.answer = "Parking costs 9 dollars [1]."
    mentee = make_mentee()
    answer = await ask(mentee, "What does parking cost?", MEMO)
    with mentee.store.read() as session:
        row = session.get_one(QuestionRow, answer.question_id)
    assert (row.train_eligible, row.attachments) == (False, [{"name": "memo.md", "problem": ""}])
    agent = Person("web:eve", role=Role.AGENT)
    assert mentee.votes.correct(Correction(answer.id, agent, "It costs 10.")) is False
    assert (await ask(mentee, "What does parking cost?")).provenance.curated is None


async def test_a_colleagues_answer_is_not_given_to_a_question_about_a_file(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.answer = "Hotels are tax exempt in 12 states [1]."
    mentee = make_mentee()
    first = await ask(mentee, "Are hotels tax exempt?")
    mentee.votes.correct(Correction(first.id, Person("web:eve", role=Role.AGENT), "Only in Texas."))
    assert (await ask(mentee, "Are hotels tax exempt?")).text == "Only in Texas."
    assert "Texas" not in (await ask(mentee, "Are hotels tax exempt?", MEMO)).text
