"""A guard's no covers everything that an answer shows, and a guard that fails lets nothing pass."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import pytest

from bot.answering.checking.checks import HIDDEN_PROBLEM, HIDDEN_SOURCE, NOT_SHOWN
from bot.domain.answers import Citation, DirectAnswer, Provenance, TextDelta, Verdict
from bot.domain.feedback import Correction
from bot.domain.people import Person, Role
from bot.domain.plugins.actions import Action, ActionResult
from bot.domain.questions import Attachment, Question
from bot.hooks.methods.questions import DONE, NOT_DONE, UNCHECKED
from bot.observability.metrics import GUARD_REFUSALS
from bot.testing.notes import NotesRetriever, make_plugin
from bot.testing.questions import ADA, ask

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.domain.answers import Answer, AnswerEvent, AnswerSource, Exchange
    from bot.testing.engines import ScriptedEngine
    from bot.testing.homes import Mentee

    MakeMentee = Callable[..., Mentee]

SECRET = "password: hunter2hunter2"
ASKED = "Are hotels tax exempt?"
UNGROUNDED = "Whales sing beautifully."


def refuses(word: str, replacement: str | None = None) -> object:
    """Return a guard that refuses texts with a word."""

    def check_answer(draft: str) -> Verdict:
        return Verdict(ok=word not in draft, reason=f"it says {word}", replacement=replacement)

    return make_plugin(check_answer=check_answer)


def fails_at(source: AnswerSource) -> object:
    """Return a guard that fails when it is asked about texts of this source."""

    def check_answer(source: str) -> None:
        if source == wanted:
            raise RuntimeError("boom")

    wanted = source
    return make_plugin(check_answer=check_answer)


def notes(*pages: tuple[str, str, str]) -> object:
    """Return a plugin whose retriever finds these pages of the department travel."""
    retriever = NotesRetriever({"travel": pages})
    return make_plugin(register_retriever=lambda: retriever)


def shown(answer: Answer, events: list[AnswerEvent]) -> str:
    """Return everything that a reader could see of an answer."""
    sources = "".join(f"{each.document} {each.heading} {each.text}" for each in answer.citations)
    return answer.text + sources + "".join(event.text for event in events if isinstance(event, TextDelta))


# --- quotations --------------------------------------------------------------------------------------------------


async def test_the_next_passage_is_quoted_if_a_guard_refuses_the_first(
    make_mentee: MakeMentee, engine: ScriptedEngine
) -> None:
    engine.answer = UNGROUNDED
    found = notes(
        ("travel/a.md", "Taxes", f"Are hotels tax exempt? Yes. The desk's {SECRET}."),
        ("travel/b.md", "Forms", "Hotels are tax exempt with a form."),
    )
    answer, events = await ask(make_mentee({"notes": found}), ASKED, department="travel")
    assert answer.text.startswith("Closest I found: “Hotels are tax exempt with a form.”")
    assert (answer.provenance.source, answer.known) == ("passage", True)
    assert "hunter2" not in shown(answer, events)


async def test_it_says_so_if_no_passage_may_be_quoted(make_mentee: MakeMentee, engine: ScriptedEngine) -> None:
    engine.answer = UNGROUNDED
    answer, events = await ask(make_mentee({"guard": refuses("e")}), ASKED, department="travel")
    assert (answer.text, answer.known, answer.citations) == (NOT_SHOWN, False, ())
    assert answer.provenance.source == "none"
    assert not [event for event in events if isinstance(event, TextDelta)]


async def test_the_guards_own_words_are_shown_if_it_has_any(make_mentee: MakeMentee, engine: ScriptedEngine) -> None:
    engine.answer = UNGROUNDED
    found = notes(("travel/a.md", "Taxes", f"Are hotels tax exempt? Yes. The desk's {SECRET}."))
    answer, events = await ask(make_mentee({"notes": found}), ASKED, department="travel")
    assert "what looks like a password" in answer.text
    assert "hunter2" not in shown(answer, events)


async def test_a_failing_guard_refuses_a_quotation_and_is_not_asked_about_the_next(
    make_mentee: MakeMentee, engine: ScriptedEngine
) -> None:
    engine.answer = UNGROUNDED
    mentee = make_mentee({"guard": fails_at("passage")})
    answer, _ = await ask(mentee, ASKED, department="travel")
    assert (answer.text, answer.known, answer.citations) == (UNCHECKED, False, ())


async def test_a_quotation_from_an_attachment_is_checked(make_mentee: MakeMentee, engine: ScriptedEngine) -> None:
    engine.answer = UNGROUNDED
    memo = Attachment("memo.md", (("Desk", f"The desk's {SECRET} and no other."),))
    answer, events = await ask(make_mentee(), "What is said of the desk?", department="it", attachments=(memo,))
    assert "hunter2" not in shown(answer, events)


# --- what guards give instead ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
async def test_the_other_guards_check_what_a_guard_gives_instead(
    make_mentee: MakeMentee, engine: ScriptedEngine, order: tuple[str, str]
) -> None:
    guards = {"first": refuses("form", "Ask Ada."), "second": refuses("Ada")}
    engine.answer = "Show the form at the desk."
    mentee = make_mentee({name: guards[name] for name in order})
    answer, events = await ask(mentee, ASKED, department="travel")
    assert "Ada" not in shown(answer, events)


async def test_a_guard_that_fails_at_what_another_gives_instead_refuses(
    make_mentee: MakeMentee, engine: ScriptedEngine
) -> None:
    engine.answer = "Show the form at the desk."
    mentee = make_mentee({"failing": fails_at("plugin"), "guard": refuses("form", "Ask Ada.")})
    assert (await ask(mentee, ASKED, department="travel"))[0].text == UNCHECKED


# --- answers without the model -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direct", "said"),
    [
        (DirectAnswer(f"The {SECRET}."), "what looks like a password"),
        (DirectAnswer("It is open.", (Citation(1, "t.md", "Ticket", f"The {SECRET}."),)), "It is open."),
        (DirectAnswer("It is open.", (Citation(1, f"{SECRET}.md", SECRET, ""),)), "It is open."),
    ],
    ids=["text", "source", "title"],
)
async def test_a_direct_answer_is_checked(make_mentee: MakeMentee, direct: DirectAnswer, said: str) -> None:
    mentee = make_mentee({"tickets": make_plugin(answer_directly=lambda: direct)})
    answer, events = await ask(mentee, "Status of IT-42?", department="it")
    assert said in answer.text
    assert "hunter2" not in shown(answer, events)


async def test_a_refused_direct_answer_is_not_replaced_by_documents(make_mentee: MakeMentee) -> None:
    tickets = make_plugin(answer_directly=lambda: DirectAnswer("The ticket is open."))
    answer, _ = await ask(make_mentee({"tickets": tickets, "guard": refuses("ticket")}), ASKED, department="travel")
    assert (answer.text, answer.known, answer.provenance.source) == (NOT_SHOWN, False, "none")


async def curated(mentee: Mentee, text: str) -> None:
    answer, _ = await ask(mentee, ASKED, department="travel")
    mentee.recorder.record(Question(ASKED, ADA, id=answer.question_id), answer)
    assert mentee.votes.correct(Correction(answer.id, Person("user:gus", role=Role.AGENT), text))


async def test_a_refused_curated_answer_is_left_out_and_operators_see_it(
    make_mentee: MakeMentee, capfd: pytest.CaptureFixture[str]
) -> None:
    mentee = make_mentee()
    await curated(mentee, f"Use the desk's {SECRET}.")
    before = GUARD_REFUSALS.labels("secrets", "curated")._value.get()
    answer, events = await ask(mentee, ASKED, department="travel")
    assert (answer.text, answer.provenance.source) == ("Hotels are tax exempt in 12 states [1].", "model")
    assert "hunter2" not in shown(answer, events)
    assert GUARD_REFUSALS.labels("secrets", "curated")._value.get() == before + 1
    assert "curated_answer_refused" in "".join(capfd.readouterr())


async def test_a_curated_answer_that_no_passage_says_is_given(make_mentee: MakeMentee) -> None:
    mentee = make_mentee()
    await curated(mentee, "Only in Zanzibar, for $97.")
    assert (await ask(mentee, ASKED, department="travel"))[0].text == "Only in Zanzibar, for $97."


async def test_a_failing_guard_refuses_curated_and_direct_answers(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"guard": fails_at("curated")})
    await curated(mentee, "Only with form SF-1094.")
    answer, events = await ask(mentee, ASKED, department="travel")
    assert (answer.text, answer.provenance.source) == (UNCHECKED, "none")
    assert "SF-1094" not in shown(answer, events)
    tickets = make_plugin(answer_directly=lambda: DirectAnswer("It is open."))
    mentee = make_mentee({"tickets": tickets, "guard": fails_at("plugin")})
    assert (await ask(mentee, "Status of IT-42?", department="it"))[0].text == UNCHECKED


@pytest.mark.parametrize(
    "action",
    [Action("open", "Use hunter2"), Action("open", "Open", confirm="Really hunter2?")],
    ids=["label", "confirm"],
)
async def test_a_direct_answers_buttons_are_checked_with_it(make_mentee: MakeMentee, action: Action) -> None:
    tickets = make_plugin(
        answer_directly=lambda: DirectAnswer("Shall I?", actions=(action,)), on_action=lambda: ActionResult("Done.")
    )
    mentee = make_mentee({"tickets": tickets, "guard": refuses("hunter2")})
    answer, _ = await ask(mentee, "Open a ticket", department="it")
    assert (answer.text, answer.actions) == (NOT_SHOWN, ())


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (ActionResult(f"The {SECRET}."), ("done", DONE)),
        (ActionResult(f"The {SECRET}.", ok=False), ("failed", NOT_DONE)),
        (ActionResult("Open.", actions=(Action("next", "Use hunter2"),)), ("done", DONE)),
        (ActionResult("Open."), ("done", "Open.")),
    ],
    ids=["done", "failed", "button", "fine"],
)
async def test_what_came_of_an_action_is_checked(
    make_mentee: MakeMentee, result: ActionResult, said: tuple[str, str]
) -> None:
    offer = DirectAnswer("Shall I?", actions=(Action("open", "Open a ticket"),))
    tickets = make_plugin(answer_directly=lambda: offer, on_action=lambda: result)
    mentee = make_mentee({"tickets": tickets, "guard": refuses("hunter2")})
    answer, _ = await ask(mentee, "Open a ticket", department="it")
    mentee.recorder.record(Question("Open a ticket", ADA, id=answer.question_id), answer)
    ended = mentee.actions.run(answer.actions[0].id, ADA, [mentee.departments.audience_of(ADA)])
    assert (ended.state, ended.result) == said
    assert "hunter2" not in str(mentee.actions.of_answer(answer.id))


# --- sources, pages and files ------------------------------------------------------------------------------------


async def test_a_source_is_shown_without_a_text_or_title_that_a_guard_refuses(make_mentee: MakeMentee) -> None:
    said = "Hotels are tax exempt in 12 states."
    text_only = notes(("travel/a.md", "Taxes", f"{said} The desk's {SECRET}."))
    answer, _ = await ask(make_mentee({"notes": text_only}), ASKED, department="travel")
    assert [(each.document, each.heading, each.text) for each in answer.citations] == [("travel/a.md", "Taxes", "")]
    assert answer.provenance.source == "model"
    titled = notes(("travel/a.md", f"Taxes {SECRET}", said))
    answer, _ = await ask(make_mentee({"notes": titled}), ASKED, department="travel")
    assert [(each.document, each.heading, each.text) for each in answer.citations] == [("", HIDDEN_SOURCE, "")]
    assert answer.text == "Hotels are tax exempt in 12 states [1]."


async def test_the_nearest_pages_are_those_that_may_be_named(make_mentee: MakeMentee) -> None:
    found = notes(("travel/a.md", f"Desk {SECRET}", "About desks."), ("travel/b.md", "Forms", "About forms."))
    answer, _ = await ask(make_mentee({"notes": found}), "What is the capital of France?", department="travel")
    assert answer.text == "I don't find this in the Travel documents. The nearest pages: Forms [1]."
    assert [each.document for each in answer.citations] == ["travel/b.md"]
    failing = make_mentee({"notes": found, "guard": fails_at("passage")})
    answer, _ = await ask(failing, "What is the capital of France?", department="travel")
    assert (answer.text, answer.citations) == ("I don't find this in the Travel documents.", ())


async def test_the_name_of_an_unread_file_is_checked(make_mentee: MakeMentee) -> None:
    file = Attachment(f"{SECRET}.xyz", problem=f"I can't read {SECRET}.xyz: not a kind of file that is read.")
    answer, events = await ask(make_mentee(), ASKED, department="travel", attachments=(file,))
    assert answer.text.endswith(HIDDEN_PROBLEM)
    assert "hunter2" not in shown(answer, events)


# --- shown again -------------------------------------------------------------------------------------------------


async def recorded(mentee: Mentee) -> Exchange:
    answer, _ = await ask(mentee, ASKED, department="travel")
    mentee.recorder.record(Question(ASKED, ADA, id=answer.question_id), answer)
    found = mentee.history.of_answer(answer.id)
    assert found is not None
    return found


async def test_an_earlier_answer_is_checked_by_a_guard_that_was_switched_on_since(make_mentee: MakeMentee) -> None:
    asked: list[str] = []

    def check_answer(draft: str) -> Verdict:
        asked.append(draft)
        return Verdict(ok="tax exempt" not in draft)

    mentee = make_mentee({"new": make_plugin(check_answer=check_answer)})
    mentee.plugins.states.switch("new", "travel", enabled=False, actor="test")
    found = await recorded(mentee)
    assert (mentee.plugins.may_show_again([found, found]), asked) == ([True, True], [])
    mentee.plugins.states.switch("new", "travel", enabled=True, actor="test")
    assert mentee.plugins.may_show_again([found]) == [False]
    assert all(part in asked[0] for part in (found.answer.text, found.answer.citations[0].text))
    checked = replace(found, answer=replace(found.answer, provenance=Provenance(plugins={"new": "1"})))
    assert not all(mentee.plugins.may_show_again([checked])), "the others haven't checked it"


async def test_a_failing_guard_lets_no_earlier_answer_pass_and_is_asked_once(make_mentee: MakeMentee) -> None:
    calls: list[str] = []

    def check_answer(draft: str) -> NoReturn:
        calls.append(draft)
        raise RuntimeError("boom")

    mentee = make_mentee({"new": make_plugin(check_answer=check_answer)})
    mentee.plugins.states.switch("new", "travel", enabled=False, actor="test")
    found = await recorded(mentee)
    mentee.plugins.states.switch("new", "travel", enabled=True, actor="test")
    assert mentee.plugins.may_show_again([found] * 5) == [False] * 5
    assert len(calls) == 1


# --- cost and load -----------------------------------------------------------------------------------------------


async def test_the_models_sentences_are_checked_once_each_and_the_sources_once(
    make_mentee: MakeMentee, engine: ScriptedEngine
) -> None:
    asked: list[str] = []
    engine.answer = "Hotels are tax exempt in 12 states [1]. Show the form at the desk [1]."

    def check_answer(source: str) -> None:
        asked.append(source)

    guard = make_plugin(check_answer=check_answer)
    await ask(make_mentee({"guard": guard}), ASKED, department="travel")
    assert asked == ["model", "model", "passage"]


@pytest.mark.parametrize("source", ["model", "passage", "curated", "plugin"])
async def test_nothing_unchecked_is_shown_while_one_of_two_guards_hangs_under_load(
    make_mentee: MakeMentee, engine: ScriptedEngine, source: AnswerSource
) -> None:
    hanging, released = threading.Event(), threading.Event()

    def check_answer(source: str) -> None:
        if hanging.is_set() and source == wanted:
            released.wait(25)

    wanted = source
    plugins: dict[str, object] = {
        "hangs": make_plugin(check_answer=check_answer),
        "works": make_plugin(check_answer=lambda: None),
    }
    if source == "plugin":
        plugins["tickets"] = make_plugin(answer_directly=lambda: DirectAnswer("Hotels are exempt."))
    mentee = make_mentee(plugins, settings={"limits": {"plugin_seconds": 0.3}})
    if source == "curated":
        await curated(mentee, "Hotels are exempt.")
    if source == "passage":
        engine.answer = UNGROUNDED
    hanging.set()
    try:
        answers = await asyncio.gather(*(ask(mentee, ASKED, department="travel") for _ in range(16)))
    finally:
        released.set()
    assert {answer.text for answer, _ in answers} == {UNCHECKED}
    assert not [answer for answer, events in answers if "otels" in shown(answer, events)]
    assert all(mentee.plugins.states.enabled(guard, "travel") for guard in ("hangs", "works", "secrets"))
