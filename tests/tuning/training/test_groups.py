"""Rows that share their passages are computed together, and learn exactly what they would learn apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from tuning.training.encoding import Example, batches, beginning, parts
from tuning.training.job import TrainJob
from tuning.training.lora import LoraModel
from tuning.training.objectives import IGNORED, sft_loss

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lora(tiny_model: Path, tmp_path: Path) -> LoraModel:
    job = TrainJob(
        "r",
        "d",
        tiny_model,
        "tiny",
        tmp_path,
        tmp_path,
        tmp_path,
        device="cpu",
        dtype="float32",
        threads=1,
        lora_rank=4,
    )
    model = LoraModel(job, "cpu")
    torch.manual_seed(1)
    for weight, master in zip(model.weights, model.masters, strict=True):  # a fresh B is zero and would hide mistakes
        master.normal_(std=0.1)
        weight.data.copy_(master)
    return model


def group(name: str = "g", *, passages: tuple[int, ...] = tuple(range(20, 60))) -> list[Example]:
    rests = [((70, 71), (80, 81, 82)), ((72, 73, 74, 75), (83,)), ((76,), (84, 85, 86, 87))]
    return [
        Example(f"{name}{n}", passages + question, answer, 1.0, group=name)
        for n, (question, answer) in enumerate(rests)
    ]


def learned(lora: LoraModel, rows: list[Example]) -> tuple[float, float, list[torch.Tensor]]:
    logits, labels = lora.logits(rows)
    loss = sft_loss(logits, labels, torch.ones(len(rows)), total=8.0)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [weight.grad.clone() for weight in lora.weights if weight.grad is not None]
    for weight in lora.weights:
        weight.grad = None
    return loss.item(), (labels != IGNORED).sum().item(), gradients


def test_a_group_gives_the_loss_and_the_gradients_of_its_rows_apart(lora: LoraModel) -> None:
    loss, labels, gradients = learned(lora, group())
    alone, alone_labels, alone_gradients = learned(lora, [replace(row, group="") for row in group()])
    assert loss == pytest.approx(alone, rel=1e-5)
    assert labels == alone_labels
    for together, apart in zip(gradients, alone_gradients, strict=True):
        torch.testing.assert_close(together, apart, rtol=1e-3, atol=1e-6)


def test_log_probabilities_come_in_the_order_of_the_rows(lora: LoraModel) -> None:
    with torch.no_grad():
        together = lora.log_probs(group())
        apart = torch.stack([lora.log_probs([row])[0] for row in group()])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)


def test_the_common_beginning_leaves_each_prompt_its_last_token() -> None:
    assert beginning(group()) == 40
    same = [Example("a", (1, 2, 3), (4,), 1.0, group="g"), Example("b", (1, 2, 3), (5,), 1.0, group="g")]
    assert beginning(same) == 2


def test_groups_stay_whole_in_batches_and_parts() -> None:
    rows = [*group("a"), *group("b"), *(Example(f"x{n}", (1, 2), (3,), 1.0) for n in range(5))]
    for batch in batches(rows, 4, seed=1, epoch=0):
        for part in parts(batch, 10_000):
            assert len({row.group for row in part}) == 1
            assert len(part) == 3 or not part[0].group
    assert sorted(row.id for batch in batches(rows, 4, seed=1, epoch=0) for row in batch) == sorted(
        row.id for row in rows
    )


def test_a_group_too_large_for_one_part_is_split_and_its_beginning_counted_in_each() -> None:
    whole = 40 + sum(row.length - 40 for row in group())
    assert [len(part) for part in parts(group(), whole)] == [3]
    assert [len(part) for part in parts(group(), whole - 1)] == [2, 1]
