"""How fast the trainer reads on this machine, as a share of what its matrix units allow.

    .venv/bin/python benchmarks/training.py [--json]

One step of the reader's kind: eight questions of 27 tokens with answers of 27 over the same 600 tokens of passages,
LoRA rank 32 on all linear layers. Beside it the same rows computed apart, the peer, and the rate of the largest matrix
product of the model alone. Runs are interleaved; medians are reported. Operations needed for a token: 4 for each base
weight (forward, and backward into activations; the base learns nothing) and 6 for each weight of the adapter.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch

from bot.config.settings import Settings
from bot.inference.models.catalogue import model_path
from tuning.training.encoding import Example
from tuning.training.job import TrainJob
from tuning.training.lora import LoraModel
from tuning.training.objectives import sft_loss

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
BASE = "smollm2-135m-instruct"
PASSAGES, QUESTION, ANSWER, TOGETHER = 600, 27, 27, 8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    nowhere = Path(os.devnull)
    path = model_path(Settings(home=ROOT).models_dir, BASE)
    lora = LoraModel(TrainJob("bench", "bench", path, BASE, nowhere, nowhere, nowhere, lora_rank=32), "cpu")
    rows = _rows()
    seconds: dict[str, list[float]] = {"together": [], "apart": [], "product": []}
    _step(lora, rows)  # the first one allocates
    for _ in range(arguments.repeat):
        seconds["together"].append(_timed(lambda: _step(lora, rows)))
        seconds["product"].append(_timed(_product(lora)))
        seconds["apart"].append(_timed(lambda: [_step(lora, [replace(row, group="")]) for row in rows]))
    print_result(lora, {name: median(values) for name, values in seconds.items()}, as_json=arguments.json)


def print_result(lora: LoraModel, seconds: dict[str, float], *, as_json: bool) -> None:
    """Print rates, the share of the limit, and the peer."""
    tokens = PASSAGES + TOGETHER * (QUESTION + ANSWER)
    base = sum(weight.numel() for name, weight in lora.model.named_parameters() if not weight.requires_grad)
    head = lora.model.get_output_embeddings().weight.numel()
    adapter = sum(master.numel() for master in lora.masters)
    needed = tokens * (4 * (base - head) + 6 * adapter) + 4 * TOGETHER * ANSWER * head
    rate = 2 * 1024 * 576 * 1536 * 20 / seconds["product"]
    result = {
        "dtype": str(lora.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "tokens_per_second": tokens / seconds["together"],
        "questions_per_second": TOGETHER / seconds["together"],
        "matrix_gflops": rate / 1e9,
        "share_of_matrix_limit": needed / seconds["together"] / rate,
        "ratio_to_rows_apart": seconds["apart"] / seconds["together"],
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    if as_json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name:24} {value if isinstance(value, str | int) else f'{value:,.2f}'}")


def _rows() -> list[Example]:
    draw = random.Random(0)

    def some(count: int) -> tuple[int, ...]:
        return tuple(draw.randrange(20, 40_000) for _ in range(count))

    passages = some(PASSAGES)
    return [Example(str(n), passages + some(QUESTION), some(ANSWER), 1.0, group="g") for n in range(TOGETHER)]


def _step(lora: LoraModel, rows: list[Example]) -> None:
    logits, labels = lora.logits(rows)
    sft_loss(logits, labels, torch.ones(len(rows)), total=float(TOGETHER * ANSWER)).backward()
    for weight in lora.weights:
        weight.grad = None


def _product(lora: LoraModel) -> Callable[[], None]:
    left, right = torch.randn(1024, 576, dtype=lora.dtype), torch.randn(1536, 576, dtype=lora.dtype)

    def multiply() -> None:
        for _ in range(20):
            torch.nn.functional.linear(left, right)

    return multiply


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
