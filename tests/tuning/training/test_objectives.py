from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tuning.training.objectives import IGNORED, kto_kl, kto_loss, kto_weights, sft_loss, token_log_probs

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = ["How do I claim?", "Where is it?", "Who signs?", "When is it due?"]
ANSWERS = [
    "By the form, within thirty days.",
    "On the second floor.",
    "Your manager does.",
    "At the end of May, mostly.",
]


def small_llama(tiny_model: Path, *, seed: int) -> Any:
    from bot.inference.loading import load_model

    model = load_model(tiny_model, torch.float32, "cpu")
    torch.manual_seed(seed)
    for weight in model.parameters():
        weight.data += 0.2 * torch.randn_like(weight)
    return model


def sequence_log_probs(model: Any, ids: torch.Tensor, mask: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    labels = ids.masked_fill(answers == 0, IGNORED)
    logits = model(input_ids=ids, attention_mask=mask).logits
    return token_log_probs(logits[:, :-1], labels[:, 1:]).sum(dim=1)


@pytest.mark.full
@pytest.mark.parametrize("labels", [[True, False, True, False], [True, True, True, False]])
def test_kto_equals_trl_on_the_same_batch(tiny_model: Path, tmp_path: Path, labels: list[bool]) -> None:
    from bot.inference.loading import load_tokenizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TRL's own imports and settings warn
        from datasets import Dataset  # type: ignore[import-untyped]
        from trl import KTOConfig, KTOTrainer  # type: ignore[attr-defined]

        policy, reference = small_llama(tiny_model, seed=1), small_llama(tiny_model, seed=2)
        policy.requires_grad_(requires_grad=True)
        rows = [{"prompt": p, "completion": a, "label": y} for p, a, y in zip(PROMPTS, ANSWERS, labels, strict=True)]
        config = KTOConfig(
            output_dir=str(tmp_path),
            per_device_train_batch_size=4,
            beta=0.1,
            desirable_weight=1.1,
            undesirable_weight=0.9,
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            report_to=[],
            disable_dropout=True,
        )
        trainer = KTOTrainer(
            model=policy,
            ref_model=reference,
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=load_tokenizer(tiny_model),
        )
        batch = next(iter(trainer.get_train_dataloader()))
        theirs = trainer.compute_loss(policy, dict(batch))  # type: ignore[no-untyped-call]

    matched = (batch["input_ids"], batch["attention_mask"], batch["completion_mask"])
    mismatched = (batch["KL_input_ids"], batch["KL_attention_mask"], batch["KL_completion_mask"])
    with torch.no_grad():
        kl = kto_kl(sequence_log_probs(policy, *mismatched), sequence_log_probs(reference, *mismatched))
        before = sequence_log_probs(reference, *matched)
        now = sequence_log_probs(policy, *matched)
    ours = kto_loss(
        now, before, batch["label"].bool(), kl, beta=0.1, desirable_weight=1.1, undesirable_weight=0.9
    ).mean()
    assert ours.item() == pytest.approx(theirs.item(), abs=1e-4)
    assert abs(float((now - before).abs().min())) > 0.1  # else any loss would be equal


def test_token_log_probs_are_those_of_a_softmax_and_zero_where_ignored() -> None:
    logits = torch.randn(2, 3, 5)
    labels = torch.tensor([[1, IGNORED, 4], [IGNORED, IGNORED, 0]])
    found = token_log_probs(logits, labels)
    whole = logits.log_softmax(dim=-1)
    assert found[0, 0].item() == pytest.approx(whole[0, 0, 1].item(), abs=1e-6)
    assert found[0, 2].item() == pytest.approx(whole[0, 2, 4].item(), abs=1e-6)
    assert found[1, 2].item() == pytest.approx(whole[1, 2, 0].item(), abs=1e-6)
    assert found[0, 1] == found[1, 0] == found[1, 1] == 0


def test_sft_loss_of_parts_adds_up_to_the_whole() -> None:
    logits, labels = torch.randn(4, 6, 9), torch.randint(0, 9, (4, 6))
    labels[1, 3:] = IGNORED
    weights = torch.tensor([1.0, 0.5, 0.3, 1.0])
    total = float((((labels != IGNORED).sum(dim=1)) * weights).sum())
    whole = sft_loss(logits, labels, weights)
    halves = [sft_loss(logits[s], labels[s], weights[s], total=total) for s in (slice(0, 1), slice(1, 4))]
    assert float(sum(halves)) == pytest.approx(float(whole), abs=1e-5)


def test_a_row_of_weight_zero_teaches_nothing() -> None:
    logits = torch.randn(2, 4, 7, requires_grad=True)
    sft_loss(logits, torch.randint(0, 7, (2, 4)), torch.tensor([1.0, 0.0])).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[0].abs().sum() > 0
    assert logits.grad[1].abs().sum() == 0


def test_kl_is_never_negative_and_has_no_gradient() -> None:
    policy = torch.tensor([-30.0, -40.0], requires_grad=True)
    assert kto_kl(policy, torch.tensor([-10.0, -10.0])) == 0
    assert kto_kl(policy, torch.tensor([-50.0, -50.0])) == 15
    assert not kto_kl(policy, torch.tensor([-50.0, -50.0])).requires_grad


def test_kto_wants_up_rows_likelier_and_down_rows_less_likely() -> None:
    policy = torch.tensor([-20.0, -20.0], requires_grad=True)
    reference, desirable = torch.tensor([-20.0, -20.0]), torch.tensor([True, False])
    loss = kto_loss(policy, reference, desirable, torch.tensor(0.0), beta=0.1).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert policy.grad is not None
    assert policy.grad[0] < 0 < policy.grad[1]


@settings(deadline=None)
@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_weights_bring_the_sides_into_the_papers_range(up: int, down: int) -> None:
    for_up, for_down = kto_weights(up, down)
    assert 1 - 1e-9 <= for_up * up / (for_down * down) <= 4 / 3 + 1e-9
    assert 0 < min(for_up, for_down) <= max(for_up, for_down) == 1
    assert math.isclose(for_up, 1) or math.isclose(for_down, 1)


def test_one_sided_votes_are_weighed_as_they_are() -> None:
    assert kto_weights(0, 9) == kto_weights(9, 0) == (1, 1)
