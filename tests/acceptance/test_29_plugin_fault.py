"""Promise: whatever a plugin does wrong, the answer is still sent, it is named, and it is switched off at five."""

import sys
import textwrap
import time

import pytest

from bot.hooks import FAILURES_TO_SWITCH_OFF
from bot.messages import Done, Person, Question, Verdict
from bot.testing.engines import ScriptedEngine
from bot.testing.notes import NotesRetriever, make_plugin

ASKED = "Are hotels tax exempt?"


def hang():
    time.sleep(2.5)


def leave():
    raise SystemExit(1)


def crash():
    raise RuntimeError("boom")


def answer_nonsense():
    return object()


FAULTS = {"raises": crash, "hangs": hang, "leaves": leave, "wrong type": answer_nonsense}
HELPERS = (
    "route_question",
    "enrich_question",
    "answer_directly",
    "rank_passages",
    "extend_prompt",
    "on_answer_recorded",
)


@pytest.fixture
def make_mentee(make_home):
    def make(*, seconds=2.0, **plugins):
        retriever = NotesRetriever()
        notes = make_plugin(register_retriever=lambda: retriever)
        return make_home(
            departments=("it", "travel"),
            engine=ScriptedEngine("Hotels are tax exempt in 12 states [1]."),
            built_in=("plugins.guards.grounding",),
            extra_plugins={"notes": notes, **plugins},
            settings={"limits": {"plugin_seconds": seconds}},
        )

    return make


async def ask(mentee, department=None):
    question = Question(ASKED, Person("user:ada"), department=department)
    events = [event async for event in mentee.pipeline.answer(question)]
    assert isinstance(events[-1], Done)
    mentee.pipeline.record(question, events[-1].answer)
    return events[-1].answer


@pytest.mark.parametrize("hook", HELPERS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_helper_is_left_out_of_the_answer(make_mentee, hook, fault):
    mentee = make_mentee(seconds=0.3, faulty=make_plugin(**{hook: FAULTS[fault]}))
    answer = await ask(mentee)
    assert answer.text.startswith(("Hotels are tax exempt in 12 states", "Closest I found"))
    assert answer.department == "travel"


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_faulty_guard_lets_no_draft_through(make_mentee, fault):
    answer = await ask(make_mentee(seconds=0.3, faulty=make_plugin(check_answer=FAULTS[fault])), "travel")
    assert answer.provenance.source == "passage", "guards fail closed: the document is quoted instead"


async def test_five_failures_switch_it_off_and_leave_the_others_alone(make_mentee, capfd):
    good = make_plugin(extend_prompt=lambda: "Be brief.")
    mentee = make_mentee(faulty=make_plugin(extend_prompt=crash), good=good)
    for _ in range(FAILURES_TO_SWITCH_OFF):
        await ask(mentee, "travel")
    assert not mentee.plugins.states.enabled("faulty", "travel")
    assert mentee.plugins.states.enabled("good", "travel")
    assert "5 failures" in mentee.plugins.states.reason("faulty")
    said = "".join(capfd.readouterr())
    assert "plugin_switched_off" in said
    assert "faulty" in said
    await ask(mentee, "travel")
    assert "Be brief." in mentee.engine.requests[-1].messages[0].content


async def test_a_guard_that_works_again_is_heard_again(make_mentee):
    verdicts = iter([None, Verdict(ok=False, reason="no")])
    mentee = make_mentee(guard=make_plugin(check_answer=lambda: next(verdicts)))
    assert (await ask(mentee, "travel")).provenance.source == "model"
    assert (await ask(mentee, "travel")).provenance.source == "passage"


async def test_a_plugin_that_cannot_be_imported_does_not_keep_mentee_from_starting(make_home, tmp_path, monkeypatch):
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
    assert broken.error == "SystemExit: I take everything down with me"
    assert broken.origin == "broken-plugin 1.0"
    assert "not_there" in gone.error
