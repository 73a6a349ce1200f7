from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from bot.domain.errors import ArtifactError, InputFileError, MenteeError, NotFoundError
from bot.storage.artifacts import writing
from bot.storage.tables.training import AdapterRow, RoundRow
from tuning import services
from tuning.commands.adapters import adapters
from tuning.commands.evaluate import evaluate
from tuning.commands.rounds import round_

if TYPE_CHECKING:
    from pathlib import Path

    import click

    from bot.app import Mentee
    from bot.testing.homes import MakeHome


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    return make_home(departments=("support", "travel"), settings={"model": {"name": "tiny", "engine": "openai"}})


def add_adapter(mentee: Mentee, version: str, department: str = "support") -> None:
    path = mentee.settings.artifacts_dir / "adapters" / version
    with writing(path, "adapter") as draft:
        header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        (draft.path / "adapter_model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
        (draft.path / "adapter_config.json").write_text("{}")
        draft.meta |= {"base_model": "tiny"}
    from bot.storage.artifacts import read_manifest

    sha256 = read_manifest(path, "adapter").files["adapter_model.safetensors"]["sha256"]
    with mentee.store.write() as session:
        session.add(AdapterRow(version=version, department=department, base_model="tiny", sha256=sha256))


def invoke(command: click.Command, *arguments: str) -> str:
    result = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def last_line(text: str) -> dict[str, Any]:
    """Return the JSON of the last line; before it are logs, which a test process prints to standard output."""
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def test_adapters_are_listed_promoted_shown_and_rolled_back(mentee: Mentee) -> None:
    add_adapter(mentee, "support-1")
    listed = json.loads(invoke(adapters, "list", "--department", "support", "--json"))
    assert (listed["champion"], [row["version"] for row in listed["adapters"]]) == (None, ["support-1"])
    assert json.loads(invoke(adapters, "promote", "support-1", "--department", "support", "--json")) == {
        "department": "support",
        "champion": "support-1",
        "action": "promoted",
    }
    shown = json.loads(invoke(adapters, "show", "--department", "support", "--json"))
    assert (shown["version"], shown["state"], shown["rows"], shown["people"]) == ("support-1", "champion", 0, 0)
    assert "support-1" in invoke(adapters, "list", "--department", "support")
    assert "champion" in invoke(adapters, "show", "--department", "support")
    assert "base" in invoke(adapters, "rollback", "--department", "support")
    assert services.registry(mentee).champion("support") is None


def test_the_base_model_can_be_promoted_by_its_name(mentee: Mentee) -> None:
    add_adapter(mentee, "support-1")
    invoke(adapters, "promote", "support-1", "--department", "support")
    invoke(adapters, "promote", "base", "--department", "support")
    assert services.registry(mentee).champion("support") is None
    invoke(adapters, "rollback", "--department", "support")
    assert services.registry(mentee).champion("support") == "support-1"


@pytest.mark.usefixtures("mentee")
def test_unknown_departments_and_versions_are_named() -> None:
    with pytest.raises(NotFoundError, match="no department 'legal'"):
        invoke(adapters, "list", "--department", "legal")
    with pytest.raises(NotFoundError, match="no department 'legal'"):
        invoke(round_, "start", "--department", "legal")
    with pytest.raises(NotFoundError, match="has no adapter 'support-9'"):
        invoke(adapters, "promote", "support-9", "--department", "support")
    with pytest.raises(NotFoundError, match="no round 'r_9'"):
        invoke(round_, "show", "r_9")


@pytest.mark.usefixtures("mentee")
def test_a_round_without_a_worker_is_queued_and_says_so() -> None:
    started = json.loads(invoke(round_, "start", "--department", "support", "--json"))
    assert (started["state"], started["worker"]) == ("queued", False)
    with pytest.raises(MenteeError, match="already running"):
        invoke(round_, "start", "--department", "support")
    assert "No worker runs" in invoke(round_, "start", "--department", "travel")
    listed = json.loads(invoke(round_, "list", "--department", "support", "--json"))
    assert [row["round"] for row in listed["rounds"]] == [started["round"]]
    assert json.loads(invoke(round_, "cancel", started["round"], "--json"))["state"] == "cancelled"
    with pytest.raises(MenteeError, match="is cancelled; only"):
        invoke(round_, "cancel", started["round"])
    assert json.loads(invoke(round_, "show", started["round"], "--json"))["state"] == "cancelled"
    assert "cancelled" in invoke(round_, "list")


@pytest.mark.usefixtures("mentee")
def test_the_ids_of_rounds_are_listed_whole_on_a_narrow_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    started = json.loads(invoke(round_, "start", "--department", "support", "--json"))
    rows = invoke(round_, "list").splitlines()[1:]
    assert "".join(row.split()[0] for row in rows) == started["round"]


def test_a_finished_round_is_shown_with_its_intervals(mentee: Mentee) -> None:
    metrics = {"rouge_l": {"champion": 0.2, "challenger": 0.4, "difference": 0.2, "interval": [0.1, 0.3], "n": 30}}
    with mentee.store.write() as session:
        finished = {
            "state": "finished",
            "verdict": "better",
            "reason": "The challenger is better and replaces the champion.",
            "metrics": metrics,
        }
        session.add(RoundRow(id="r_1", department="support", policy={}, **finished))
    text = invoke(round_, "show", "r_1")
    for expected in ("better", "ROUGE-L", "0.200", "0.400", "+0.200", "[+0.100, +0.300]"):
        assert expected in text


@pytest.mark.usefixtures("mentee")
def test_waiting_for_a_round_with_too_little_data_ends_with_an_honest_refusal() -> None:
    result = CliRunner().invoke(
        round_, ["start", "--department", "support", "--wait", "--json"], catch_exceptions=False
    )
    assert result.exit_code == 0
    found = last_line(result.stdout)
    assert (found["verdict"], found["adapter"], found["metrics"]) == ("refused", None, {})
    assert "are needed" in found["reason"]
    assert {"round", "verdict", "reason", "metrics", "adapter", "dataset"} <= set(found)


@pytest.mark.usefixtures("mentee")
def test_a_malformed_questions_file_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question": "a?", "reference": "b"}\n{"question": "c?"}\n')
    with pytest.raises(InputFileError, match=r"line 2.*reference"):
        invoke(evaluate, "--department", "support", "--questions", str(path))
    path.write_text('{"question": "a?", "reference": "b", "department": "travel"}\n')
    with pytest.raises(InputFileError, match="no row for department 'support'"):
        invoke(evaluate, "--department", "support", "--questions", str(path))


@pytest.mark.usefixtures("mentee")
def test_evaluation_without_questions_or_model_says_what_to_do(make_home: MakeHome, tmp_path: Path) -> None:
    with pytest.raises(MenteeError, match="no held-out questions yet"):
        invoke(evaluate, "--department", "support")
    make_home(departments=("support",), settings={"model": {"name": "not-here"}})
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question": "a?", "reference": "b"}\n')
    with pytest.raises(ArtifactError, match="not on this machine"):
        invoke(evaluate, "--department", "support", "--questions", str(path))


def test_an_interrupted_round_is_taken_up_again_by_waiting(mentee: Mentee) -> None:
    book = services.rounds(mentee)
    row = book.start("support", actor="test")
    result = CliRunner().invoke(
        round_, ["start", "--department", "support", "--wait", "--json"], catch_exceptions=False
    )
    assert last_line(result.stdout)["round"] == row.id
    assert "was interrupted and resumes" in result.stderr


def test_neither_commands_nor_the_control_plane_load_torch() -> None:
    modules = "bot.cli.main, tuning.plugin, tuning.rounds.registry, tuning.rounds.worker"
    modules += ", tuning.evaluation.gate, tuning.evaluation.report"
    modules += ", tuning.commands.rounds, tuning.commands.evaluate, tuning.commands.adapters"
    check = f"import sys, {modules}; print([m for m in ('torch', 'transformers', 'faiss') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
