"""A failing helper is skipped, then paused after five failures; a failing guard blocks answers and is never paused."""

from __future__ import annotations

import asyncio
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import pytest

from bot.domain.answers import Done, Verdict
from bot.domain.people import Person
from bot.domain.questions import Question
from bot.hooks.calling.breaker import MAX_FAILURES
from bot.hooks.methods.questions import UNCHECKED
from bot.hooks.workers import REPLACEABLE, WORKERS
from bot.observability.metrics import GUARD_FAILURES, PLUGIN_FAILURES
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever, make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bot.app import Mentee
    from bot.domain.answers import Answer
    from bot.testing.homes import MakeHome

ASKED = "Are hotels tax exempt?"
SAID = "Hotels are tax exempt in 12 states"
AT_ONCE = 32
GUARDS = ("grounding", "secrets")

released = threading.Event()


def hang() -> None:
    released.wait(25)


def leave() -> NoReturn:
    raise SystemExit(1)


def crash() -> NoReturn:
    raise RuntimeError("boom")


def answer_nonsense() -> object:
    return object()


def be_slow() -> None:
    time.sleep(0.1)


FAULTS: dict[str, Callable[[], object]] = {
    "raises": crash,
    "hangs": hang,
    "leaves": leave,
    "wrong type": answer_nonsense,
}
HELPERS = (
    "claim_question",
    "route_question",
    "enrich_question",
    "answer_directly",
    "rank_passages",
    "extend_prompt",
    "on_answer_recorded",
)


class MakeMentee(Protocol):
    def __call__(self, *, seconds: float = 2.0, **plugins: object) -> Mentee: ...


@pytest.fixture(autouse=True)
def hanging() -> Iterator[threading.Event]:
    """Let what hangs go when the test ends."""
    released.clear()
    yield released
    released.set()


@pytest.fixture
def make_mentee(make_home: MakeHome) -> MakeMentee:
    def make(*, seconds: float = 2.0, **plugins: object) -> Mentee:
        retriever = NotesRetriever()
        notes = make_plugin(register_retriever=lambda: retriever)
        return make_home(
            departments=("it", "travel"),
            engine=ScriptedEngine(f"{SAID} [1]."),
            built_in=tuple(f"plugins.guards.{name}" for name in GUARDS),
            extra_plugins={"notes": notes, **plugins},
            settings={"limits": {"plugin_seconds": seconds}},
        )

    return make


async def ask(mentee: Mentee, department: str | None = None) -> Answer:
    question = Question(ASKED, Person("user:ada"), department=department)
    events = [event async for event in mentee.pipeline.answer(question)]
    assert isinstance(events[-1], Done)
    await mentee.plugins.run(mentee.recorder.record, question, events[-1].answer)
    return events[-1].answer


def failures(counter: Any, plugin: str) -> float:
    count: float = counter.labels(plugin)._value.get()
    return count


@pytest.mark.parametrize("hook", HELPERS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_helper_is_left_out_of_the_answer(make_mentee: MakeMentee, hook: str, fault: str) -> None:
    mentee = make_mentee(seconds=0.3, faulty=make_plugin(**{hook: FAULTS[fault]}))
    answer = await ask(mentee)
    assert answer.text.startswith(SAID)
    assert answer.department == "travel"


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_guard_refuses_every_answer_and_is_never_paused(make_mentee: MakeMentee, fault: str) -> None:
    mentee = make_mentee(seconds=0.2, faulty=make_plugin(check_answer=FAULTS[fault]))
    before = failures(GUARD_FAILURES, "faulty")
    for _ in range(MAX_FAILURES + 1):
        answer = await ask(mentee, "travel")
        assert (answer.text, answer.known, answer.provenance.source) == (UNCHECKED, False, "none")
    assert mentee.plugins.states.enabled("faulty", "travel")
    assert mentee.plugins.states.problem("faulty").startswith("check_answer: ")
    assert failures(GUARD_FAILURES, "faulty") - before == MAX_FAILURES + 1


async def test_five_failures_pause_a_helper_and_leave_the_others_alone(
    make_mentee: MakeMentee, capfd: pytest.CaptureFixture[str]
) -> None:
    good = make_plugin(extend_prompt=lambda: "Be brief.")
    mentee = make_mentee(faulty=make_plugin(extend_prompt=crash), good=good)
    for _ in range(MAX_FAILURES):
        assert not mentee.plugins.states.problem("faulty")
        await ask(mentee, "travel")
    assert mentee.plugins.states.problem("faulty").startswith("paused for travel until ")
    assert not mentee.plugins.states.problem("good")
    said = "".join(capfd.readouterr())
    assert "plugin_paused" in said
    assert "faulty" in said
    await ask(mentee, "travel")
    assert isinstance(mentee.engine, ScriptedEngine)
    assert "Be brief." in mentee.engine.requests[-1].messages[0].content


@pytest.mark.parametrize("hook", ["enrich_question", "extend_prompt", "on_answer_recorded"])
@pytest.mark.parametrize("fault", [hang, crash], ids=["hangs", "raises"])
async def test_under_load_a_faulty_helper_is_paused_and_nobody_else_is_blamed(
    make_mentee: MakeMentee, hook: str, fault: Callable[[], object]
) -> None:
    good = make_plugin(extend_prompt=lambda: "Be brief.")
    mentee = make_mentee(seconds=1.0, faulty=make_plugin(**{hook: fault}), good=good)
    before = {name: failures(PLUGIN_FAILURES, name) for name in (*GUARDS, "good")}
    answers = await asyncio.gather(*(ask(mentee, "travel") for _ in range(AT_ONCE)))
    assert {(answer.known, answer.provenance.source) for answer in answers} == {(True, "model")}
    states = mentee.plugins.states
    assert states.problem("faulty").startswith("paused for travel until ")
    assert all(states.enabled(name, "travel") and not states.problem(name) for name in before)
    assert {name: failures(PLUGIN_FAILURES, name) for name in before} == before


async def test_under_load_a_slow_helper_stays_and_is_heard(make_mentee: MakeMentee) -> None:
    mentee = make_mentee(slow=make_plugin(extend_prompt=be_slow))
    before = failures(PLUGIN_FAILURES, "slow")
    answers = await asyncio.gather(*(ask(mentee, "travel") for _ in range(AT_ONCE)))
    assert {answer.provenance.source for answer in answers} == {"model"}
    assert mentee.plugins.states.enabled("slow", "travel")
    assert failures(PLUGIN_FAILURES, "slow") == before


async def test_under_load_a_hanging_guard_refuses_within_bounds_and_recovers(make_mentee: MakeMentee) -> None:
    mentee = make_mentee(seconds=0.5, hangs=make_plugin(check_answer=hang))
    answers = await asyncio.gather(*(ask(mentee, "travel") for _ in range(AT_ONCE)))
    assert {answer.text for answer in answers} == {UNCHECKED}
    threads = [thread for thread in threading.enumerate() if thread.name == "plugin hangs"]
    assert WORKERS <= len(threads) <= WORKERS + REPLACEABLE
    assert all(thread.daemon for thread in threads), "a daemon thread does not hold up the end of the process"
    states = mentee.plugins.states
    assert all(states.enabled(name, "travel") for name in ("hangs", *GUARDS))
    assert not any(states.problem(name) for name in GUARDS)
    assert "check_answer" in states.problem("hangs")

    released.set()
    answers = await asyncio.gather(*(ask(mentee, "travel") for _ in range(AT_ONCE)))
    assert {answer.provenance.source for answer in answers} == {"model"}


async def test_a_guard_that_works_again_is_heard_again(make_mentee: MakeMentee) -> None:
    verdicts = iter([None, Verdict(ok=False, reason="no")])  # on the model's sentence of each answer
    guard = make_plugin(check_answer=lambda source: next(verdicts) if source == "model" else None)
    mentee = make_mentee(guard=guard)
    assert (await ask(mentee, "travel")).provenance.source == "model"
    assert (await ask(mentee, "travel")).provenance.source == "passage"


async def test_a_plugin_that_cannot_be_imported_does_not_keep_mentee_from_starting(
    make_home: MakeHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "broken_plugin-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-plugin\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[mentee]\nbroken = broken_plugin\ngone = not_there\n")
    (tmp_path / "site" / "broken_plugin.py").write_text(
        textwrap.dedent("""
        raise SystemExit("I take everything down with me")
    """)
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    mentee = make_home(departments=("it",), built_in=(), discover=True)
    broken, gone = mentee.plugins.loaded["broken"], mentee.plugins.loaded["gone"]
    assert broken.error.startswith("SystemExit: I take everything down with me")
    assert broken.origin == "broken-plugin 1.0"
    assert "not_there" in gone.error
