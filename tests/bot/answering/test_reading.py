"""How a model reads the passages: one at a time or together, how far it quotes them, and where it finds no answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bot.answering.prompt import fenced
from bot.domain.answers import Done, Status, TextDelta, Verdict
from bot.domain.errors import PromptTooLongError, TooLargeError
from bot.domain.generation import AdapterRef, Reserved
from bot.language.quantities import ASKED, MISSING
from bot.testing.notes import make_plugin
from bot.testing.questions import ask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.domain.questions import Passage
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import Mentee


REFUSED = "I don't find this."


def one_at_a_time(mentee: Mentee) -> Any:
    mentee.departments.configure("travel", {"answers.passages_at_once": 1}, actor="user:owner")
    return mentee


async def test_a_department_may_read_its_passages_one_at_a_time_until_one_answers(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee = one_at_a_time(make_mentee())
    engine.say(REFUSED, "Coach class is the rule for every trip [1].")
    answer, events = await ask(mentee, "Which class are hotels in the states of this trip?", department="travel")
    prompts = [request.messages[-1].content for request in engine.requests]
    assert [fenced(prompt)[0].splitlines()[0] for prompt in prompts] == [
        "Lodging \u203a Taxes",
        "Trains \u203a Booking",
    ]
    assert all(len(fenced(prompt)) == 1 for prompt in prompts)
    assert [type(event) for event in events] == [Status, Status, TextDelta, Done], "a refusal on the way is not shown"
    assert answer.citations[0].document == "travel/trains.md"
    assert [chunk["chunk_id"] for chunk in answer.provenance.chunks] == ["travel/lodging.md#0", "travel/trains.md#1"]


async def test_reading_ends_with_the_first_passage_that_answers(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee = one_at_a_time(make_mentee())
    answer, _ = await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert len(engine.requests) == 1
    assert [chunk["chunk_id"] for chunk in answer.provenance.chunks] == ["travel/lodging.md#0"]


async def test_where_no_passage_answers_a_sure_search_is_quoted_and_another_is_not(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.answer = REFUSED
    mentee = one_at_a_time(make_mentee())
    quoted, _ = await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert quoted.provenance.source == "passage"
    answer, _ = await ask(mentee, "Are hotels tax exempt in the hills of Burgundy and Rome?", department="travel")
    assert not answer.known
    assert {citation.document for citation in answer.citations} == {"travel/lodging.md", "travel/trains.md"}


async def test_the_more_relevant_a_passage_the_surer_the_model_must_be_to_find_no_answer(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee = one_at_a_time(make_mentee())
    engine.answer = REFUSED
    question = "Which class are hotels in the states of this trip?"
    await ask(mentee, question, department="travel")
    assert {request.reserved for request in engine.requests} == {None}
    mentee.departments.configure("travel", {"answers.refusal_odds": 6}, actor="user:owner")
    engine.requests.clear()
    await ask(mentee, question, department="travel")
    reserved = [request.reserved for request in engine.requests]
    best, next_best = [each.chance for each in reserved if each is not None]
    assert reserved[0] == Reserved(REFUSED, best)
    assert 0 < next_best < best < 1
    engine.requests.clear()
    await ask(mentee, "Who answers?", department="support")
    assert engine.requests[0].reserved is None, "nothing to find an answer in"


async def test_a_model_that_is_unsure_of_all_passages_reads_them_again_and_answers_from_the_likeliest(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee = one_at_a_time(make_mentee())
    mentee.departments.configure("travel", {"answers.refusal_odds": 6, "answers.sure_odds": 2}, actor="user:owner")
    engine.say(REFUSED, REFUSED, REFUSED, "Coach class is the rule for every trip [1].")
    answer, events = await ask(mentee, "Which class are hotels in the states of this trip?", department="travel")
    assert answer.citations[0].document == "travel/trains.md"
    assert [type(event) for event in events] == [Status, Status, TextDelta, Done]
    prompts = [request.messages for request in engine.requests]
    assert prompts[:2] == prompts[2:], "the second time, the engine has read them"
    chances = [request.reserved.chance for request in engine.requests if request.reserved]
    assert chances[0] < chances[2], "it takes more to refuse than to read on"
    assert chances[1] < chances[3]
    assert [chunk["chunk_id"] for chunk in answer.provenance.chunks] == ["travel/lodging.md#0", "travel/trains.md#1"]


async def test_a_sure_answer_ends_the_reading_and_a_single_prompt_is_read_once(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee = one_at_a_time(make_mentee())
    mentee.departments.configure("travel", {"answers.refusal_odds": 6, "answers.sure_odds": 2}, actor="user:owner")
    await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert len(engine.requests) == 1
    engine.requests.clear()
    engine.answer = REFUSED
    mentee.departments.configure("travel", {"answers.passages": 1}, actor="user:owner")
    await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert len(engine.requests) == 1


async def test_a_model_may_refuse_sooner_where_a_quantity_is_asked_for_and_soonest_where_none_is_stated(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mentee = one_at_a_time(make_mentee())
    settings = {"answers.refusal_odds": 6, "answers.passages": 1}
    mentee.departments.configure("travel", settings, actor="user:owner")
    search = mentee.retriever.search
    stated = {
        "In how many states are hotels exempt?": "Hotels are exempt in 12.",
        "How long are hotels exempt?": "Yes.",
    }

    def found(text: str, *rest: Any, **more: Any) -> Any:
        first, *_ = search("Are hotels tax exempt?", *rest, **more)
        said = stated.get(text, first.text)
        return [replace(first, text="They are.", following=said, relevance=0.5)]

    monkeypatch.setattr(mentee.retriever, "search", found)
    for question in ("Are hotels exempt?", *stated):
        await ask(mentee, question, department="travel")
    odds = [each.reserved.chance / (1 - each.reserved.chance) for each in engine.requests if each.reserved]
    assert odds[0] / odds[1] == pytest.approx(ASKED)
    assert odds[1] / odds[2] == pytest.approx(MISSING)


async def test_a_readers_quotation_goes_on_as_its_passage_does(
    make_mentee: Callable[..., Mentee], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mentee = make_mentee()
    for starter, said in (
        (False, "Hotels are tax exempt in 12 states [1]."),
        (True, "Hotels are tax exempt in 12 states [1]. Show the form at the desk. [1]"),
    ):
        adapter = AdapterRef("v1", tmp_path, "scripted", starter)
        monkeypatch.setattr(mentee.active_adapters, "get", lambda *_, given=adapter, **__: given)
        answer, events = await ask(mentee, "Are hotels tax exempt?", department="travel")
        assert answer.text == said
        assert "".join(event.text for event in events if isinstance(event, TextDelta)).strip() == said


async def test_a_readers_quotation_goes_on_into_what_its_section_says_next(
    make_mentee: Callable[..., Mentee], tmp_path: Path, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mentee = make_mentee()
    search = mentee.retriever.search

    def cut(*question: Any, **more: Any) -> Any:
        return [replace(passage, following="\n- form 12\n- the card") for passage in search(*question, **more)]

    monkeypatch.setattr(mentee.retriever, "search", cut)
    monkeypatch.setattr(
        mentee.active_adapters, "get", lambda *_, **__: AdapterRef("v1", tmp_path, "scripted", starter=True)
    )
    engine.answer = "What do all the hotels want: [1]"
    reads(mentee, "What do all the hotels want:", monkeypatch)
    answer, _ = await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert answer.text == "What do all the hotels want: [1]\n- form 12\n- the card [1]"
    assert answer.citations[0].text.endswith("- the card"), "the source shows what is quoted from it"
    assert "the card" not in engine.requests[0].messages[-1].content, "no model reads it"


async def test_what_a_plugin_left_out_does_not_follow_another_passage(
    make_mentee: Callable[..., Mentee], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rank_passages(passages: list[Passage]) -> list[Passage]:
        return [passage for passage in passages if passage.chunk_id != "next"]

    mentee = make_mentee({"thinner": make_plugin(rank_passages=rank_passages)})
    search = mentee.retriever.search

    def cut(*question: Any, **more: Any) -> Any:
        first, *others = search(*question, **more)
        return [replace(first, following=" The card is secret."), replace(first, chunk_id="next"), *others]

    monkeypatch.setattr(mentee.retriever, "search", cut)
    monkeypatch.setattr(
        mentee.active_adapters, "get", lambda *_, **__: AdapterRef("v1", tmp_path, "scripted", starter=True)
    )
    answer, _ = await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert "Show the form" in answer.text
    assert "secret" not in answer.text + answer.citations[0].text
    mentee.plugins.states.switch("thinner", "travel", enabled=False, actor="user:owner")
    answer, _ = await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert "secret" in answer.text, "the plugin was what kept it away"


async def test_who_reads_one_passage_still_names_the_nearest_pages(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    mentee = make_mentee()
    mentee.departments.configure("travel", {"answers.passages": 1}, actor="user:owner")
    engine.answer = REFUSED
    answer, _ = await ask(mentee, "Are hotels tax exempt in the hills of Burgundy and Rome?", department="travel")
    assert (answer.known, len(engine.requests)) == (False, 1)
    assert [citation.document for citation in answer.citations] == ["travel/lodging.md", "travel/trains.md"]


async def test_a_passage_that_is_only_a_link_is_not_read(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mentee = make_mentee()
    search = mentee.retriever.search

    def with_link(*question: Any, **more: Any) -> Any:
        found = search(*question, **more)
        return [replace(found[0], chunk_id="link", text="Back to lodging", relevance=0.99), *found]

    monkeypatch.setattr(mentee.retriever, "search", with_link)
    await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert "Back to lodging" not in engine.requests[0].messages[-1].content


def reads(mentee: Mentee, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every passage that is found say this."""
    search = mentee.retriever.search
    monkeypatch.setattr(
        mentee.retriever,
        "search",
        lambda *question, **more: [replace(passage, text=text) for passage in search(*question, **more)],
    )


async def test_the_guards_judge_a_quotation_as_it_will_be_shown(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mentee = make_mentee()
    reads(mentee, "Sign in with the token xoxb-1234567890-abcdefghijkl today.", monkeypatch)
    engine.answer = "Sign in with the token xoxb 1234567890 abcdefghijkl today [1]."
    answer, events = await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert "xoxb" not in answer.text + "".join(event.text for event in events if isinstance(event, TextDelta))


async def test_a_quotation_in_circles_ends_though_its_passage_is_written_otherwise(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    mentee = make_mentee()
    reads(
        mentee,
        "Show the \u201cgreen\u201d form at the desk. Keep \u2013 always \u2013 a copy of the form.",
        monkeypatch,
    )
    engine.answer = 'Show the "green" form at the desk. Keep - always - a copy of the form. ' * 5
    answer, _ = await ask(mentee, "Which form do hotels want at the desk?", department="travel")
    assert answer.text.count("copy of the form") == 1


async def test_what_a_guard_has_against_the_next_sentence_leaves_the_readers_own(
    make_mentee: Callable[..., Mentee], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check_answer(draft: str) -> Verdict:
        return Verdict(ok="desk" not in draft, reason="desks", replacement="Nothing about desks.")

    mentee = make_mentee({"desks": make_plugin(check_answer=check_answer)})
    adapter = AdapterRef("v1", tmp_path, "scripted", starter=True)
    monkeypatch.setattr(mentee.active_adapters, "get", lambda *_, **__: adapter)
    answer, _ = await ask(mentee, "Are hotels tax exempt?", department="travel")
    assert answer.text == "Hotels are tax exempt in 12 states [1]."


async def test_a_prompt_that_is_too_long_for_the_server_is_tried_with_less(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.say(PromptTooLongError("too long"), "Hotels are tax exempt in 12 states [1].")
    question = "Which class are hotels in the states of this trip?"
    answer, _ = await ask(make_mentee(), question, department="travel")
    first, second = (request.messages[-1].content for request in engine.requests)
    assert (len(fenced(first)), len(fenced(second))) == (2, 1)
    assert answer.provenance.source == "model"
    assert [chunk["chunk_id"] for chunk in answer.provenance.chunks] == ["travel/lodging.md#0"]


async def test_a_prompt_that_stays_too_long_ends_in_an_error(
    make_mentee: Callable[..., Mentee], engine: ScriptedEngine
) -> None:
    engine.say(*[PromptTooLongError("too long")] * 9)
    with pytest.raises(TooLargeError, match="too long for the model"):
        await ask(make_mentee(), "Are hotels tax exempt?", department="travel")
