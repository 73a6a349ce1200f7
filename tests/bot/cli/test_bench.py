"""``mentee bench``: figures of this machine that can be believed, and a table of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bot.cli.main import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tiny_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MENTEE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MENTEE_MODELS_DIR", str(tiny_model.parent))
    monkeypatch.setenv("MENTEE_MODEL__NAME", tiny_model.name)
    monkeypatch.setenv("MENTEE_MODEL__DTYPE", "float32")
    monkeypatch.setenv("COLUMNS", "120")
    assert run(["init"]) == 0


@pytest.mark.usefixtures("home")
def test_rates_limits_and_what_binds_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["bench", "--threads", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["model"], found["dtype"], found["threads"]) == ("tiny-chat", "float32", 1)
    assert list(found["answers_per_minute"]) == ["1", "4", "16"]
    assert found["prefill_tokens_per_second"] == pytest.approx(600 / found["first_token_seconds"])
    assert found["binds"].startswith(("matrix products (", "memory ("))
    for name in ("memory_gb_per_second", "matrix_gflops"):
        assert found[name] > 0.1
    for name in ("prefill_share_of_limit", "decode_share_of_limit"):
        assert 0 < found[name] < 4


@pytest.mark.usefixtures("home")
def test_a_model_that_is_not_here_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "--model", "absent"]) != 0
    assert "The model 'absent' is not in" in capsys.readouterr().err
