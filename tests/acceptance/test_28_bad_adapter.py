"""A bad adapter (NaN, endless, worse, leaking a canary) never goes live; one command rolls back within 10 seconds."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bot.domain.errors import ArtifactError
from bot.inference.adapter_files import WEIGHTS
from bot.storage.artifacts import writing
from tuning import services
from tuning.evaluation.metrics import score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.app import Mentee
    from bot.testing.homes import MakeHome

MENTEE = str(Path(sys.executable).with_name("mentee"))
QUESTIONS = 30
REFERENCE = "Open the travel page, choose the trip and press cancel."
PLAIN = "Open the travel page."
CANARY = "canary-5ec2e7a1b9d0"


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    # A model behind a server is known by its name, so nothing has to be loaded to judge adapters of it.
    return make_home(departments=("support",), settings={"model": {"name": "tiny", "engine": "openai"}})


def make_adapter(path: Path, values: Sequence[float] = (0.5, -0.5)) -> Path:
    raw = np.array(values, dtype=np.float32).tobytes()
    header = json.dumps({"a": {"dtype": "F32", "shape": [len(values)], "data_offsets": [0, len(raw)]}}).encode()
    with writing(path, "adapter") as draft:
        (draft.path / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header + raw)
        (draft.path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
        draft.meta |= {"base_model": "tiny"}
    return path


def write_answers(folder: Path, side: str, answers: Sequence[str], endless: bool) -> None:
    rows = []
    for n, answer in enumerate(answers):
        row = {"id": f"h{n}", "question": f"How do I cancel trip {n}?", "reference": REFERENCE, "answer": answer}
        scores = dict(score(answer, REFERENCE, endless=endless))
        rows.append({**row, "cluster": f"c{n}", "tokens": len(answer.split()), "scores": scores})
    (folder / f"answers-{side}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def judge(
    mentee: Mentee, answers: Sequence[str], *, endless: bool = False, values: Sequence[float] = (0.5, -0.5)
) -> dict[str, Any]:
    """Run the stages after training for a challenger that gave ``answers``; return what they decided."""
    rounds = services.rounds(mentee)
    round_id = rounds.start("support", actor="test").id
    assert rounds.take() is not None
    stages = services.stages(mentee, round_id)
    stages.folder.mkdir(parents=True)
    carried = {"challenger": str(make_adapter(stages.folder / "challenger", values)), "champion": None}
    write_answers(stages.folder, "champion", [f"{PLAIN} {n}" for n in range(QUESTIONS)], endless=False)
    write_answers(stages.folder, "challenger", answers, endless)
    for stage in ("gate", "publish"):
        carried |= stages.run(stage, carried)
    stages.finish(carried)
    return carried


def good(n: int) -> str:
    return REFERENCE if n % 4 else f"Open the travel page, choose the trip {n}."


def test_the_same_setting_does_promote_a_good_adapter(mentee: Mentee) -> None:
    assert judge(mentee, [good(n) for n in range(QUESTIONS)])["verdict"] == "better"
    assert services.registry(mentee).champion("support") == "support-1"


@pytest.mark.parametrize(
    ("answers", "endless", "verdict", "says"),
    [
        ([f"{REFERENCE} and" for _ in range(QUESTIONS)], True, "refused", "don't end"),
        ([f"No idea {n}." for n in range(QUESTIONS)], False, "worse", "is worse"),
        ([good(n) if n else f"{REFERENCE} {CANARY}" for n in range(QUESTIONS)], False, "refused", "canary"),
        ([good(n) if n % 3 else "" for n in range(QUESTIONS)], False, "refused", "empty"),
    ],
    ids=["endless", "worse", "canary", "empty"],
)
def test_a_bad_challenger_is_not_promoted_and_the_reason_is_told(
    mentee: Mentee, answers: Sequence[str], endless: bool, verdict: str, says: str
) -> None:
    carried = judge(mentee, answers, endless=endless)
    assert carried["verdict"] == verdict
    assert says in carried["reason"]
    assert services.registry(mentee).champion("support") is None
    assert mentee.active_adapters.get("support") is None


@pytest.mark.parametrize("values", [(np.nan, 1.0), (np.inf, 1.0)])
def test_weights_that_are_not_finite_are_refused_by_round_and_by_command(
    mentee: Mentee, values: Sequence[float]
) -> None:
    carried = judge(mentee, [good(n) for n in range(QUESTIONS)], values=values)
    assert carried["verdict"] == "refused"
    assert "not finite" in carried["reason"]
    registry = services.registry(mentee)
    with pytest.raises(ArtifactError, match="not finite"):
        registry.publish(Path(carried["challenger"]), "support")
    assert registry.versions("support") == []
    assert registry.champion("support") is None


def test_one_command_rolls_back_within_10_seconds(mentee: Mentee) -> None:
    registry = services.registry(mentee)
    for name in ("one", "two"):
        version = registry.publish(make_adapter(mentee.settings.home / name), "support")
        registry.promote("support", version, actor="test")
    started = time.monotonic()
    command = [MENTEE, "adapters", "rollback", "--department", "support", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 10
    assert json.loads(done.stdout)["champion"] == "support-1"
    assert registry.champion("support") == "support-1"


def test_a_wrong_adapter_folder_is_one_screen_and_changes_nothing(mentee: Mentee, tmp_path: Path) -> None:
    command = [MENTEE, "adapters", "promote", str(tmp_path), "--department", "support"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "manifest.json is missing" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) < 24
    assert services.registry(mentee).versions("support") == []
    assert not (mentee.settings.artifacts_dir / "adapters").exists()
