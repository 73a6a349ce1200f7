from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from bot.storage.artifacts import hash_file, writing
from tuning.training.job import TrainJob

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 3


def start(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tuning.training.train", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def steps_done(job: TrainJob) -> int:
    path = job.work / "progress.jsonl"
    return sum('"loss"' in line for line in path.read_text().splitlines()) if path.exists() else 0


def dataset(path: Path) -> Path:
    def row(number: int, label: str) -> dict[str, Any]:
        words = ("form", "claim", "travel", "hotel", "ticket", "manager")
        order = random.Random(f"{number}{label}")
        return {
            "id": f"{label}{number}",
            "messages": [{"role": "user", "content": f"What about {order.choice(words)} {number}?"}],
            "completion": " ".join(order.choice(words) for _ in range(4)),
            "label": label,
            "weight": 1.0,
        }

    with writing(path, "dataset") as draft:
        sft = [row(n, "up") for n in range(24)]
        preference = [row(n, label) for n in range(12) for label in ("up", "down")]
        for name, rows in (("sft", sft), ("preference", preference)):
            (draft.path / f"{name}.jsonl").write_text("".join(json.dumps(item) + "\n" for item in rows))
    return path


@pytest.mark.full
@pytest.mark.timeout(240)
def test_a_training_killed_at_random_steps_ends_with_the_same_bytes(tiny_model: Path, tmp_path: Path) -> None:
    """A trainer killed with -9 again and again, in both phases, ends with the adapter of an undisturbed one."""
    data = dataset(tmp_path / "dataset")
    jobs = []
    for name in ("undisturbed", "killed"):
        job = TrainJob(
            "r1", "travel", tiny_model, tiny_model.name, data, tmp_path / name / "adapter", tmp_path / name / "work",
            device="cpu", dtype="float32", threads=1, lora_rank=4, epochs=4, kto_epochs=4, batch_size=4, min_labels=20,
        )  # fmt: skip
        (tmp_path / name).mkdir()
        job.write(tmp_path / name / "job.json")
        jobs.append(job)
    undisturbed, killed = jobs
    process = start(tmp_path / "undisturbed" / "job.json")
    assert process.communicate()[1].strip() == ""
    total = steps_done(undisturbed)

    seed = random.randrange(1_000_000)
    # Not among the last steps: a kill that comes a little late must not find the adapter written.
    moments = sorted(random.Random(seed).sample(range(3, total - 8), KILLS))
    kills = 0
    for moment in moments:
        process = start(tmp_path / "killed" / "job.json")
        while steps_done(killed) < moment + kills and process.poll() is None:
            time.sleep(0.002)
        kills += process.poll() is None
        process.kill()
        process.communicate()
        assert not list(killed.output.parent.glob("adapter*")) or process.returncode == 0
    process = start(tmp_path / "killed" / "job.json")
    assert process.communicate()[1].strip() == ""
    assert process.returncode == 0

    hashes = [hash_file(job.output / "adapter_model.safetensors") for job in jobs]
    notes = [json.loads(line).get("note", "") for line in (killed.work / "progress.jsonl").read_text().splitlines()]
    assert kills == KILLS, f"seed {seed}"
    assert any(note.startswith("resumed in") for note in notes), f"seed {seed}"
    assert hashes[0] == hashes[1], f"seed {seed}, killed after steps {moments}"
