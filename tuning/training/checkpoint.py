"""Checkpoints. Each is written to a temporary folder and renamed, so a kill never leaves half a checkpoint."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file, save_file

from bot.domain.errors import ArtifactError
from bot.storage.artifacts import sweep, verify, writing

if TYPE_CHECKING:
    from pathlib import Path

    import torch

KIND = "checkpoint"
KEPT = 2
TENSORS = "state.safetensors"
POSITION = "position.json"


@dataclass(slots=True)
class Position:
    """Progress of a training: the current phase, its finished steps, and totals.

    :param losses: per phase, the loss of each step done.
    :param notes: what was skipped, and why.
    """

    phase: str = ""
    step: int = 0
    losses: dict[str, list[float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    tokens: int = 0


def save(folder: Path, position: Position, tensors: dict[str, torch.Tensor], identity: str) -> None:
    """Write a checkpoint and remove all but the newest :data:`KEPT`."""
    number = max((_number(path) for path in _all(folder)), default=0) + 1
    with writing(folder / f"checkpoint-{number:08d}", KIND) as draft:
        save_file(tensors, draft.path / TENSORS)
        content = {name: getattr(position, name) for name in Position.__slots__}
        (draft.path / POSITION).write_text(json.dumps(content), encoding="utf-8")
        draft.meta |= {"identity": identity, "phase": position.phase, "step": position.step}
    for old in sorted(_all(folder), key=_number)[:-KEPT]:
        shutil.rmtree(old)


def load_newest(folder: Path, identity: str) -> tuple[Position, dict[str, torch.Tensor]] | None:
    """Return the newest undamaged checkpoint, or ``None``.

    :raises ArtifactError: the folder holds checkpoints of another job.
    """
    sweep(folder)
    for path in sorted(_all(folder), key=_number, reverse=True):
        try:
            manifest = verify(path, KIND)
        except ArtifactError:
            continue
        if manifest.meta.get("identity") != identity:
            raise ArtifactError(
                f"The work folder {folder} contains a checkpoint of another training job.",
                hint="Each job needs its own work folder. Remove this one, or choose another.",
            )
        raw: dict[str, Any] = json.loads((path / POSITION).read_text(encoding="utf-8"))
        return Position(**raw), load_file(path / TENSORS)
    return None


def _all(folder: Path) -> list[Path]:
    return [path for path in folder.glob("checkpoint-*") if path.is_dir()]


def _number(path: Path) -> int:
    return int(path.name.rpartition("-")[2])
