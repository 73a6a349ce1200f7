"""Failures and pauses of plugins are kept in the database for other processes to see: bounded, without secrets."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, NoReturn

import pytest
from pydantic import BaseModel, SecretStr
from sqlalchemy import select, update

from bot.app import open_mentee
from bot.cli.main import run
from bot.config.settings import load_settings
from bot.delivery.retention import Retention
from bot.domain.departments import DepartmentSpec
from bot.domain.identifiers import now
from bot.domain.people import Person
from bot.domain.questions import Question
from bot.hooks.calling import record
from bot.hooks.calling.breaker import MAX_FAILURES
from bot.hooks.calling.record import FailureRecord
from bot.storage.tables.access import PluginStateRow
from bot.storage.tables.plugins import PluginFailureRow
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from bot.app import Mentee
    from bot.storage.session import Store
    from bot.testing.homes import MakeHome

ASKED = Question("?", Person("user:ada"), department="it")


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def answer_directly() -> NoReturn:
    raise RuntimeError("token=abc123!secret xoxb-123456789012")


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    return make_home(departments=("it", "hr"), extra_plugins={"flaky": make_plugin(answer_directly=answer_directly)})


def test_another_process_sees_failures_and_pauses(mentee: Mentee) -> None:
    for _ in range(MAX_FAILURES):
        assert mentee.plugins.answer_directly(ASKED, "it") is None
    other = open_mentee(load_settings(), built_in=(), discover=False)
    try:
        [failure] = other.plugins.recorded("flaky")
        assert (failure.hook, failure.department, failure.process) == ("answer_directly", "it", mentee.worker)
        assert "test_recorded_failures.py" in failure.traceback
        assert "abc123" not in failure.text + failure.traceback
        assert "xoxb" not in failure.text + failure.traceback
        assert failure.paused_until is not None
        assert failure.paused_until > now()
    finally:
        other.close()


def test_the_shell_shows_what_happened_in_the_server(
    mentee: Mentee, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(MAX_FAILURES):
        mentee.plugins.failed("web", "register_routes", "broken [sic]", "Traceback…")
    assert run(["plugins", "show", "web", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(each["text"], each["process"]) for each in shown["failures"]] == [("broken [sic]", mentee.worker)]
    assert [(each["department"], each["process"]) for each in shown["paused"]] == [("", mentee.worker)]
    monkeypatch.setenv("COLUMNS", "300")
    assert run(["plugins", "show", "web"]) == 0
    said = capsys.readouterr().out
    assert f"in {mentee.worker} in register_routes: broken [sic]" in said
    assert f"in the process {mentee.worker}." in said


class Settings(BaseModel):
    token: SecretStr


def test_a_setting_that_is_a_secret_is_masked_whatever_it_looks_like(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLAKY_TOKEN", "open sesame\nsecond line")

    def ask(settings: Settings) -> None:
        raise RuntimeError(f"refused {settings.token.get_secret_value()}")

    plugin = make_plugin(register_settings=lambda: Settings, answer_directly=ask)
    mentee = make_home(departments=("it",), extra_plugins={"flaky": plugin})
    mentee.plugins.states.configure("flaky", "", {"token": "$FLAKY_TOKEN"}, actor="test", model=Settings)
    assert mentee.plugins.answer_directly(ASKED, "it") is None
    [failure] = mentee.plugins.recorded("flaky")
    assert "refused [masked]" in failure.text
    for part in ("sesame", "second line"):
        assert part not in failure.text + failure.traceback


def test_a_plugin_that_returns_is_not_shown_as_paused(store: Store) -> None:
    record = FailureRecord(store, "serve-1")
    record.add("flaky", "on_event", "it", "KeyError", "")
    record.add("flaky", "on_event", "hr", "KeyError", "")
    record.paused("flaky", "it", 60.0)
    FailureRecord(store, "serve-2").paused("flaky", "it", None)
    until = {each.department: each.paused_until for each in record.of("flaky")}
    assert until["it"] is not None
    assert until["hr"] is None
    record.paused("flaky", "it", None)
    assert [each.paused_until for each in record.of("flaky")] == [None, None]


def test_failures_of_one_kind_are_counted_in_one_row(store: Store) -> None:
    clock = Clock()
    record = FailureRecord(store, "serve-1", clock)
    for _ in range(100):
        record.add("flaky", "on_event", "it", "KeyError", "")
    assert [each.times for each in record.of("flaky")] == [1]
    clock.at += 60
    record.add("flaky", "on_event", "it", "KeyError", "")
    assert [each.times for each in record.of("flaky")] == [100, 1]


def test_of_each_plugin_only_the_latest_are_kept(store: Store) -> None:
    kept = FailureRecord(store, "serve-1")
    kept.add("steady", "on_event", None, "KeyError", "")
    for number in range(record.KEPT + 5):
        kept.add("flaky", f"hook {number}", None, "KeyError", "")
    found = [each.hook for each in kept.of("flaky")]
    assert found == [f"hook {number}" for number in range(record.KEPT + 4, 4, -1)]
    assert len(kept.of("steady")) == 1


def test_many_threads_fail_at_once(mentee: Mentee) -> None:
    def ask() -> None:
        assert mentee.plugins.answer_directly(ASKED, "it") is None

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mentee.plugins.recorded("flaky")) == 1


def test_old_failures_go(mentee: Mentee) -> None:
    mentee.plugins.answer_directly(ASKED, "it")
    with mentee.store.write() as session:
        session.execute(update(PluginFailureRow).values(at=now().replace(year=2000)))
    assert Retention(mentee.store, mentee.settings.retention).apply() == {"plugin_failures": 1}


def test_what_tracebacks_may_quote_goes_with_a_person(mentee: Mentee) -> None:
    mentee.people.ensure(Person("web:ada", "Ada"))
    mentee.plugins.answer_directly(ASKED, "it")
    mentee.erasing.person("ada", actor="test")
    assert mentee.plugins.recorded("flaky") == []


def test_a_removed_department_leaves_no_switches(mentee: Mentee) -> None:
    states = mentee.plugins.states
    for department in ("it", "hr"):
        states.switch("flaky", department, enabled=False, actor="test")
    mentee.departments.remove("it", actor="test")
    with mentee.store.read() as session:
        assert session.scalars(select(PluginStateRow.department)).all() == ["hr"]
    mentee.add_department(DepartmentSpec("desk", "Desk"), actor="test")
