"""Plugins: who is called for which department, and what a faulty one can and cannot do."""

import threading

import pytest
from pydantic import BaseModel

from bot.errors import PluginError, SettingsError
from bot.hooks import FAILURES_TO_SWITCH_OFF
from bot.hookspecs import hookimpl
from bot.store.models import AuditRow
from bot.testing.notes import make_plugin


class Tone(BaseModel):
    tone: str = "calm"


class TonePlugin:
    @hookimpl
    def register_settings(self):
        return Tone

    @hookimpl
    def extend_prompt(self, settings, department):
        return f"{department}: {settings.tone}"


def lines(mentee, department):
    return [value for _, value in mentee.plugins.values("extend_prompt", department, question=None)]


def test_settings_resolve_department_then_instance_then_file_then_default(make_mentee):
    mentee = make_mentee({"tone": TonePlugin()}, settings={"plugins": {}})
    states, model = mentee.plugins.states, mentee.plugins.settings_model("tone")
    assert model is Tone
    assert lines(mentee, "it") == ["it: calm"]
    states.configure("tone", "", {"tone": "warm"}, actor="test", model=model)
    states.configure("tone", "it", {"tone": "dry"}, actor="test", model=model)
    assert (lines(mentee, "it"), lines(mentee, "travel")) == (["it: dry"], ["travel: warm"])


def test_a_setting_that_does_not_fit_changes_nothing(make_mentee):
    mentee = make_mentee({"tone": TonePlugin()})
    with pytest.raises(SettingsError, match=r"'tone' of plugin 'tone'.*Its settings are: tone"):
        mentee.plugins.states.configure("tone", "it", {"tone": 3}, actor="test", model=Tone)
    assert lines(mentee, "it") == ["it: calm"]


def test_switched_per_department_with_an_audit_row(make_mentee):
    mentee = make_mentee({"tone": TonePlugin()})
    mentee.plugins.states.switch("tone", "it", enabled=False, actor="ada", reason="too calm")
    assert (lines(mentee, "it"), lines(mentee, "travel")) == ([], ["travel: calm"])
    mentee.plugins.states.switch("tone", "", enabled=False, actor="ada")
    mentee.plugins.states.switch("tone", "it", enabled=True, actor="ada")
    assert lines(mentee, "it") == [], "off for the instance silences a plugin everywhere"
    with mentee.store.read() as session:
        actions = [
            row.action for row in session.query(AuditRow).filter(AuditRow.subject == "tone").order_by(AuditRow.at)
        ]
    assert actions == ["plugin.disable", "plugin.disable", "plugin.enable"]


def test_another_process_follows_a_switch(make_mentee, monkeypatch):
    mentee = make_mentee({"tone": TonePlugin()})
    other = type(mentee.plugins.states)(mentee.store)
    assert other.enabled("tone", "it")
    mentee.plugins.states.switch("tone", "it", enabled=False, actor="ada")
    monkeypatch.setattr("bot.plugin_states.CACHE_SECONDS", 0.0)
    assert not other.enabled("tone", "it")


def raises():
    raise RuntimeError("boom")


def leaves():
    raise SystemExit(3)


@pytest.mark.parametrize("fault", [raises, leaves])
def test_one_failing_plugin_does_not_take_the_others_results(make_mentee, fault):
    mentee = make_mentee(
        {
            "a": make_plugin(extend_prompt=lambda: "a"),
            "bad": make_plugin(extend_prompt=fault),
            "b": make_plugin(extend_prompt=lambda: "b"),
        }
    )
    assert lines(mentee, "it") == ["b", "a"]


def test_a_hanging_plugin_is_left_behind(make_mentee):
    released = threading.Event()

    def hang():
        return "late" if released.wait(20) else "never left behind"

    mentee = make_mentee(
        {"slow": make_plugin(extend_prompt=hang), "b": make_plugin(extend_prompt=lambda: "b")},
        settings={"limits": {"plugin_seconds": 1.0}},
    )
    assert lines(mentee, "it") == ["b"]
    released.set()


def test_switched_off_after_repeated_failures_and_says_so(make_mentee):
    mentee = make_mentee({"bad": make_plugin(extend_prompt=raises)})
    for _ in range(FAILURES_TO_SWITCH_OFF):
        assert mentee.plugins.states.enabled("bad", "it")
        lines(mentee, "it")
    assert not mentee.plugins.states.enabled("bad", "it")
    assert "RuntimeError: boom" in mentee.plugins.states.reason("bad")


def test_folding_open_keeps_the_value_and_closed_raises(make_mentee):
    mentee = make_mentee(
        {"shout": make_plugin(scrub_text=lambda text: text.upper()), "bad": make_plugin(scrub_text=lambda: 1 / 0)}
    )
    assert mentee.plugins.fold("scrub_text", "text", "hi", "it") == "HI"
    with pytest.raises(PluginError, match="'bad' failed in scrub_text: ZeroDivisionError"):
        mentee.plugins.fold("scrub_text", "text", "hi", "it", closed=True)


def test_a_plugin_with_an_unknown_hook_is_refused_and_named(make_mentee):
    mentee = make_mentee({"typo": make_plugin(enrich_questoin=lambda: None)})
    assert "enrich_questoin" in mentee.plugins.loaded["typo"].error


def test_a_trace_names_hook_plugin_and_department(make_mentee, monkeypatch, capsys):
    monkeypatch.setenv("MENTEE_TRACE_HOOKS", "1")
    mentee = make_mentee({"tone": TonePlugin()})
    lines(mentee, "it")
    assert "hook extend_prompt(question) tone [it]" in capsys.readouterr().err
