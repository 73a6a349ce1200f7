from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from bot.hooks.specs import hookimpl
from bot.storage.tables.training import ChampionRow, DatasetRowRow, HeldOutRow, RoundRow
from tuning import services
from tuning.commands.evaluate import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bot.app import Mentee
    from bot.domain.training import RoundFinished
    from bot.testing.homes import MakeHome
    from bot.testing.votes import ImportVotes


class Listener:
    def __init__(self) -> None:
        self.metrics: list[tuple[str, str, int, float]] = []
        self.finished: list[RoundFinished] = []

    @hookimpl
    def on_round_metric(self, round_id: str, name: str, step: int, value: float) -> None:
        self.metrics.append((round_id, name, step, value))

    @hookimpl
    def on_round_finished(self, event: RoundFinished) -> None:
        self.finished.append(event)


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def home(make_home: MakeHome, tiny_model: Path, listener: Listener) -> Mentee:
    settings: dict[str, dict[str, Any]] = {
        "model": {"name": tiny_model.name, "max_new_tokens": 12, "dtype": "float32", "threads": 1},
        "tuning": {"min_examples": 20, "min_questions": 8, "epochs": 1, "lora_rank": 2, "person_share": 0.2},
    }
    return make_home(
        departments=("support",),
        settings=settings,
        secrets={"MODELS_DIR": str(tiny_model.parent)},
        extra_plugins={"listener": listener},
    )


def run_round(mentee: Mentee, round_id: str | None = None) -> RoundRow:
    """Work on rounds in this process until the round has ended, as ``mentee round start --wait`` does."""
    book = services.rounds(mentee)
    round_id = round_id or book.start("support", actor="test").id
    worker = services.round_worker(mentee)
    worker.launch()
    try:
        wait_until(lambda: book.get(round_id).state not in ("queued", "running"), seconds=240)
    finally:
        worker.shut_down()
    return book.get(round_id)


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)


@pytest.mark.full
@pytest.mark.timeout(300)
def test_a_round_goes_from_votes_to_a_verdict_with_its_report(
    home: Mentee, listener: Listener, import_made_up_votes: ImportVotes
) -> None:
    import_made_up_votes(home, 60)
    row = run_round(home)
    assert (row.state, row.interruptions) == ("finished", 0), row.reason
    assert row.verdict in ("better", "not_worse", "inconclusive", "worse", "refused")
    assert row.device.startswith(("cpu", "cuda"))
    assert {"rouge_l", "token_f1", "empty", "endless", "length_ratio", "private"} <= set(row.metrics)
    registry = services.registry(home)
    assert [adapter.version for adapter in registry.versions("support")] == ["support-1"]
    assert registry.champion("support") == ("support-1" if row.verdict == "better" else None)
    folder = home.settings.artifacts_dir / "rounds" / row.id
    assert row.reason.split("(")[0] in (folder / "report.html").read_text(encoding="utf-8")
    seen = registry.provenance("support", "support-1")
    assert seen["rows"] > 20
    assert seen["people"] > 5
    with home.store.read() as session:
        held = set(session.scalars(select(HeldOutRow.answer_id)))
        trained = set(session.scalars(select(DatasetRowRow.answer_id).where(DatasetRowRow.dataset == row.dataset)))
    assert held
    assert not held & trained
    assert {name for _, name, _, _ in listener.metrics} >= {"sft.loss", "evaluate.steps"}
    (event,) = listener.finished
    assert (event.round_id, event.verdict, event.adapter) == (row.id, row.verdict, "support-1")
    assert "import:kim" in event.voters
    kept = sorted((home.settings.artifacts_dir / "answers").iterdir())
    arguments = ["--department", "support", "--adapter", "support-1", "--against", "base", "--json"]
    result = CliRunner().invoke(evaluate, arguments, catch_exceptions=False)
    compared = json.loads(result.stdout.splitlines()[-1])
    assert compared["metrics"]["rouge_l"] == row.metrics["rouge_l"]
    assert sorted((home.settings.artifacts_dir / "answers").iterdir()) == kept  # the round's own answers were used


def test_too_little_data_is_refused_quickly_and_honestly(
    home: Mentee, listener: Listener, import_made_up_votes: ImportVotes
) -> None:
    import_made_up_votes(home, 6)
    row = run_round(home)
    assert (row.state, row.verdict, row.adapter) == ("finished", "refused", None)
    assert "20 are needed" in row.reason
    assert (home.settings.artifacts_dir / "rounds" / row.id / "report.html").is_file()
    assert listener.finished[0].verdict == "refused"


def test_a_missing_model_fails_the_round_with_what_to_do(home: Mentee, import_made_up_votes: ImportVotes) -> None:
    import_made_up_votes(home, 60)
    object.__setattr__(home.settings, "models_dir", home.settings.home / "nowhere")
    row = run_round(home)
    assert row.state == "failed"
    assert "mentee model fetch" in row.reason
    with home.store.read() as session:
        assert session.scalars(select(ChampionRow)).all() == []
        assert session.scalars(select(RoundRow.verdict)).all() == [None]
