"""The command line: bad input ends in one screen that says what to do, with an exit code, and nothing half-written."""

import json

import pytest

from bot.cli import run
from bot.testing.homes import OFFLINE


@pytest.fixture
def mentee_command(tmp_path, monkeypatch, capsys):
    """Run `mentee` over an empty folder; return what it printed, or what it said when it must fail."""
    environment = {
        "MENTEE_HOME": str(tmp_path / "home"),
        "MENTEE_MODELS_DIR": str(tmp_path / "models"),
        "MENTEE_MODEL__EMBEDDER": OFFLINE["model"]["embedder"],
        "COLUMNS": "300",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def command(*arguments, exit_code=0):
        capsys.readouterr()
        found = run([str(argument) for argument in arguments])
        printed, said = capsys.readouterr()
        assert found == exit_code, printed + said
        return printed if exit_code == 0 else said

    return command


@pytest.fixture
def home(mentee_command):
    mentee_command("init")
    mentee_command("departments", "add", "support")
    return mentee_command


def test_without_a_home_every_command_says_how_to_make_one(mentee_command):
    for arguments in (["ask", "hi"], ["departments", "list"], ["votes", "export"], ["serve"]):
        said = mentee_command(*arguments, exit_code=2)
        assert "There is no Mentee home at" in said
        assert "mentee init" in said


def test_a_home_is_made_once(home, tmp_path):
    before = (tmp_path / "home" / "mentee.toml").read_text()
    assert "is a Mentee home already" in home("init", exit_code=2)
    assert (tmp_path / "home" / "mentee.toml").read_text() == before


def test_an_unknown_setting_is_named(home, tmp_path):
    config = tmp_path / "home" / "mentee.toml"
    config.write_text(config.read_text() + "\n[answers]\npasages = 3\n")
    said = home("departments", "list", exit_code=2)
    assert "answers.pasages" in said
    assert "mentee.toml" in said


def test_a_secret_in_the_file_is_refused(home, tmp_path):
    config = tmp_path / "home" / "mentee.toml"
    config.write_text('slack_bot_token = "xoxb-1"\n' + config.read_text())
    assert "xoxb-1" not in home("departments", "list", exit_code=2)


def test_an_unknown_department_is_named_with_those_that_exist(home):
    for arguments in (["ask", "hi"], ["search", "hi"], ["documents", "list"]):
        said = home(*arguments, "--department", "finance", exit_code=1)
        assert "There is no department 'finance'. Departments: support." in said


def test_a_missing_model_says_what_to_fetch(home):
    said = home("ask", "Where is my order?", "--department", "support", exit_code=3)
    assert "smollm2-135m-instruct" in said
    assert "mentee model fetch" in said


def test_a_malformed_votes_file_names_the_line_and_imports_nothing(home, tmp_path):
    row = {"question": "q", "answer": "a", "vote": "up", "user": "u", "department": "support"}
    path = tmp_path / "votes.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps({**row, "vote": "yes"}))
    assert 'votes.jsonl, line 2: "vote" is "yes"' in home("votes", "import", path, exit_code=1)
    assert home("votes", "export") == ""


def test_votes_go_in_and_out(home, tmp_path):
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


def test_departments_are_configured_or_refused_whole(home):
    home("departments", "configure", "support", "title=Help desk", "answers.passages=2", "--member", "user:ada")
    said = home("departments", "configure", "support", "title=Other", "answers.passages=99", exit_code=2)
    assert "'passages' in answers of support" in said
    (row,) = json.loads(home("departments", "list", "--json"))
    assert (row["title"], row["members"], row["open"]) == ("Help desk", ["user:ada"], True)
    home("departments", "remove", "support")
    assert json.loads(home("departments", "list", "--json")) == []


def test_questions_files_are_checked_before_any_is_asked(home, tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question": "a"}\n{"question": 5}\n')
    assert 'line 2: "question" is 5' in home("ask", "--file", path, "--department", "support", exit_code=1)


@pytest.mark.usefixtures("home")
def test_doctor_says_what_needs_mending(capsys):
    assert run(["doctor", "--json"]) == 1
    checks = {row["check"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert checks["database"]["ok"]
    assert not checks["chat model"]["ok"]
    assert "mentee model fetch" in checks["chat model"]["detail"]


def test_json_where_data_is_printed(home):
    plugins = json.loads(home("plugins", "list", "--json"))
    assert {"name", "version", "enabled", "settings"} <= set(plugins[0])


def test_a_file_of_questions_is_answered_in_its_order(home, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "leave.md").write_text("# Leave\n\nStaff earn four hours of leave each pay period.\n")
    home("documents", "add", docs, "--department", "support")
    path = tmp_path / "questions.jsonl"
    rows = [{"question": f"What colour is planet number {n}?", "department": "support"} for n in range(12)]
    path.write_text("\n".join(map(json.dumps, rows)))
    answered = [json.loads(line) for line in home("search", "--file", path).splitlines()]
    assert [row["question"] for row in answered] == [row["question"] for row in rows]


def test_one_question_that_cannot_be_asked_ends_the_file_with_its_reason(home, tmp_path):
    path = tmp_path / "questions.jsonl"
    rows = [{"question": "Where is my order?", "department": name} for name in ("finance", "finance")]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert "There is no department 'finance'" in home("ask", "--file", path, exit_code=1)
