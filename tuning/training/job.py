"""The training job, a JSON file that a round writes for the trainer. No torch here: the control plane uses it, too."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from bot.domain.errors import InputFileError, MenteeError
from bot.storage.artifacts import write_atomically


class TrainingError(MenteeError):
    """Training can't continue: the loss isn't a number, or there is nothing to learn from."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class TrainJob:
    """Everything about one training. On the same CPU, the same job gives the same bytes, even if interrupted.

    :param base_model: folder of the base model, a snapshot of kind "model".
    :param base_name: its name in the registry.
    :param dataset: folder of a snapshot of kind "dataset".
    :param champion: adapter to continue from; ``None`` starts from the base model.
    :param output: where the adapter snapshot appears.
    :param work: folder of checkpoints, lock and ``progress.jsonl``; one per job.
    :param threads: CPU threads; part of the job because sums depend on it in the last bit.
    :param max_tokens: longest row, prompt and answer together; one whose prompt leaves no room is dropped, and counted.
    :param max_answer_tokens: longest answer; a longer one is cut, and counted, and loses its end token.
    :param min_rows: right answers below which the supervised phase is skipped, and says so.
    :param min_labels: 👍 and 👎 below which KTO is skipped; a fifth of them must be of either kind.
    :param max_steps: steps after which the supervised phase ends, whatever rows are left; 0 takes them all.
    :param kto_sft_weight: weight of the supervised term that keeps KTO from making good answers unlikely.
    """

    round_id: str
    department: str
    base_model: Path
    base_name: str
    dataset: Path
    output: Path
    work: Path
    champion: Path | None = None
    parent: str | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)
    seed: int = 0
    lora_rank: int = 16
    learning_rate: float = 5e-4
    epochs: int = 2
    max_steps: int = 0
    batch_size: int = 8
    kto_learning_rate: float = 5e-5
    kto_beta: float = 0.1
    kto_epochs: int = 1
    kto_sft_weight: float = 1.0
    min_rows: int = 8
    min_labels: int = 50
    max_tokens: int = 1024
    max_answer_tokens: int = 192

    def write(self, path: Path) -> None:
        """Write the job to a file."""
        raw = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self).items()}
        write_atomically(path, json.dumps(raw, indent=2) + "\n")

    def recipe(self) -> dict[str, Any]:
        """Return the hyperparameters."""
        places = {"round_id", "base_model", "dataset", "output", "work", "champion", "parent", "device", "base_name"}
        return {key: value for key, value in asdict(self).items() if key not in places}

    def identity(self, *hashes: str) -> str:
        """Return the hash stored in checkpoints, so that no other job resumes from them."""
        text = json.dumps([self.recipe(), self.department, *hashes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def read_job(path: Path) -> TrainJob:
    """Read a job file.

    :raises InputFileError: it is missing or no JSON, or a field is missing, unknown or has a value of the wrong kind.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        known = {item.name for item in fields(TrainJob)}
        unknown = sorted(set(raw) - known)
        _require(not unknown, f"unknown fields {', '.join(unknown)}")
        places = {key: Path(raw[key]) for key in ("base_model", "dataset", "output", "work")}
        champion = Path(raw["champion"]) if raw.get("champion") else None
        job = TrainJob(**{**raw, **places, "champion": champion})
        _check(job)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputFileError(
            f"Can't use the training job {path}: {type(error).__name__}: {error}.",
            hint="A round writes this file; start the round again with `mentee round start`.",
        ) from error
    return job


def _check(job: TrainJob) -> None:
    for name in ("threads", "lora_rank", "epochs", "kto_epochs", "max_answer_tokens"):
        value = getattr(job, name)
        _require(isinstance(value, int) and value >= 1, f"{name} must be a whole number above 0, found {value!r}")
    _require(job.max_steps >= 0, f"max_steps must not be below 0, found {job.max_steps!r}")
    # KTO pairs each prompt with its neighbour's answer.
    _require(job.batch_size >= 2, f"batch_size must be at least 2, found {job.batch_size!r}")  # noqa: PLR2004 - the message names it
    room = f"max_answer_tokens ({job.max_answer_tokens}) must be below max_tokens ({job.max_tokens})"
    _require(job.max_answer_tokens < job.max_tokens, room)


def _require(condition: bool, problem: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise ValueError(problem)
