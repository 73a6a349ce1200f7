"""``mentee plugins``: what it says is what holds, and nothing a plugin declares breaks it."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from bot.cli.home import opened
from bot.cli.main import run
from bot.config.settings import CONFIG_NAME
from bot.domain.plugins.jobs import Job
from bot.storage.tables.access import PluginStateRow
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.testing.homes import MakeHome

    Command = Callable[..., str]


class Needy(BaseModel):
    url: str
    token: SecretStr | None = None


@pytest.fixture
def command(make_home: MakeHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run `mentee` where a plugin `tickets` is installed that needs a setting; return what it printed."""
    plugin = make_plugin(register_settings=lambda: Needy, check_answer=lambda: None, register_routes=lambda: ())
    monkeypatch.setitem(sys.modules, "tickets", plugin)
    monkeypatch.setattr("bot.hooks.registry.entry_points", lambda **_: [EntryPoint("tickets", "tickets", "mentee")])
    monkeypatch.setenv("COLUMNS", "300")
    home = make_home(departments=("it", "hr"), discover=True).settings.home
    with (home / CONFIG_NAME).open("a") as file:
        file.write("\n[plugins.tikets]\nurl = 1\n")

    def call(*arguments: str, exit_code: int = 0) -> str:
        capsys.readouterr()
        assert run([*arguments]) == exit_code
        said = capsys.readouterr()
        return said.out if exit_code == 0 else said.out + said.err

    return call


def test_a_required_setting_without_a_value_breaks_nothing(command: Command) -> None:
    rows = {row["name"]: row for row in json.loads(command("plugins", "list", "--json"))}
    assert rows["tickets"]["state"] == "on, but can't work: Setting 'url' of plugin 'tickets' has no value."
    assert rows["grounding"]["state"] == "on"
    checks = {check["check"]: check for check in json.loads(command("doctor", "--json", exit_code=1).splitlines()[-1])}
    assert "Setting 'url' of plugin 'tickets' has no value" in checks["plugins"]["detail"]
    assert "'tikets', which isn't installed. Did you mean 'tickets'?" in checks["plugins"]["detail"]


def test_the_doctor_names_hooks_that_are_not_marked(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def check_answer() -> None: ...

    monkeypatch.setitem(sys.modules, "tickets", SimpleNamespace(check_answer=check_answer))
    checks = {check["check"]: check for check in json.loads(command("doctor", "--json", exit_code=1).splitlines()[-1])}
    assert "tickets: check_answer isn't marked as a hook, so it is never called" in checks["plugins"]["detail"]


def test_failures_are_shown_with_the_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise KeyError("first")

    monkeypatch.setitem(sys.modules, "tickets", make_plugin(register_settings=broken))
    shown = json.loads(command("plugins", "show", "tickets", "--json").splitlines()[-1])
    failure = shown["failures"][0]
    assert (failure["hook"], failure["department"]) == ("register_settings", None)
    assert "test_plugins_command.py" in failure["traceback"]
    assert "Failed at" in command("plugins", "show", "tickets")


def test_configuring_says_what_is_still_missing(command: Command) -> None:
    assert "It can't work yet: Setting 'token'" in command("plugins", "configure", "tickets", "token=$TOKEN")
    assert "It can't work yet: Setting 'token'" in command("plugins", "configure", "tickets", "url=https://a")
    assert "tok" not in command("plugins", "configure", "tickets", "token=tok-1", exit_code=2).replace("token", "")
    assert "Did you mean 'url'?" in command("plugins", "configure", "tickets", "ur=1", exit_code=2)
    assert "It can't work" not in command("plugins", "configure", "tickets", "--unset", "token")


def test_switching_says_what_holds_now(command: Command) -> None:
    said = command("plugins", "enable", "tickets", "--department", "it")
    assert "Plugin tickets is on for it." in said
    assert "It can't work yet: Setting 'url' of plugin 'tickets' has no value." in said
    assert "Restart `mentee serve` for its routes" in said
    said = command("plugins", "disable", "tickets")
    assert "It stays on for it, which has its own switch." in said
    assert "Restart" not in said, "its routes answer 404 at once"
    assert "stays" not in command("plugins", "disable", "tickets", "--everywhere")
    assert "Did you mean 'tickets'?" in command("plugins", "disable", "tickts", exit_code=1)


def test_a_switch_is_reset(command: Command) -> None:
    command("plugins", "disable", "tickets")
    command("plugins", "enable", "tickets", "--department", "it")
    said = command("plugins", "reset", "tickets", "--department", "it")
    assert "Plugin tickets is off for it, decided by: instance." in said
    assert "No guard is left" not in said, "grounding and the others are on"
    assert "Answers in the department it are no longer checked by it." in said
    said = command("plugins", "reset", "tickets")
    assert "Plugin tickets is on, decided by: default." in said
    assert "Restart `mentee serve` for its routes" in said
    shown = json.loads(command("plugins", "show", "tickets", "--department", "it", "--json").splitlines()[-1])
    assert (shown["decided_by"], shown["departments"]) == ("default", {})
    assert "There is no department 'itt'" in command("plugins", "reset", "tickets", "--department", "itt", exit_code=1)


def test_a_plugin_that_did_not_load_is_said_to_be_off(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.hooks.registry.entry_points", lambda **_: [EntryPoint("tickets", "no_such", "mentee")])
    command("plugins", "disable", "tickets", "--department", "it")
    states = [
        {row["name"]: row["state"] for row in json.loads(command("plugins", "list", "--json", *where).splitlines()[-1])}
        for where in ((), ("--department", "it"))
    ]
    assert [each["tickets"].partition(": ")[0] for each in states] == ["not loaded", "off, not loaded"]


def test_a_list_is_configured_as_json_and_the_error_says_how(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    class Names(BaseModel):
        names: list[str] = []

    monkeypatch.setitem(sys.modules, "tickets", make_plugin(register_settings=lambda: Names))
    said = command("plugins", "configure", "tickets", "names=a,b", exit_code=2)
    assert """Write it as JSON, such as names='["a", "b"]'.""" in said
    command("plugins", "configure", "tickets", """names=["a", "b"]""")


def test_settings_whose_own_code_raises_break_nothing(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise ZeroDivisionError("by zero")

    class Broken(BaseModel):
        number: int = Field(default_factory=broken)

    monkeypatch.setitem(sys.modules, "tickets", make_plugin(register_settings=lambda: Broken))
    assert "its model raised ZeroDivisionError: by zero" in command("plugins", "list")
    assert "ZeroDivisionError: by zero" in command("plugins", "show", "tickets")
    assert "its model raised" in command("plugins", "configure", "tickets", "--unset", "number", exit_code=2)


def test_switches_of_plugins_and_departments_that_are_gone_change_nothing(command: Command) -> None:
    before = command("plugins", "list", "--json")
    with opened() as mentee, mentee.store.write() as session:
        session.add(PluginStateRow(plugin="gone", department="", enabled=False, settings={"a": 1}))
        session.add(PluginStateRow(plugin="gone", department="nowhere", enabled=True, settings={"a": 1}))
    assert command("plugins", "list", "--json") == before
    assert "gone" not in command("doctor", exit_code=1)
    assert "There is no plugin 'gone'" in command("plugins", "show", "gone", exit_code=1)


def test_a_plugin_that_is_on_for_one_department_says_so(command: Command) -> None:
    command("plugins", "enable", "tickets", "--department", "it")
    command("plugins", "disable", "tickets")
    rows = {row["name"]: row["state"] for row in json.loads(command("plugins", "list", "--json").splitlines()[-1])}
    assert rows["tickets"] == "on for it only"


def test_what_is_wrong_stands_below_the_table(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = command("plugins", "list")
    assert "tickets: on, but can't work: Setting 'url' of plugin 'tickets' has no value." in said


def test_switching_off_the_last_guard_is_said(command: Command) -> None:
    for guard in ("grounding", "secrets", "language"):
        run(["plugins", "disable", guard, "--department", "it"])
    assert "No guard is left in the department it: answers are shown unchecked." in command(
        "plugins", "disable", "tickets", "--department", "it"
    )


def test_a_plugin_is_shown_with_its_hooks_and_where_its_settings_come_from(command: Command) -> None:
    command("plugins", "configure", "tickets", "url=https://a", "token=$TOKEN_X")
    command("plugins", "disable", "tickets", "--department", "hr")
    shown: dict[str, Any] = json.loads(command("plugins", "show", "tickets", "--department", "hr", "--json"))
    assert (shown["enabled"], shown["decided_by"], shown["departments"]) == (False, "department hr", {"hr": False})
    assert shown["hooks"] == ["check_answer", "register_routes", "register_settings"]
    assert shown["settings"] == [
        {"name": "url", "value": "https://a", "origin": "instance"},
        {"name": "token", "value": "{'$env': 'TOKEN_X'}", "origin": "instance"},
    ]
    assert "Hooks: check_answer" in command("plugins", "show", "tickets")


def test_what_a_plugin_brings_is_shown_by_name(command: Command) -> None:
    slack: dict[str, Any] = json.loads(command("plugins", "show", "slack", "--json").splitlines()[-1])
    assert slack["parts"]["commands"] == ["mentee slack"]
    assert slack["parts"]["tables"] == ["slack_installation_states", "slack_installations"]
    assert slack["parts"]["sections"] == ["[slack]"]
    web: dict[str, Any] = json.loads(command("plugins", "show", "web", "--json").splitlines()[-1])
    assert (web["parts"]["channels"], web["parts"]["routes"]) == (["web"], ["/"])
    assert "Channels: web" in command("plugins", "show", "web")
    tuning: dict[str, Any] = json.loads(command("plugins", "show", "tuning", "--json").splitlines()[-1])
    assert "rounds" in " ".join(tuning["parts"]["services"])


def test_a_time_limit_of_one_plugin_is_shown(make_home: MakeHome, capsys: pytest.CaptureFixture[str]) -> None:
    make_home(settings={"limits": {"plugins": {"grounding": 7.5}}})
    assert run(["plugins", "show", "grounding"]) == 0
    assert "Time limit of a hook: 7.5 s" in capsys.readouterr().out
    assert run(["plugins", "show", "secrets", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hook_seconds"] == 20.0


def test_a_time_limit_that_names_no_plugin_is_refused(make_home: MakeHome, capsys: pytest.CaptureFixture[str]) -> None:
    make_home(settings={"limits": {"plugins": {"groundign": 7.5}}})
    for command, exit_code in (("plugins list", 2), ("doctor", 1)):
        assert run(command.split()) == exit_code
        said = " ".join("".join(capsys.readouterr()).split())
        assert "time limit for the plugin 'groundign', which isn't installed. Did you mean 'grounding'?" in said


def test_a_job_is_run_and_shown(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def count() -> None:
        (tmp_path / "counted").write_text(str(40 + 2))

    def fail() -> None:
        raise KeyError("no tickets [in bold]")

    jobs = [Job("count", timedelta(days=1), count), Job("fail", timedelta(hours=1), fail)]
    monkeypatch.setitem(sys.modules, "tickets", make_plugin(register_jobs=lambda: jobs))
    assert "not seen by a server yet" in command("plugins", "show", "tickets")
    assert "Job count of tickets took" in command("plugins", "run", "tickets", "count")
    assert (tmp_path / "counted").read_text() == "42"
    failed = command("plugins", "run", "tickets", "fail", exit_code=1)
    assert "Plugin 'tickets' failed in job fail: KeyError: 'no tickets [in bold]'." in failed
    assert "in fail" in failed

    shown = command("plugins", "show", "tickets")
    assert " done, 0." in shown
    assert "Job fail last failed at" in shown
    found = json.loads(command("plugins", "show", "tickets", "--json"))
    rows = {row["name"]: row for row in found["jobs"]}
    assert (rows["count"]["outcome"], rows["count"]["every"], rows["count"]["error"]) == ("done", "1 day, 0:00:00", "")
    assert "KeyError" in rows["fail"]["error"]
    assert [(each["hook"], "in fail" in each["traceback"]) for each in found["failures"]] == [("job fail", True)]
    assert rows["count"]["next_at"] > rows["count"]["last_at"]


def test_a_job_that_is_not_there_or_off_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [Job("count", timedelta(days=1), print)]
    monkeypatch.setitem(sys.modules, "tickets", make_plugin(register_jobs=lambda: jobs))
    assert "no job 'counts'. Did you mean 'count'?" in command("plugins", "run", "tickets", "counts", exit_code=1)
    command("plugins", "disable", "tickets")
    assert "Plugin 'tickets' is off." in command("plugins", "run", "tickets", "count", exit_code=1)
    assert "no plugin 'tikets'" in command("plugins", "run", "tikets", "count", exit_code=1)
