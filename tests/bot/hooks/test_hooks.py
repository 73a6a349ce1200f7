"""Plugins: who is called for which department, and what a faulty one can and cannot do."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import pytest
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError

from bot.domain.answers import Answer, Exchange, RecordedQuestion, Verdict
from bot.domain.errors import PluginError, SettingsError
from bot.domain.identifiers import now
from bot.domain.people import Person
from bot.domain.plugins.actions import Action, OfferedAction
from bot.domain.questions import Question
from bot.hooks.calling.breaker import MAX_FAILURES
from bot.hooks.specs import hookimpl
from bot.hooks.state import PluginStates
from bot.storage.tables.access import AuditRow
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from bot.app import Mentee

    class MakeMentee(Protocol):
        def __call__(self, plugins: dict[str, object] | None = None, **more: object) -> Mentee: ...


class Tone(BaseModel):
    tone: str = "calm"


class TonePlugin:
    @hookimpl
    def register_settings(self) -> type[BaseModel]:
        return Tone

    @hookimpl
    def extend_prompt(self, settings: Tone, department: str) -> str:
        return f"{department}: {settings.tone}"


def lines(mentee: Mentee, department: str) -> list[str]:
    return mentee.plugins.extend_prompt(Question("?", Person("user:ada")), department)


def test_settings_resolve_department_then_instance_then_file_then_default(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"tone": TonePlugin()}, settings={"plugins": {}})
    states, model = mentee.plugins.states, mentee.plugins.register_settings("tone")
    assert model is Tone
    assert lines(mentee, "it") == ["it: calm"]
    states.configure("tone", "", {"tone": "warm"}, actor="test", model=model)
    states.configure("tone", "it", {"tone": "dry"}, actor="test", model=model)
    assert (lines(mentee, "it"), lines(mentee, "travel")) == (["it: dry"], ["travel: warm"])


def test_a_setting_that_does_not_fit_changes_nothing(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"tone": TonePlugin()})
    with pytest.raises(SettingsError, match=r"'tone' of plugin 'tone'.*Its settings are: tone"):
        mentee.plugins.states.configure("tone", "it", {"tone": 3}, actor="test", model=Tone)
    assert lines(mentee, "it") == ["it: calm"]


def test_switched_per_department_with_an_audit_row(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"tone": TonePlugin()})
    mentee.plugins.states.switch("tone", "it", enabled=False, actor="ada", reason="too calm")
    assert (lines(mentee, "it"), lines(mentee, "travel")) == ([], ["travel: calm"])
    mentee.plugins.states.switch("tone", "", enabled=False, actor="ada")
    mentee.plugins.states.switch("tone", "it", enabled=True, actor="ada")
    assert (lines(mentee, "it"), lines(mentee, "travel")) == (["it: calm"], []), "a department's own switch counts more"
    mentee.plugins.states.switch_everywhere("tone", enabled=False, actor="ada")
    assert (lines(mentee, "it"), lines(mentee, "travel")) == ([], [])
    with mentee.store.read() as session:
        actions = [
            row.action for row in session.query(AuditRow).filter(AuditRow.subject == "tone").order_by(AuditRow.at)
        ]
    assert actions == ["plugin.disable", "plugin.disable", "plugin.enable", "plugin.disable"]


def test_another_process_follows_a_switch(make_mentee: MakeMentee, monkeypatch: pytest.MonkeyPatch) -> None:
    mentee = make_mentee({"tone": TonePlugin()})
    other = type(mentee.plugins.states)(mentee.store)
    assert other.enabled("tone", "it")
    mentee.plugins.states.switch("tone", "it", enabled=False, actor="ada")
    monkeypatch.setattr("bot.hooks.state.CACHE_SECONDS", 0.0)
    assert not other.enabled("tone", "it")


def test_a_parameter_with_a_default_is_filled(make_mentee: MakeMentee) -> None:
    def say(question: Question | None = None, department: str = "nowhere") -> str:
        return f"{department}: {question.text if question else ''}"

    assert lines(make_mentee({"says": make_plugin(extend_prompt=say)}), "it") == ["it: ?"]


def raises() -> NoReturn:
    raise RuntimeError("boom")


def leaves() -> NoReturn:
    raise SystemExit(3)


@pytest.mark.parametrize("fault", [raises, leaves])
def test_one_failing_plugin_does_not_take_the_others_results(
    make_mentee: MakeMentee, fault: Callable[[], object]
) -> None:
    mentee = make_mentee(
        {
            "a": make_plugin(extend_prompt=lambda: "a"),
            "bad": make_plugin(extend_prompt=fault),
            "b": make_plugin(extend_prompt=lambda: "b"),
        }
    )
    assert lines(mentee, "it") == ["b", "a"]


def test_a_hanging_plugin_is_left_behind(make_mentee: MakeMentee) -> None:
    released = threading.Event()

    def hang() -> str:
        return "late" if released.wait(20) else "never left behind"

    mentee = make_mentee(
        {"slow": make_plugin(extend_prompt=hang), "b": make_plugin(extend_prompt=lambda: "b")},
        settings={"limits": {"plugin_seconds": 1.0}},
    )
    assert lines(mentee, "it") == ["b"]
    released.set()


def test_a_helper_is_paused_where_it_fails_and_says_so(make_mentee: MakeMentee) -> None:
    called: list[str] = []

    def fail_in_it(department: str) -> str:
        called.append(department)
        return raises() if department == "it" else department

    mentee = make_mentee({"bad": make_plugin(extend_prompt=fail_in_it)})
    for _ in range(MAX_FAILURES + 3):
        lines(mentee, "it")
    assert called == ["it"] * MAX_FAILURES
    assert lines(mentee, "travel") == ["travel"]
    assert mentee.plugins.states.enabled("bad", "it"), "the switches aren't touched"
    elsewhere = PluginStates(mentee.store).problem("bad")
    assert re.match(r"paused for it until \d\d:\d\d:\d\d UTC; .*extend_prompt: RuntimeError: boom", elsewhere)


def test_a_paused_helper_returns_once_a_trial_call_succeeds(
    make_mentee: MakeMentee, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.hooks.calling.breaker.FIRST_PAUSE_SECONDS", 0.001)
    failing = [True]
    mentee = make_mentee({"bad": make_plugin(extend_prompt=lambda: raises() if failing else "well")})
    for _ in range(MAX_FAILURES):
        lines(mentee, "it")
    assert mentee.plugins.states.problem("bad")
    failing.clear()
    time.sleep(0.05)
    assert lines(mentee, "it") == lines(mentee, "it") == ["well"]
    assert not mentee.plugins.states.problem("bad")


def test_an_action_of_a_paused_plugin_is_not_tried(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"bad": make_plugin(extend_prompt=raises, on_action=raises)})
    for _ in range(MAX_FAILURES):
        lines(mentee, "it")
    answer = Answer("q1", "Open a ticket?", True, "it")
    asked = RecordedQuestion("q1", "?", "user:ada", "it", "cli", "", "", (), (), now())
    with pytest.raises(PluginError, match="paused for it until") as raised:
        offered = OfferedAction("bad", Action("open", "Open a ticket"))
        mentee.plugins.on_action(offered, Person("user:ada"), Exchange(asked, answer), lambda _late: None)
    assert not raised.value.called


def test_a_failing_guard_stays_on_and_every_process_sees_it(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"bad": make_plugin(scrub_text=raises)})
    for _ in range(MAX_FAILURES + 1):
        with pytest.raises(PluginError):
            mentee.plugins.scrub_text("hi", "it")
    assert mentee.plugins.states.enabled("bad", "it")
    elsewhere = PluginStates(mentee.store)
    assert elsewhere.problem("bad") == "scrub_text: RuntimeError: boom"
    assert elsewhere.problem("grounding") == ""


def test_a_failing_skill_does_not_take_the_guard_of_its_plugin_down(make_mentee: MakeMentee) -> None:
    guard = make_plugin(extend_prompt=raises, check_answer=lambda: Verdict(ok=False, reason="no"))
    mentee = make_mentee({"both": guard})
    plugins, asked = mentee.plugins, Question("?", Person("user:ada"))
    for _ in range(2 * MAX_FAILURES):
        assert lines(mentee, "it") == []
    refusal = plugins.check_answer(asked, "draft", (), None, "model", "it")
    assert refusal is not None
    assert (refusal.guard, refusal.reason) == ("both", "no")
    assert "paused" not in plugins.states.problem("both"), "no hook of a guard's plugin is paused"


def test_a_failure_is_shown_for_ten_minutes_and_not_once_the_plugin_is_off(
    make_mentee: MakeMentee, monkeypatch: pytest.MonkeyPatch
) -> None:
    mentee = make_mentee()
    states = mentee.plugins.states
    states.note_problem("grounding", "check_answer: no result after 2 s")
    assert states.problem("grounding")
    states.switch("grounding", "", enabled=False, actor="ada")
    assert not states.problem("grounding")
    states.switch("grounding", "", enabled=True, actor="ada")
    assert states.problem("grounding")
    later = now() + timedelta(minutes=10, seconds=1)
    monkeypatch.setattr("bot.hooks.state.now", lambda: later)
    assert not states.problem("grounding")


def test_a_state_that_cannot_be_stored_costs_no_answer(
    make_mentee: MakeMentee, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> NoReturn:
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    mentee = make_mentee({"bad": make_plugin(extend_prompt=raises), "tone": TonePlugin()})
    monkeypatch.setattr(mentee.plugins.states, "switch", locked)
    for _ in range(MAX_FAILURES + 1):
        assert lines(mentee, "it") == ["it: calm"]


def test_settings_that_raise_fail_the_hook_and_are_asked_for_again(make_mentee: MakeMentee) -> None:
    failing = [RuntimeError("boom")]

    class Late(TonePlugin):
        @hookimpl
        def register_settings(self) -> type[BaseModel]:
            if failing:
                raise failing.pop()
            return Tone

    mentee = make_mentee({"late": Late()})
    assert lines(mentee, "it") == []
    assert lines(mentee, "it") == lines(mentee, "it") == ["it: calm"], "asked for once it has answered"


async def test_waiting_for_plugins_takes_no_thread_from_other_work(make_mentee: MakeMentee) -> None:
    released = threading.Event()
    mentee = make_mentee({"hangs": make_plugin(extend_prompt=lambda: released.wait(20) and None)})
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    question = Question("?", Person("user:ada"))
    waiting = [asyncio.create_task(mentee.plugins.run(mentee.plugins.extend_prompt, question, "it")) for _ in range(4)]
    await asyncio.sleep(0.1)
    assert await asyncio.to_thread(lambda: "searched") == "searched"
    assert not any(task.done() for task in waiting)
    released.set()
    assert await asyncio.gather(*waiting) == [[]] * 4


def test_a_closed_host_blames_nobody(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"tone": TonePlugin()})
    mentee.plugins.close()
    for _ in range(MAX_FAILURES + 1):
        assert lines(mentee, "it") == []
    assert mentee.plugins.states.enabled("tone", "it")


def test_a_failing_scrubber_raises(make_mentee: MakeMentee) -> None:
    shout = make_plugin(scrub_text=lambda text: text.upper())
    assert make_mentee({"shout": shout}).plugins.scrub_text("hi", "it") == "HI"
    mentee = make_mentee({"shout": shout, "bad": make_plugin(scrub_text=lambda: 1 / 0)})
    with pytest.raises(PluginError, match="'bad' failed in scrub_text: ZeroDivisionError"):
        mentee.plugins.scrub_text("hi", "it")


def test_a_plugin_with_an_unknown_hook_is_refused_and_named(make_mentee: MakeMentee) -> None:
    mentee = make_mentee({"typo": make_plugin(enrich_questoin=lambda: None)})
    assert "enrich_questoin" in mentee.plugins.loaded["typo"].error


@pytest.mark.parametrize(("first", "second"), [("secrets", "secrets"), ("tone-of-voice", "tone_of_voice")])
def test_a_plugin_keeps_its_name_when_another_one_wants_it(make_mentee: MakeMentee, first: str, second: str) -> None:
    """A section, tables and their versions go by the name, with ``_`` for ``-``."""
    given = {first: TonePlugin()} if first != "secrets" else {}
    mentee = make_mentee({**given, second: make_plugin(check_answer=lambda: None)})
    assert not mentee.plugins.loaded[first].error
    assert "has this name" in mentee.plugins.loaded[f"{second} from given"].error
    mentee.plugins.states.switch(f"{second} from given", "", enabled=False, actor="ada")
    draft = f"The token is {'xoxb-'}123456789012-123456789012-abcdefABCDEFabcdefABCDEF."
    refusal = mentee.plugins.check_answer(Question("?", Person("user:ada")), draft, [], None, "model", "it")
    assert refusal is not None
    assert refusal.guard == "secrets"


def test_a_trace_names_hook_plugin_and_department(
    make_mentee: MakeMentee, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MENTEE_TRACE_HOOKS", "1")
    mentee = make_mentee({"tone": TonePlugin()})
    lines(mentee, "it")
    assert re.search(r"hook extend_prompt\(question\) tone \[it\] .* ms -> str", capsys.readouterr().err)


def test_a_trace_says_what_came_of_each_call(
    make_mentee: MakeMentee, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MENTEE_TRACE_HOOKS", "1")
    mentee = make_mentee({"bad": make_plugin(extend_prompt=raises), "silent": make_plugin(extend_prompt=lambda: None)})
    for _ in range(MAX_FAILURES + 1):
        lines(mentee, "it")
    traced = capsys.readouterr().err
    assert re.search(r"silent \[it\] .* ms -> nothing\n", traced)
    assert re.search(r"bad \[it\] .* ms failed: .*RuntimeError: boom", traced)
    assert "hook extend_prompt(question) bad [it] skipped: paused\n" in traced


def test_a_trace_names_the_plugins_that_are_off(
    make_mentee: MakeMentee, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MENTEE_TRACE_HOOKS", "1")
    mentee = make_mentee({"tone": TonePlugin(), "b": make_plugin(extend_prompt=lambda: "b", check_answer=lambda: None)})
    mentee.plugins.states.switch("tone", "it", enabled=False, actor="ada")
    capsys.readouterr()
    assert (lines(mentee, "it"), lines(mentee, "travel")) == (["b"], ["b", "travel: calm"])
    assert mentee.plugins.guards("it")
    calls = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hook extend_prompt")]
    assert [re.sub(r"\d+\.\d ms", "… ms", line) for line in calls] == [
        "hook extend_prompt(question) b [it] … ms -> str",
        "hook extend_prompt(question) tone [it] skipped: off",
        "hook extend_prompt(question) b [travel] … ms -> str",
        "hook extend_prompt(question) tone [travel] … ms -> str",
    ]
