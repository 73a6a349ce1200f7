"""Which plugins act on a question: they claim it before it is routed, and provenance names those that acted."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from bot.domain.answers import DirectAnswer, Verdict
from bot.domain.generation import AdapterRef
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import make_plugin
from bot.testing.questions import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bot.domain.questions import Passage, Question
    from bot.testing.homes import Mentee

    MakeMentee = Callable[..., Mentee]

ASKED = "Are hotels tax exempt?"
GUARDS = {"grounding", "secrets"}


class Prefix(BaseModel):
    """Settings of the ticket skill."""

    prefix: str = "IT"


def tickets(**more: Callable[..., object]) -> object:
    """Return a skill that claims questions about its tickets and answers them."""

    def claim_question(question: Question, settings: Prefix) -> bool:
        return f"{settings.prefix}-" in question.text

    def answer_directly(question: Question, settings: Prefix, department: str) -> DirectAnswer | None:
        return DirectAnswer(f"Open, says {department}.") if f"{settings.prefix}-" in question.text else None

    hooks: dict[str, Callable[..., object]] = {
        "register_settings": lambda: Prefix,
        "claim_question": claim_question,
        "answer_directly": answer_directly,
    }
    return make_plugin(**(hooks | more))


def only_in(mentee: Mentee, plugin: str, *departments: str) -> Mentee:
    for department in {"it", "travel", "support"} - {*departments}:
        mentee.plugins.states.switch(plugin, department, enabled=False, actor="test")
    return mentee


# --- claims ------------------------------------------------------------------------------------------------------


async def test_a_skill_claims_its_question_before_routing(make_mentee: MakeMentee) -> None:
    mentee = only_in(make_mentee({"tickets": tickets()}), "tickets", "support")
    answer, _ = await ask(mentee, "Is the laptop of IT-42 here?")
    assert (answer.text, answer.department) == ("Open, says support.", "support")
    assert (await ask(mentee, "When does a new laptop come?"))[0].department == "it"


async def test_a_claim_goes_by_the_departments_own_settings(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"tickets": tickets()})
    for department in ("travel", "support"):
        given = {"prefix": department.upper()}
        mentee.plugins.states.configure("tickets", department, given, actor="test", model=Prefix)
    assert (await ask(mentee, "Status of SUPPORT-7?"))[0].text == "Open, says support."
    assert (await ask(mentee, "Status of TRAVEL-7?"))[0].text == "Open, says travel."
    assert (await ask(mentee, "Status of IT-7?"))[0].text == "Open, says it."


async def test_a_claim_cannot_take_a_question_where_its_asker_may_not_ask(make_mentee: MakeMentee) -> None:
    asked: list[tuple[str, tuple[str, ...]]] = []

    def claim_question(question: Question, department: str) -> bool:
        asked.append((department, question.departments))
        return True

    mentee = make_mentee({"tickets": tickets(claim_question=claim_question)})
    mentee.departments.configure("support", {"open": False}, actor="test")
    answer, _ = await ask(mentee, "Status of IT-7?")
    assert answer.department in {"it", "travel"}
    assert asked == [("it", ("it", "travel")), ("travel", ("it", "travel"))]
    mentee.departments.set_member("support", "user:ada", member=True, actor="test")
    assert (await ask(only_in(mentee, "tickets", "support"), "Status of IT-7?"))[0].department == "support"


async def test_a_claim_stays_among_the_departments_of_the_place(make_mentee: MakeMentee) -> None:
    mentee = only_in(make_mentee({"tickets": tickets()}), "tickets", "support")
    answer, _ = await ask(mentee, "When does a new laptop come, IT-42?", departments=("it", "travel"))
    assert answer.department == "it"


async def test_a_plugin_that_is_off_claims_nothing_there(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"tickets": tickets(claim_question=lambda: True)})
    answer, _ = await ask(only_in(mentee, "tickets"), ASKED)
    assert (answer.department, answer.provenance.source) == ("travel", "model")


async def test_nothing_is_claimed_where_the_department_is_known(make_mentee: MakeMentee) -> None:
    asked: list[str] = []

    def claim_question(department: str) -> None:
        asked.append(department)

    mentee = make_mentee({"tickets": tickets(claim_question=claim_question)})
    await ask(mentee, "Status of IT-7?", department="travel")
    await ask(mentee, "Status of IT-7?", departments=("it",))
    assert asked == []


async def test_routing_chooses_among_the_departments_of_a_claim(make_mentee: MakeMentee) -> None:
    mentee = only_in(make_mentee({"tickets": tickets()}), "tickets", "it", "support")
    assert (await ask(mentee, "Hotels, tax, and IT-7?"))[0].department != "travel"
    router = make_plugin(route_question=lambda question: question.departments[-1])
    mentee = only_in(make_mentee({"tickets": tickets(), "router": router}), "tickets", "it", "support")
    assert (await ask(mentee, "Hotels, tax, and IT-7?"))[0].department == "support"


async def test_the_plugin_that_claims_is_asked_first_and_may_still_abstain(make_mentee: MakeMentee) -> None:
    loud = make_plugin(answer_directly=lambda: DirectAnswer("Me first."))
    mentee = make_mentee({"tickets": tickets(), "loud": loud})
    assert (await ask(mentee, "Status of IT-7?"))[0].text.startswith("Open")
    silent = tickets(answer_directly=lambda: None)
    answer, _ = await ask(only_in(make_mentee({"tickets": silent}), "tickets", "travel"), "Hotels: tax exempt, IT-7?")
    assert (answer.department, answer.provenance.source) == ("travel", "model")


async def test_the_first_plugin_that_claims_wins(make_mentee: MakeMentee) -> None:
    first, last = tickets(answer_directly=lambda: DirectAnswer("First.")), tickets()
    mentee = make_mentee({"first": first, "last": last})
    assert (await ask(mentee, "Status of IT-7?"))[0].text.startswith("Open"), "the last registered comes first"


async def test_a_claim_that_hangs_costs_one_time_limit(make_mentee: MakeMentee) -> None:
    released, calls = threading.Event(), []

    def claim_question(department: str) -> bool:
        calls.append(department)
        return released.wait(25)

    hangs = make_plugin(claim_question=claim_question)
    mentee = make_mentee({"tickets": tickets(), "hangs": hangs}, settings={"limits": {"plugin_seconds": 0.3}})
    try:
        answer, _ = await ask(only_in(mentee, "tickets", "support"), "Status of IT-7?")
    finally:
        released.set()
    assert answer.text == "Open, says support."
    assert len(calls) == 1


# --- ranking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rank", "documents"),
    [
        (lambda passages: [*passages, *passages], ["travel/lodging.md", "travel/trains.md"]),
        (lambda passages: [replace(passages[1], chunk_id="made up"), passages[0]], ["travel/lodging.md"]),
        (
            lambda passages: [replace(each, text="pwned", heading="pwned", document="x") for each in passages[::-1]],
            ["travel/trains.md", "travel/lodging.md"],
        ),
        (lambda _passages: [], []),
        (lambda passages: [replace(passages[0], chunk_id=["x"])], ["travel/lodging.md", "travel/trains.md"]),
        (lambda passages: passages.clear(), ["travel/lodging.md", "travel/trains.md"]),
    ],
    ids=["duplicates", "invented", "changed", "none", "not a passage", "cleared"],
)
async def test_only_the_order_of_passages_is_taken_from_a_plugin(
    make_mentee: MakeMentee, engine: ScriptedEngine, rank: Callable[[list[Passage]], object], documents: list[str]
) -> None:
    def rank_passages(passages: list[Passage]) -> object:
        return rank(passages)

    engine.answer = "Whales sing beautifully."
    mentee = make_mentee({"rank": make_plugin(rank_passages=rank_passages)})
    answer, _ = await ask(mentee, "Are hotels tax exempt, and trains?", department="travel")
    assert [chunk["chunk_id"].partition("#")[0] for chunk in answer.provenance.chunks] == documents
    prompts = "".join(message.content for request in engine.requests for message in request.messages)
    assert "pwned" not in f"{prompts}{answer}"
    if not documents:
        assert answer.text == "I don't find this in the Travel documents."


async def test_a_plugin_cannot_bring_back_what_another_left_out(
    make_mentee: MakeMentee, engine: ScriptedEngine
) -> None:
    seen: list[list[Passage]] = []

    def remember(passages: list[Passage]) -> list[Passage]:
        return [*passages, *(seen[0] if seen else [])]

    def drop(passages: list[Passage]) -> list[Passage]:
        seen.append(passages)
        return passages[:1]

    rank = {"remembers": make_plugin(rank_passages=remember), "drops": make_plugin(rank_passages=drop)}
    await ask(make_mentee(rank), ASKED, department="travel")
    assert "Trains" not in engine.requests[0].messages[-1].content


# --- provenance --------------------------------------------------------------------------------------------------


def acting(ranked: Callable[[list[Passage]], list[Passage]]) -> Mapping[str, object]:
    """Return plugins that act, and ones that only look."""
    return {
        "enriches": make_plugin(enrich_question=lambda question: replace(question, search_text="hotels tax exempt")),
        "enriches-nothing": make_plugin(enrich_question=lambda question: question),
        "ranks": make_plugin(rank_passages=ranked),
        "ranks-nothing": make_plugin(rank_passages=lambda passages: passages),
        "extends": make_plugin(extend_prompt=lambda: "Be brief."),
        "abstains": make_plugin(extend_prompt=lambda: None, answer_directly=lambda: None, route_question=lambda: None),
        "routes": make_plugin(route_question=lambda: "travel"),
        "checks": make_plugin(check_answer=lambda: None),
        "listens": make_plugin(on_answer_recorded=lambda: None),
        "elsewhere": make_plugin(check_answer=lambda: Verdict(ok=False)),
    }


async def test_provenance_lists_the_plugins_that_acted(make_mentee: MakeMentee) -> None:
    mentee = make_mentee(acting(lambda passages: passages[::-1]))
    mentee.plugins.states.switch("elsewhere", "travel", enabled=False, actor="test")
    answer, _ = await ask(mentee, ASKED)
    acted = {"enriches", "ranks", "extends", "routes", "checks", "notes"}
    assert set(answer.provenance.plugins) == acted | GUARDS
    assert answer.provenance.plugins["checks"] == mentee.plugins.loaded["checks"].version


async def test_a_direct_answer_was_made_by_its_plugin_and_its_guards(make_mentee: MakeMentee) -> None:
    mentee = only_in(make_mentee({"tickets": tickets(), **acting(lambda passages: passages)}), "elsewhere")
    answer, _ = await ask(mentee, "Status of IT-7?", department="it")
    assert set(answer.provenance.plugins) == {"tickets", "enriches", "checks"} | GUARDS
    assert (answer.provenance.base_model, answer.provenance.engine) == ("", "")


async def test_a_plugins_engine_is_named_with_its_own_model(
    make_mentee: MakeMentee, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = ScriptedEngine("Hotels are tax exempt in 12 states [1].")
    mentee = make_mentee({"mine": make_plugin(register_engine=lambda: mine)}, engine=None)
    reader = AdapterRef("travel-1", tmp_path, mentee.settings.model.name)
    monkeypatch.setattr(mentee.active_adapters, "get", lambda *_, **__: reader)
    provenance = (await ask(mentee, ASKED, department="travel"))[0].provenance
    assert (provenance.engine, provenance.base_model, provenance.adapter) == ("mine", "scripted", None)
    assert "mine" in provenance.plugins
    assert mine.requests[0].adapter is None, "it is an adapter of another model"
    own = replace(reader, base_model="scripted")
    monkeypatch.setattr(mentee.active_adapters, "get", lambda *_, **__: own)
    provenance = (await ask(mentee, ASKED, department="travel"))[0].provenance
    assert (provenance.adapter, mine.requests[-1].adapter) == ("travel-1", own)


async def test_mentees_own_engine_is_named_by_its_kind(make_mentee: MakeMentee) -> None:
    provenance = (await ask(make_mentee(), ASKED, department="travel"))[0].provenance
    assert (provenance.engine, provenance.base_model) == ("scripted", "scripted")
