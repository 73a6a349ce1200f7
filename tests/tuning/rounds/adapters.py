"""Adapters made without any model library, and rounds that end with one."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

from bot.inference.adapter_files import WEIGHTS
from bot.storage.artifacts import writing
from tuning import services
from tuning.evaluation.gate import PROMOTED

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app import Mentee
    from tuning.rounds.stages import Stages

BETTER: dict[str, Any] = {"champion": None, "verdict": "better", "reason": f"{PROMOTED} The gain is above zero"}


def make_adapter(path: Path) -> None:
    raw = np.array((0.5, -0.5), dtype=np.float32).tobytes()
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, len(raw)]}}).encode()
    with writing(path, "adapter") as draft:
        (draft.path / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header + raw)
        (draft.path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
        draft.meta |= {"base_model": "tiny"}


def judged(mentee: Mentee) -> Stages:
    """Return the stages of a round whose challenger was better and isn't published yet."""
    round_id = services.rounds(mentee).start("support", actor="test").id
    assert services.rounds(mentee).take() is not None
    stages = services.stages(mentee, round_id)
    stages.folder.mkdir(parents=True)
    make_adapter(stages.folder / "challenger")
    return stages


def better(mentee: Mentee) -> str:
    """Run a round's last stages with a challenger that was better; return its id."""
    stages = judged(mentee)
    stages.finish({**BETTER, **stages.run("publish", BETTER)})
    return stages.folder.name
