from __future__ import annotations

import json
import re
from math import exp
from typing import TYPE_CHECKING, Any

import pytest

from bot.storage.tables.training import RoundMetricRow, RoundRow
from tuning import services
from tuning.evaluation.gate import decide
from tuning.evaluation.metrics import score
from tuning.evaluation.report import write_report

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bot.app import Mentee
    from bot.testing.homes import MakeHome

QUESTIONS = [
    ("how do I cancel order {n}?", "Open Orders, choose the order and press Cancel."),
    ("where is my refund of ${n}?", "Open Refund status; a refund takes five days."),
    ("reset my password <b>{n}</b>", "Press Forgot password on the sign-in page."),
]


@pytest.fixture
def finished_round(make_home: MakeHome) -> tuple[Mentee, dict[str, Any]]:
    """A home with a round that trained and was judged, as the stages leave it, and the outcome they hand on."""
    mentee = make_home(departments=("support",))
    curve = [("sft.loss", step, 0.6 + 3 * exp(-step / 12)) for step in range(1, 61)]
    curve += [("kto.loss", step, 0.5 - step / 200) for step in range(1, 31)]
    with mentee.store.write() as session:
        session.add(RoundRow(id="r_1", department="support", state="running", started_by="cli:ada", policy={"seed": 0}))
        session.flush()
        session.add_all(RoundMetricRow(round_id="r_1", name=name, step=step, value=v) for name, step, v in curve)
    folder = mentee.settings.artifacts_dir / "rounds" / "r_1"
    (folder / "work").mkdir(parents=True)
    note = {"phase": "start", "note": "KTO phase skipped: 3 votes, 50 are needed."}
    (folder / "work" / "progress.jsonl").write_text(json.dumps(note) + "\n" + json.dumps(note) + "\n")
    sides: dict[str, list[Mapping[str, float | None]]] = {}
    for side in ("champion", "challenger"):
        rows: list[dict[str, Any]] = []
        for n in range(30):
            question, reference = QUESTIONS[n % 3]
            words = reference.split()
            answer = reference if side == "challenger" and n % 5 else " ".join(words[: 2 + n % 4]) + " I am a robot."
            scores = score(answer, reference)
            row = {"id": f"{n}", "question": question.format(n=n), "reference": reference, "answer": answer}
            rows.append({**row, "cluster": f"c{n}", "tokens": 9, "scores": dict(scores)})
        (folder / f"answers-{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        sides[side] = [row["scores"] for row in rows]
    decision = decide(sides["champion"], sides["challenger"], [f"c{n}" for n in range(30)])
    outcome = {
        "verdict": decision.verdict,
        "reason": decision.reason,
        "metrics": decision.metrics_json(),
        "n": decision.n,
        "looks": 1,
        "confidence": decision.confidence,
        "counts": {
            "sft": 180,
            "preference": 240,
            "held_out": 30,
            "dropped: near-copy": 12,
            "dropped: people disagree": 7,
        },
        "dataset_sha256": "ab" * 32,
    }
    return mentee, outcome


def report(mentee: Mentee, outcome: dict[str, Any]) -> Path:
    rounds = services.rounds(mentee)
    folder = mentee.settings.artifacts_dir / "rounds" / "r_1"
    department = mentee.departments.get("support")
    return write_report(
        folder, rounds.get("r_1"), department, outcome, curves=rounds.metrics("r_1"), base_model="tiny", adapter=None
    )


def test_the_report_shows_data_curves_differences_answers_verdict_and_origin(
    finished_round: tuple[Mentee, dict[str, Any]],
) -> None:
    mentee, outcome = finished_round
    page = report(mentee, outcome).read_text(encoding="utf-8")
    for expected in (
        "Better: it is live",
        "near-copy",
        "supervised",
        "preference (KTO)",
        "Gained most",
        "I am a robot.",
    ):
        assert expected in page
    assert page.count("<svg") == 2
    assert page.count("KTO phase skipped: 3 votes") == 1
    assert "ab" * 32 in page


def test_the_report_loads_nothing_and_runs_nothing(finished_round: tuple[Mentee, dict[str, Any]]) -> None:
    mentee, outcome = finished_round
    page = report(mentee, outcome).read_text(encoding="utf-8")
    outside = re.findall(r"""(?:src|href)\s*=\s*["'](?!#)[^"']*|url\((?!#)[^)]*|@import""", page)
    assert outside == []
    assert "<script" not in page


def test_texts_of_people_and_models_are_shown_as_text(finished_round: tuple[Mentee, dict[str, Any]]) -> None:
    mentee, outcome = finished_round
    page = report(mentee, outcome).read_text(encoding="utf-8")
    assert "&lt;b&gt;" in page
    assert "<b>2</b>" not in page


def test_a_round_that_was_refused_before_training_has_a_report_too(
    finished_round: tuple[Mentee, dict[str, Any]],
) -> None:
    mentee, _ = finished_round
    outcome = {"verdict": "refused", "reason": "Too little data: 3 rows, 40 are needed.", "counts": {"sft": 3}}
    page = report(mentee, outcome).read_text(encoding="utf-8")
    assert "Refused: champion stays" in page
    assert "Too little data: 3 rows" in page
