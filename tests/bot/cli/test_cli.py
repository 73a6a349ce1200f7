"""The command line: bad input ends in one screen that says what to do, with an exit code, and nothing half-written."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest

from bot.cli.main import run
from bot.config.settings import CONFIG_NAME
from bot.testing.engines import ScriptedEngine
from bot.testing.homes import OFFLINE
from bot.testing.notes import make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.testing.homes import MakeHome


@pytest.fixture
def mentee_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run `mentee` over an empty folder; return what it printed, or what it said when it must fail."""
    environment = {
        "MENTEE_HOME": str(tmp_path / "home"),
        "MENTEE_MODELS_DIR": str(tmp_path / "models"),
        "MENTEE_MODEL__EMBEDDER": OFFLINE["model"]["embedder"],
        "COLUMNS": "300",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def command(*arguments: Any, exit_code: int = 0) -> str:
        capsys.readouterr()
        found = run([str(argument) for argument in arguments])
        printed, said = capsys.readouterr()
        assert found == exit_code, printed + said
        return printed if exit_code == 0 else said

    return command


@pytest.fixture
def home(mentee_command: Callable[..., Any]) -> Callable[..., str]:
    mentee_command("init")
    mentee_command("departments", "add", "support")
    return mentee_command


def test_without_a_home_every_command_says_how_to_make_one(mentee_command: Callable[..., Any]) -> None:
    for arguments in (["ask", "hi"], ["departments", "list"], ["votes", "export"], ["serve"]):
        said = mentee_command(*arguments, exit_code=2)
        assert "There is no Mentee home at" in said
        assert "mentee init" in said


def test_a_home_is_made_once(home: Callable[..., Any], tmp_path: Path) -> None:
    before = (tmp_path / "home" / "mentee.toml").read_text()
    assert "is already a Mentee home" in home("init", exit_code=2)
    assert (tmp_path / "home" / "mentee.toml").read_text() == before


def test_an_unknown_setting_is_named(home: Callable[..., Any], tmp_path: Path) -> None:
    config = tmp_path / "home" / "mentee.toml"
    config.write_text(config.read_text() + "\n[answers]\npasages = 3\n")
    said = home("departments", "list", exit_code=2)
    assert "answers.pasages" in said
    assert "mentee.toml" in said


def test_a_secret_in_the_file_is_refused(home: Callable[..., Any], tmp_path: Path) -> None:
    config = tmp_path / "home" / "mentee.toml"
    config.write_text('slack_bot_token = "xoxb-1"\n' + config.read_text())
    assert "xoxb-1" not in home("departments", "list", exit_code=2)


def test_an_unknown_department_is_named_with_those_that_exist(home: Callable[..., Any]) -> None:
    for arguments in (["ask", "hi"], ["search", "hi"], ["documents", "list"]):
        said = home(*arguments, "--department", "finance", exit_code=1)
        assert "There is no department 'finance'." in said
        assert ": support." in said


def test_nothing_is_proved_by_a_search_for_no_words(home: Callable[..., Any]) -> None:
    assert "--text is empty" in home("doctor", "--orphans", "--text", " ", exit_code=2)


def test_an_argument_that_is_no_text_is_refused(home: Callable[..., Any]) -> None:
    told = home("users", "remove", "\udce9", exit_code=2)
    assert "is not UTF-8 text" in told


def test_a_missing_model_says_what_to_fetch(home: Callable[..., Any]) -> None:
    said = home("ask", "Where is my order?", "--department", "support", exit_code=3)
    assert "smollm2-135m-instruct" in said
    assert "mentee model fetch" in said


def test_a_malformed_votes_file_names_the_line_and_imports_nothing(home: Callable[..., Any], tmp_path: Path) -> None:
    row = {"question": "q", "answer": "a", "vote": "up", "user": "u", "department": "support"}
    path = tmp_path / "votes.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "vote": "yes"}))
    assert 'votes.jsonl, line 2: "vote" is "yes"' in home("votes", "import", path, exit_code=1)
    assert home("votes", "export") == ""


def test_votes_go_in_and_out(home: Callable[..., Any], tmp_path: Path) -> None:
    row = {
        "question": "q",
        "answer": "a",
        "vote": "up",
        "user": "u",
        "department": "support",
        "at": "2026-11-01T00:00:00Z",
    }
    path = tmp_path / "votes.jsonl"
    path.write_text(json.dumps(row))
    assert json.loads(home("votes", "import", path, "--json")) == {
        "rows": 1,
        "votes": 1,
        "corrections": 0,
        "unchanged": 0,
    }
    (exported,) = map(json.loads, home("votes", "export", "--department", "support").splitlines())
    assert (exported["question"], exported["vote"], exported["user"]) == ("q", "up", "import:u")


def test_departments_are_configured_or_refused_whole(home: Callable[..., Any]) -> None:
    home("departments", "configure", "support", "title=Help desk", "answers.passages=2", "--member", "user:ada")
    said = home("departments", "configure", "support", "title=Other", "answers.passages=99", exit_code=2)
    assert "'passages' in answers of support" in said
    (row,) = json.loads(home("departments", "list", "--json"))
    assert (row["title"], row["members"], row["open"]) == ("Help desk", ["user:ada"], True)
    home("departments", "remove", "support")
    assert json.loads(home("departments", "list", "--json")) == []


def test_questions_files_are_checked_before_any_is_asked(home: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question": "a"}\n{"question": 5}\n')
    assert 'line 2: "question" is 5' in home("ask", "--file", path, "--department", "support", exit_code=1)


@pytest.mark.usefixtures("home")
def test_doctor_says_what_needs_mending(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 1
    checks = {row["check"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert checks["database"]["ok"]
    assert not checks["chat model"]["ok"]
    assert "mentee model fetch" in checks["chat model"]["detail"]


def test_a_failing_guard_is_shown(make_home: MakeHome, capsys: pytest.CaptureFixture[str]) -> None:
    make_home().plugins.states.note_problem("secrets", "check_answer: no result after 2 s")
    assert run(["plugins", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert rows["secrets"]["enabled"]
    assert rows["secrets"]["state"].endswith("refused: check_answer: no result after 2 s")
    assert rows["grounding"]["state"] == "on"
    assert run(["doctor", "--json"]) == 1
    checks = {row["check"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert "secrets: check_answer: no result after 2 s" in checks["plugins"]["detail"]


def test_a_failing_plugin_is_named(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    point = EntryPoint("tickets", "tickets", "mentee")
    monkeypatch.setitem(sys.modules, "tickets", make_plugin(register_tables=lambda: 42, register_section=lambda: 42))
    monkeypatch.setattr("bot.hooks.registry.entry_points", lambda **_: [point])
    home = make_home(discover=True).settings.home
    with (home / CONFIG_NAME).open("a") as file:
        file.write("\n[tickets]\nurl = 1\n")
    assert run(["plugins", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert "register_tables: returned int" in rows["tickets"]["state"]
    assert run(["doctor", "--json"]) == 1
    checks = {row["check"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert "tickets: register_tables: returned int" in checks["plugins"]["detail"]


def test_doctor_shows_a_plugins_engine_and_who_goes_unchecked(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = ScriptedEngine()
    monkeypatch.setitem(sys.modules, "mine", make_plugin(register_engine=lambda: engine))
    monkeypatch.setattr("bot.hooks.registry.entry_points", lambda **_: [EntryPoint("mine", "mine", "mentee")])
    mentee = make_home(discover=True, departments=("it", "travel"))
    for guard in mentee.plugins.guards("it"):
        mentee.plugins.states.switch(guard, "it", enabled=False, actor="test")
    run(["doctor", "--json"])
    checks = {row["check"]: row["detail"] for row in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert checks["chat model"] == "scripted on none, by the plugin mine"
    assert "no guard checks the answers of it;" in f"{checks['plugins']};"


def test_json_where_data_is_printed(home: Callable[..., Any]) -> None:
    plugins = json.loads(home("plugins", "list", "--json"))
    assert {"name", "version", "enabled", "settings"} <= set(plugins[0])


def test_a_file_of_questions_is_answered_in_its_order(home: Callable[..., Any], tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "leave.md").write_text("# Leave\n\nStaff earn four hours of leave each pay period.\n")
    home("documents", "add", docs, "--department", "support")
    path = tmp_path / "questions.jsonl"
    rows = [{"question": f"What colour is planet number {n}?", "department": "support"} for n in range(12)]
    path.write_text("\n".join(map(json.dumps, rows)))
    answered = [json.loads(line) for line in home("search", "--file", path).splitlines()]
    assert [row["question"] for row in answered] == [row["question"] for row in rows]


def test_a_file_of_which_no_question_can_be_asked_ends_with_their_number(
    home: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "questions.jsonl"
    rows = [{"question": "Where is my order?", "department": name} for name in ("finance", "finance")]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert "2 of 2 questions failed." in home("ask", "--file", path, exit_code=1)


def test_curated_answers_are_shown_edited_expired_and_retired(home: Callable[..., str], tmp_path: Path) -> None:
    row = {"question": "How do I cancel?", "answer": "No.", "correction": "In your profile.", "user": "gus"}
    file = tmp_path / "votes.jsonl"
    file.write_text(json.dumps({**row, "department": "support"}) + "\n", "utf-8")
    home("votes", "import", file)
    (listed,) = json.loads(home("curated", "list", "--json"))
    curated = listed["id"]
    assert "version 2" in home("curated", "edit", curated, "--text", "In the [settings].", "--revision", 1)
    assert "is at version 2 now" in home("curated", "edit", curated, "--text", "x", "--revision", 1, exit_code=1)
    shown = json.loads(home("curated", "show", curated, "--json"))
    assert [each["author"] for each in shown["versions"]] == ["import:gus", "cli:operator"]
    assert (shown["state"], shown["same_question"]) == ("given", [])
    assert "In the [settings]." in home("curated", "show", curated)
    assert "Give one of --on, --days and --never" in home("curated", "expire", curated, exit_code=2)
    assert "until 2031-01-02 00:00 UTC" in home("curated", "expire", curated, "--on", "2031-01-02")
    assert "never expires" in home("curated", "expire", curated, "--never")
    home("curated", "retire", curated)
    assert json.loads(home("curated", "list", "--json")) == []
    assert json.loads(home("curated", "list", "--all", "--json"))[0]["state"] == "retired"
    assert "There is no curated answer 'cu_x'" in home("curated", "keep", "cu_x", exit_code=1)
