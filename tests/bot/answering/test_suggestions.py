"""A curated answer to a similar question is shown beside the answer, to those who may read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.answering.record import delivery_payload
from bot.cli.commands.ask import answer_json
from bot.domain.answers import Suggestion, Verdict
from bot.domain.feedback import Correction
from bot.domain.people import Basis, Person, Role
from bot.domain.questions import Question
from bot.storage.tables.feedback import CuratedAnswerRow
from bot.testing.notes import make_plugin
from bot.testing.questions import ADA, ask
from plugins.slack.outbound.blocks import MESSAGE_CHARACTERS, render

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.domain.answers import Answer
    from bot.testing.homes import Mentee

    MakeMentee = Callable[..., Mentee]

GUS = Person("user:gus", role=Role.AGENT)
ASKED, SIMILAR, TEXT = "Are hotels tax exempt?", "Are cheap hotels tax exempt?", "Only with form SF-1094."


async def curate(mentee: Mentee, text: str = TEXT, asked: str = ASKED) -> str:
    """Correct the answer to a question; return the answer's id."""
    answer, _ = await ask(mentee, asked, department="travel")
    mentee.recorder.record(Question(asked, ADA, id=answer.question_id), answer)
    assert mentee.votes.correct(Correction(answer.id, GUS, text))
    return answer.id


async def suggested(mentee: Mentee, asked: str = SIMILAR) -> tuple[Answer, Suggestion | None]:
    answer, _ = await ask(mentee, asked, department="travel")
    assert answer.provenance.source != "curated"
    return answer, answer.provenance.suggestion


async def test_a_similar_question_gets_its_own_answer_and_the_suggestion(make_mentee: MakeMentee) -> None:
    mentee = make_mentee()
    await curate(mentee)
    answer, found = await suggested(mentee)
    assert answer.text == "Hotels are tax exempt in 12 states [1]."
    assert found is not None
    assert (found.question, found.text) == (ASKED, TEXT)
    assert answer_json(answer)["provenance"]["suggestion"]["text"] == TEXT
    assert delivery_payload(answer)["suggestion"]["question"] == ASKED


async def test_the_opposite_question_gets_none(make_mentee: MakeMentee) -> None:
    mentee = make_mentee()
    await curate(mentee)
    assert (await suggested(mentee, "Aren't hotels tax exempt?"))[1] is None


async def test_suggestions_can_be_switched_off(make_mentee: MakeMentee) -> None:
    mentee = make_mentee()
    await curate(mentee)
    mentee.departments.configure("travel", {"answers.suggestion_threshold": 1}, actor="test")
    assert (await suggested(mentee))[1] is None


async def test_a_suggestion_that_a_guard_refuses_is_left_out(make_mentee: MakeMentee) -> None:
    guard = make_plugin(check_answer=lambda draft: Verdict(ok="SF-1094" not in draft))
    mentee = make_mentee({"guard": guard})
    await curate(mentee)
    answer, found = await suggested(mentee)
    assert found is None
    assert answer.text == "Hotels are tax exempt in 12 states [1]."


async def test_an_answer_rests_on_what_its_suggestion_rests_on(make_mentee: MakeMentee) -> None:
    mentee = make_mentee()
    await curate(mentee)
    with mentee.store.write() as session:
        (row,) = session.query(CuratedAnswerRow)
        row.rests_on = [{"department": "travel", "document": "travel/lodging.md", "readers": []}]
    answer, found = await suggested(mentee)
    assert found is not None
    assert Basis("travel", "travel/lodging.md") in answer.rests_on


async def test_a_recorded_answer_keeps_its_suggestion_and_erasing_its_author_takes_it(make_mentee: MakeMentee) -> None:
    mentee = make_mentee()
    await curate(mentee)
    answer, found = await suggested(mentee)
    bob = Person("user:bob")
    mentee.recorder.record(Question(SIMILAR, bob, id=answer.question_id), answer)
    exchange = mentee.history.of_answer(answer.id)
    assert exchange is not None
    assert exchange.answer.provenance.suggestion == found
    erased = mentee.erasing.person(GUS.id, actor="test")
    assert erased.left == ()
    assert mentee.history.of_answer(answer.id) is None


async def test_slack_shows_it_below_the_answer_within_slacks_limits(make_mentee: MakeMentee) -> None:
    mentee = make_mentee()
    await curate(mentee, text="Only with form SF-1094. " * 300)
    answer, _ = await suggested(mentee)
    from bot.domain.deliveries import OutboxItem

    payload = {**delivery_payload(answer), "text": "word " * 5_000}
    messages = render(OutboxItem("slack", "answer", {"channel": "C1"}, payload, id="out_1"))
    last = messages[-1]
    assert "A colleague answered a similar question" in repr(last.below)
    written = sum(len(block.get("text", "")) for block in last.blocks if block["type"] == "markdown")
    assert written <= MESSAGE_CHARACTERS
