"""The score ``private`` of answers that a model wrote."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tuning.evaluation.privacy import scored_answers

if TYPE_CHECKING:
    from pathlib import Path

    from bot.testing.homes import MakeHome


def test_what_no_text_may_hold_is_no_failure_of_a_scrubber(make_home: MakeHome, tmp_path: Path) -> None:
    mentee = make_home(departments=["support"], built_in=("plugins.scrubbers.personal_data",))
    rows: list[dict[str, Any]] = [
        {"question": "Where?", "reference": "There.", "answer": answer, "scores": {}}
        for answer in ("Th\0ere.", "Ask ada@example.com.")
    ]
    written = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "answers-champion.jsonl").write_text(written, encoding="utf-8")
    found = scored_answers(tmp_path, ["champion"], plugins=mentee.plugins, department="support")
    assert [(row["answer"], row["scores"]["private"]) for row in found["champion"]] == [
        ("There.", 0.0),
        ("Ask ada@example.com.", 1.0),
    ]
