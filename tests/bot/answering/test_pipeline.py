"""The way of one message: each step, and what happens when it cannot go on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from bot.answering.prompt import REFUSAL
from bot.domain.answers import DirectAnswer, Done, Status, TextDelta, Verdict
from bot.domain.errors import ForbiddenError, NotFoundError, TooLargeError
from bot.domain.feedback import Correction
from bot.domain.generation import AdapterRef, Refusal
from bot.domain.people import Basis, Person, Role
from bot.domain.questions import Question, Turn
from bot.storage.history import as_turn
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.delivery import OutboxRow
from bot.testing.notes import make_plugin
from bot.testing.questions import ADA, ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.domain.questions import Passage
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import Mentee


async def test_a_grounded_answer_streams_with_its_source(make_mentee: Callable[..., Mentee]) -> None:
    answer, events = await ask(make_mentee(), "Are hotels tax exempt?", department="travel")
    assert [type(event) for event in events] == [Status, Status, TextDelta, Done]
    assert answer.text == "Hotels are tax exempt in 12 states [1]."
    assert answer.known
    assert [(citation.n, citation.document) for citation in answer.citations] == [(1, "travel/lodging.md")]
    provenance = answer.provenance
    assert (provenance.source, provenance.snapshot, provenance.adapter) == ("model", "g1", None)
    assert provenance.chunks[0]["chunk_id"] == "travel/lodging.md#0"
    assert {"route", "retrieve", "prompt", "first_token", "generate", "total"} <= set(provenance.timings)


@pytest.mark.parametrize(
    "claim",
    [
        "Hotels cost $97 a night.",
        "Ask Zanzibar Travel about hotels.",
        "Whales sing beautifully.",
    ],
)
async def test_an_ungrounded_claim_is_replaced_by_a_quotation(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine, claim: str
) -> None:
    engine.answer = claim
    answer, events = await ask(make_mentee(), "Are hotels tax exempt?", department="travel")
    assert claim not in "".join(event.text for event in events if isinstance(event, TextDelta))
    assert answer.text.startswith("Closest I found: “Hotels are tax exempt in 12 states.")
    assert answer.known
    assert answer.citations[0].document == "travel/lodging.md"
    assert answer.provenance.source == "passage"


async def test_nothing_relevant_points_to_the_nearest_pages_without_the_model(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    answer, _ = await ask(make_mentee(), "What is the capital of France?", department="travel")
    assert not answer.known
    assert "I don't find this in the Travel documents" in answer.text
    assert {citation.document for citation in answer.citations} == {"travel/lodging.md", "travel/trains.md"}
    assert engine.requests == []


async def test_a_department_without_documents_answers_from_the_model(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.answer = "We will send a new card."
    answer, _ = await ask(make_mentee(), "I lost my card", department="support")
    assert answer.text == "We will send a new card."
    assert not answer.known, "the base model alone knows nothing of this company"
    assert engine.requests[0].messages[-1].content == "I lost my card"


async def test_routes_to_the_department_with_the_best_evidence(make_mentee: Callable[..., Mentee]) -> None:
    answer, _ = await ask(make_mentee(), "When does a new laptop come?")
    assert answer.department == "it"


async def test_a_plugin_may_route_but_only_to_departments_that_are_open(make_mentee: Callable[..., Mentee]) -> None:
    given = {"router": make_plugin(route_question=lambda question: "support" if "card" in question.text else "secret")}
    mentee = make_mentee(given)
    assert (await ask(mentee, "lost card"))[0].department == "support"
    assert (await ask(mentee, "new laptop"))[0].department == "it"


async def test_a_closed_department_is_for_its_members(make_mentee: Callable[..., Mentee]) -> None:
    mentee = make_mentee()
    mentee.departments.configure("travel", {"open": False}, actor="test")
    with pytest.raises(ForbiddenError, match="Only members can ask"):
        await ask(mentee, "Are hotels tax exempt?", department="travel")
    mentee.departments.set_member("travel", "user:ada", member=True, actor="test")
    assert (await ask(mentee, "Are hotels tax exempt?", department="travel"))[0].known


async def test_unknown_department_and_overlong_question_are_refused(make_mentee: Callable[..., Mentee]) -> None:
    mentee = make_mentee()
    with pytest.raises(NotFoundError, match=r"Departments that you may ask: it, support, travel"):
        await ask(mentee, "x", department="finance")
    with pytest.raises(TooLargeError, match="The limit is 4,000"):
        await ask(mentee, "x" * 4001)


async def test_enrichment_changes_what_is_searched_and_nothing_else(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    def enrich(question: Question) -> Question:
        return replace(
            question, search_text="hotels tax exempt", text="pwned", person=Person("user:eve", role=Role.OPERATOR)
        )

    answer, _ = await ask(
        make_mentee({"abbreviations": make_plugin(enrich_question=enrich)}), "htl tx?", department="travel"
    )
    assert answer.known
    assert engine.requests[0].messages[-1].content.endswith("Question: htl tx?")


async def test_a_direct_answer_needs_no_model(make_mentee: Callable[..., Mentee], engine: ScriptedEngine) -> None:
    given = {
        "tickets": make_plugin(
            answer_directly=lambda question: DirectAnswer("Ticket 7 is open.") if "ticket" in question.text else None
        )
    }
    mentee = make_mentee(given)
    answer, _ = await ask(mentee, "my ticket?", department="it")
    assert (answer.text, answer.provenance.source, engine.requests) == ("Ticket 7 is open.", "plugin", [])


async def test_ranking_reorders_and_drops_but_cannot_add(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    def rank(passages: list[Passage]) -> list[Passage]:
        return [replace(passages[0], chunk_id="invented"), *reversed(passages)]

    await ask(make_mentee({"rank": make_plugin(rank_passages=rank)}), "Are hotels tax exempt?", department="travel")
    prompt = engine.requests[0].messages[-1].content
    assert prompt.index("Trains") < prompt.index("Lodging")
    assert prompt.count("\n[/") == 2


async def test_prompt_has_instructions_glossary_plugin_lines_and_history(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee = make_mentee({"tone": make_plugin(extend_prompt=lambda: "Be brief.")})
    mentee.departments.configure("travel", {"instructions": "Name the form."}, actor="test")
    await ask(mentee, "and hotels tax exempt?", department="travel", history=(Turn("Trains?", "Coach."),))
    system, first, answered, last = engine.requests[0].messages
    assert "Name the form." in system.content
    assert "Be brief." in system.content
    assert first.content.endswith("\n\nQuestion: Trains?"), "after the passages"
    assert (answered.content, last.content) == ("Coach.", "Question: and hotels tax exempt?")


async def test_a_model_that_repeats_itself_is_stopped(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.answer = "Hotels are tax exempt. " * 20
    answer, _ = await ask(make_mentee(), "Are hotels tax exempt?", department="travel")
    assert answer.text == "Hotels are tax exempt. [1]"


@pytest.mark.parametrize("said", ["Yes. ", "No form. "])
async def test_so_is_one_that_repeats_a_short_word(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine, said: str
) -> None:
    engine.answer = f"Hotels are tax exempt in 12 states [1]. {said * 20}"
    answer, _ = await ask(make_mentee(built_in=()), "Are hotels tax exempt?", department="travel")
    assert answer.text == f"Hotels are tax exempt in 12 states [1]. {said.strip()}"


async def test_a_block_of_code_ends_and_what_follows_it_is_said(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.answer = "Hotels are exempt [1]. Yes. Run:\n\n```python\nrun()\nrun()\n```\n\nThat is all. Yes."
    answer, _ = await ask(make_mentee(built_in=()), "Are hotels tax exempt?", department="travel")
    assert answer.text == engine.answer


async def test_a_guard_that_says_no_stops_the_draft(make_mentee: Callable[..., Mentee], engine: ScriptedEngine) -> None:
    engine.answer = "Hotels are tax exempt in 12 states [1]. Show the form at the desk."
    no_forms = make_plugin(check_answer=lambda draft: Verdict(ok="form" not in draft, replacement="Ask a person."))
    answer, events = await ask(make_mentee({"no-forms": no_forms}), "Are hotels tax exempt?", department="travel")
    assert "form at the desk" not in "".join(event.text for event in events if isinstance(event, TextDelta))
    assert (answer.text, answer.known) == ("Ask a person.", False)


async def test_what_was_shown_before_a_guard_said_no_stays(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.answer = "Hotels are tax exempt in 12 states [1]. Each night costs $97."
    answer, events = await ask(make_mentee(), "Are hotels tax exempt?", department="travel")
    assert answer.text == "Hotels are tax exempt in 12 states [1]."
    assert "".join(event.text for event in events if isinstance(event, TextDelta)).strip() == answer.text


async def test_what_the_base_model_says_beside_the_question_is_not_said(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.answer = "Book trains in Concur, coach class for every trip."
    mentee = make_mentee()
    answer, _ = await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert answer.provenance.source == "passage"
    monkeypatch.setattr(mentee.active_adapters, "get", lambda *_, **__: AdapterRef("v1", tmp_path, "scripted"))
    answer, _ = await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert answer.provenance.source == "model", "what an adapter says was measured before it went live"


async def test_a_secret_is_never_shown(make_mentee: Callable[..., Mentee], engine: ScriptedEngine) -> None:
    engine.answer = "Use the token xoxb-1234567890-abcdefghijkl."
    answer, events = await ask(make_mentee(), "how to log in", department="support")
    assert "xoxb" not in answer.text + "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_an_agents_correction_answers_the_same_question_at_once(make_mentee: Callable[..., Mentee]) -> None:
    mentee = make_mentee()
    answer, _ = await ask(mentee, "Are hotels tax exempt?", department="travel")
    question = Question("Are hotels tax exempt?", ADA, id=answer.question_id)
    mentee.recorder.record(question, answer)
    live = mentee.votes.correct(Correction(answer.id, Person("user:gus", role=Role.AGENT), "Only with form SF-1094."))
    assert live
    curated, _ = await ask(mentee, "are hotels TAX exempt?", department="travel")
    assert (curated.text, curated.provenance.source, curated.known) == ("Only with form SF-1094.", "curated", True)
    assert (await ask(mentee, "are hotels tax exempt?", department="travel", use_curated=False))[0].text != curated.text
    assert (await ask(mentee, "Which class for trains?", department="travel"))[0].provenance.source != "curated"


async def test_records_question_answer_delivery_and_provenance_together(make_mentee: Callable[..., Mentee]) -> None:
    mentee = make_mentee()
    answer, _ = await ask(mentee, "Are hotels tax exempt?", department="travel")
    question = Question(
        "Are hotels tax exempt?", ADA, id=answer.question_id, channel="web", place="p", reply_to={"to": "p"}
    )
    mentee.recorder.record(question, answer)
    with mentee.store.read() as session:
        assert session.get_one(QuestionRow, question.id).person_id == "user:ada"
        assert session.get_one(AnswerRow, answer.id).provenance["chunks"]
        delivery = session.scalars(select(OutboxRow)).one()
    assert delivery.payload["text"] == answer.text
    assert "score" not in str(delivery.payload), "people see no similarity scores"


async def test_the_prompt_is_cut_to_the_context(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = iter([10**9, 10**9, 10**9, 100])
    monkeypatch.setattr(engine, "count_tokens", lambda _messages: next(tokens))
    turns = Turn("and trains?", "b"), Turn("and cars?", "d")
    await ask(make_mentee(), "and hotels tax exempt?", department="travel", history=turns)
    last = engine.requests[0].messages
    assert not any("cars" in message.content for message in last)
    assert last[-1].content.count("\n[/") == 1


@pytest.mark.parametrize(("text", "reply"), [("Thank you!", "You're welcome."), ("hi", "Hello! What")])
async def test_a_courtesy_gets_a_short_reply_without_a_search(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine, text: str, reply: str
) -> None:
    rests_on = (Basis("travel"),)
    history = (Turn("Are hotels tax exempt?", "Hotels are tax exempt in 12 states [1].", rests_on, ADA.id),)
    answer, events = await ask(make_mentee(), text, history=history)
    assert answer.text.startswith(reply)
    assert (answer.provenance.source, answer.known, answer.refused) == ("courtesy", False, False)
    assert (answer.department, answer.citations, answer.leans_on) == ("travel", (), ())
    assert engine.requests == []
    assert [type(event) for event in events] == [Done], "a channel may leave it unsaid"


async def test_a_plugin_hears_what_asks_nothing_with_its_thread(make_mentee: Callable[..., Mentee]) -> None:
    def confirm(question: Question) -> DirectAnswer | None:
        asked = question.history and question.history[-1].answer == "Shall I open a ticket?"
        return DirectAnswer("Opened.") if asked and question.text == "yes" else None

    history = (Turn("My laptop is broken and nobody helps me with it at all", "Shall I open a ticket?"),)
    mentee = make_mentee({"tickets": make_plugin(answer_directly=confirm)})
    assert (await ask(mentee, "yes", department="it", history=history))[0].text == "Opened."


async def test_a_new_topic_starts_anew(make_mentee: Callable[..., Mentee], engine: ScriptedEngine) -> None:
    mentee, before = make_mentee(), (Turn("When does a new laptop come?", "It comes by mail.", (Basis("it"),)),)
    alone, _ = await ask(mentee, "Are hotels in all of the states tax exempt?")
    after, _ = await ask(mentee, "Are hotels in all of the states tax exempt?", history=before)
    assert (after.text, after.department, after.leans_on) == (alone.text, "travel", ())
    assert engine.requests[0].messages == engine.requests[1].messages
    assert Basis("it") not in after.rests_on


async def test_what_a_question_leans_on_is_recorded_with_it(make_mentee: Callable[..., Mentee]) -> None:
    mentee = make_mentee()
    turns = Turn("When does a new laptop come to the people in Ohio?", "Soon."), Turn("And hotels?", "Exempt.")
    answer, _ = await ask(mentee, "and are those tax exempt?", department="travel", history=turns)
    thread = Turn("old", "old"), *turns
    mentee.recorder.record(Question("x", ADA, id=answer.question_id, history=thread), answer)
    recorded = mentee.history.exchange(answer.question_id)
    assert recorded is not None
    assert recorded.question.history == thread
    assert [turn.leaned_on for turn in recorded.question.history] == [False, True, True]
    assert answer.leans_on == turns


async def test_a_refused_turn_is_a_refusal_to_the_model(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee = make_mentee()
    refused, _ = await ask(mentee, "What is the capital of France?", department="travel")
    assert refused.refused
    mentee.recorder.record(Question("What is the capital of France?", ADA, id=refused.question_id), refused)
    exchange = mentee.history.exchange(refused.question_id)
    assert exchange is not None
    await ask(mentee, "and are hotels tax exempt?", department="travel", history=(as_turn(exchange),))
    assert engine.requests[-1].messages[2].content == REFUSAL


async def test_an_engine_that_refuses_is_not_quoted(make_mentee: Callable[..., Mentee], engine: ScriptedEngine) -> None:
    engine.answer = Refusal("I'm sorry, I can't help with that.")
    answer, events = await ask(make_mentee(), "Are all hotels in the world tax exempt?", department="travel")
    assert not any(isinstance(event, TextDelta) for event in events)
    assert "sorry" not in answer.text
    assert answer.provenance.source != "model"
