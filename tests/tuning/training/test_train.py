from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest
import torch

from bot.domain.errors import ArtifactError, InputFileError
from bot.inference.loading import load_tokenizer
from bot.storage.artifacts import hash_file, read_manifest, verify, writing
from bot.testing.tiny import build_tiny_model
from tuning.training import checkpoint
from tuning.training.encoding import batches, parts, read_examples, tensors
from tuning.training.job import TrainingError, TrainJob, read_job
from tuning.training.lora import LoraModel, learning_rate
from tuning.training.objectives import IGNORED
from tuning.training.train import Training, train

if TYPE_CHECKING:
    from pathlib import Path

WORDS = (
    "form",
    "claim",
    "travel",
    "hotel",
    "ticket",
    "manager",
    "payroll",
    "laptop",
    "badge",
    "visa",
    "budget",
    "seat",
)


def row(number: int, *, label: str = "up", words: int = 6) -> dict[str, Any]:
    order = random.Random(number)
    return {
        "id": f"x{number}",
        "messages": [
            {"role": "system", "content": "Answer."},
            {"role": "user", "content": f"What about {order.choice(WORDS)} {number}?"},
        ],
        "completion": " ".join(order.choice(WORDS) for _ in range(words)),
        "label": label,
        "weight": order.choice([0.33, 0.6, 1.0]),
    }


def write_dataset(path: Path, *, sft: int = 16, preference: int = 20) -> Path:
    with writing(path, "dataset") as draft:
        files = {
            "sft": [row(n, words=3 + n % 5) for n in range(sft)],
            "preference": [row(n, label="up" if n % 2 else "down", words=3 + n % 4) for n in range(preference)],
            "held_out": [],
        }
        for name, rows in files.items():
            text = "".join(json.dumps(item) + "\n" for item in rows)
            (draft.path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset")


@pytest.fixture
def job(tiny_model: Path, dataset: Path, tmp_path: Path) -> TrainJob:
    return make_job(tiny_model, dataset, tmp_path)


@pytest.fixture(scope="session")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose layers weigh enough to learn something in a few steps."""
    return build_tiny_model(tmp_path_factory.mktemp("learner") / "learner", mixing=0.3)


def make_job(tiny_model: Path, dataset: Path, folder: Path, **changes: Any) -> TrainJob:
    values = {
        "round_id": "r1",
        "department": "travel",
        "base_model": tiny_model,
        "base_name": tiny_model.name,
        "dataset": dataset,
        "output": folder / "adapter",
        "work": folder / "work",
        "device": "cpu",
        "dtype": "float32",
        "threads": 1,
        "lora_rank": 4,
        "epochs": 1,
        "batch_size": 4,
        "min_labels": 20,
    }
    return TrainJob(**{**values, **changes})


def weights_hash(job: TrainJob) -> str:
    return hash_file(job.output / "adapter_model.safetensors")


def progress(job: TrainJob) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (job.work / "progress.jsonl").read_text().splitlines()]


def test_what_is_learned_is_exactly_the_answer_and_its_end_token(tiny_model: Path, dataset: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    examples, lengths = read_examples(dataset / "sft.jsonl", tokenizer, max_tokens=512, max_answer=200)
    _, labels = tensors(examples, 0, "cpu")
    for number, learned in enumerate(labels):
        text = tokenizer.decode(learned[learned != IGNORED])
        assert text == row(number, words=3 + number % 5)["completion"] + "<|im_end|>"
    assert lengths.kept == lengths.rows == 16


def test_the_prompt_is_the_one_that_is_served(tiny_model: Path, dataset: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    examples, _ = read_examples(dataset / "sft.jsonl", tokenizer, max_tokens=512, max_answer=200)
    served = tokenizer.apply_chat_template(row(0)["messages"], tokenize=False, add_generation_prompt=True)
    assert tokenizer.decode(list(examples[0].prompt)) == served


def test_long_rows_are_cut_or_dropped_and_counted(tiny_model: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tiny_model)
    rows = [row(0, words=1), row(1, words=40), {**row(2, words=1), "completion": "  "}]
    rows.append({**row(3, words=1), "messages": [{"role": "user", "content": "long " * 200}]})
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in rows))
    examples, lengths = read_examples(path, tokenizer, max_tokens=400, max_answer=50)
    assert [example.id for example in examples] == ["x0", "x1"]
    assert len(examples[1].answer) == 50
    assert examples[1].answer[-1] != tokenizer.eos_token_id
    assert (lengths.answers_cut, lengths.prompts_too_long, lengths.answers_empty) == (1, 1, 1)


def test_batches_hold_every_row_once_in_an_order_of_the_seed(tiny_model: Path, dataset: Path) -> None:
    examples, _ = read_examples(dataset / "sft.jsonl", load_tokenizer(tiny_model), max_tokens=512, max_answer=200)
    for size in (2, 3, 5, 16):
        groups = batches(examples, size, seed=1, epoch=0)
        assert sorted(item.id for group in groups for item in group) == sorted(item.id for item in examples)
        assert all(len(group) > 1 for group in groups)
        assert groups == batches(examples, size, seed=1, epoch=0)
    assert batches(examples, 4, seed=1, epoch=0) != batches(examples, 4, seed=2, epoch=0)
    assert batches(examples, 4, seed=1, epoch=0) != batches(examples, 4, seed=1, epoch=1)


def test_parts_stay_below_their_size(tiny_model: Path, dataset: Path) -> None:
    examples, _ = read_examples(dataset / "sft.jsonl", load_tokenizer(tiny_model), max_tokens=512, max_answer=200)
    found = list(parts(examples, 300))
    assert sorted(item.id for part in found for item in part) == sorted(item.id for item in examples)
    assert len(found) > 1
    assert all(len(part) == 1 or max(item.length for item in part) * len(part) <= 300 for part in found)


def test_right_padding_does_not_change_a_rows_log_probability(dataset: Path, job: TrainJob) -> None:
    lora = LoraModel(job, "cpu")
    examples, _ = read_examples(dataset / "sft.jsonl", lora.tokenizer, max_tokens=512, max_answer=200)
    with torch.no_grad():
        together = lora.log_probs(examples)
        alone = torch.cat([lora.log_probs([example]) for example in examples])
    assert torch.allclose(together, alone, atol=1e-3)


def test_three_steps_move_every_trainable_weight(job: TrainJob) -> None:
    lora = LoraModel(job, "cpu")
    before = lora.state()
    examples, _ = read_examples(job.dataset / "sft.jsonl", lora.tokenizer, max_tokens=512, max_answer=200)
    for _ in range(3):
        (-lora.log_probs(examples[:4]).mean()).backward()  # type: ignore[no-untyped-call]
        lora.update(0.1)
    after = lora.state()
    still = [name for name in before if name.startswith("master.") and torch.equal(before[name], after[name])]
    assert len(lora.names) == 2 * 7 * 2  # A and B of each linear layer but the head
    assert not still


def test_a_training_writes_an_adapter_that_is_served_and_says_where_it_came_from(
    job: TrainJob, tiny_model: Path
) -> None:
    from peft import PeftModel

    from bot.inference.loading import load_model, wrapping_model

    manifest = train(job)
    card = json.loads((job.output / "card.json").read_text())
    assert manifest.meta["base_sha256"] == read_manifest(tiny_model, "model").sha256
    assert manifest.meta["dataset_sha256"] == card["dataset_sha256"] == read_manifest(job.dataset, "dataset").sha256
    assert manifest.meta["losses"]["sft"]["steps"] == len(card["losses"]["sft"]) == 4
    assert manifest.meta["losses"]["kto"]["steps"] == 5
    base = load_model(tiny_model, torch.float32, "cpu")
    ids = torch.tensor([[5, 6, 7, 8]])
    with torch.no_grad(), wrapping_model():
        plain = base(input_ids=ids).logits
        tuned = PeftModel.from_pretrained(base, job.output)(input_ids=ids).logits
    assert not torch.allclose(plain, tuned)


def test_progress_tells_loss_speed_and_time_left(job: TrainJob) -> None:
    train(job)
    lines = progress(job)
    steps = [line for line in lines if "step" in line]
    assert [(line["phase"], line["step"]) for line in steps] == [("sft", n) for n in (1, 2, 3, 4)] + [
        ("kto", n) for n in (1, 2, 3, 4, 5)
    ]
    assert all({"loss", "tokens_per_second", "eta_seconds", "steps", "at"} <= set(line) for line in steps)
    assert all({"kl", "reward_up", "reward_down"} <= set(line) for line in steps[4:])
    assert steps[0]["eta_seconds"] > steps[-1]["eta_seconds"] == 0
    assert lines[0]["device"] == "cpu"


def test_the_same_job_gives_the_same_bytes_and_another_seed_gives_others(
    tiny_model: Path, dataset: Path, tmp_path: Path
) -> None:
    jobs = [make_job(tiny_model, dataset, tmp_path / str(n), seed=seed) for n, seed in enumerate((3, 3, 4))]
    hashes = [train(job).sha256 for job in jobs]
    assert hashes[0] == hashes[1] != hashes[2]


def test_supervised_training_lowers_the_loss(learner: Path, dataset: Path, tmp_path: Path) -> None:
    job = make_job(learner, dataset, tmp_path, epochs=6, learning_rate=1e-2, min_labels=1000)
    train(job)
    losses = json.loads((job.output / "card.json").read_text())["losses"]["sft"]
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])


def test_kto_raises_up_answers_over_down_answers(learner: Path, dataset: Path, tmp_path: Path) -> None:
    job = make_job(learner, dataset, tmp_path, kto_epochs=6, kto_learning_rate=2e-3, kto_sft_weight=0.0, min_rows=1000)
    train(job)
    last = [line for line in progress(job) if line.get("phase") == "kto" and "loss" in line][-3:]
    assert sum(line["reward_up"] - line["reward_down"] for line in last) > 0.1
    assert any("skipped" in line.get("note", "") for line in progress(job))


def test_a_challenger_goes_on_from_the_champion(tiny_model: Path, dataset: Path, tmp_path: Path) -> None:
    first = make_job(tiny_model, dataset, tmp_path / "1", epochs=2)
    train(first)
    second = make_job(
        tiny_model, dataset, tmp_path / "2", champion=first.output, parent="travel-1", learning_rate=1e-9,
        kto_learning_rate=1e-9, lora_rank=8,
    )  # fmt: skip
    train(second)
    from safetensors.torch import load_file

    before, after = (load_file(j.output / "adapter_model.safetensors") for j in (first, second))
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)
    assert json.loads((second.output / "card.json").read_text())["parent"] == "travel-1"


def test_too_little_of_everything_is_an_error_that_says_what_is_missing(tiny_model: Path, tmp_path: Path) -> None:
    job = make_job(tiny_model, write_dataset(tmp_path / "few", sft=3, preference=4), tmp_path)
    with pytest.raises(TrainingError, match=r"3 right answers, 8 are needed.*2 👍 and 2 👎, 20"):
        train(job)
    assert not job.output.exists()


def test_a_loss_that_is_no_number_ends_the_training_and_writes_nothing(
    job: TrainJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuning.training.train.learning_rate", lambda *_: 1e30)
    with pytest.raises(TrainingError, match="Training stopped in sft at step"):
        train(job)
    assert not job.output.exists()


def test_a_finished_job_is_not_done_again(job: TrainJob) -> None:
    train(job)
    lines = len(progress(job))
    assert train(job).sha256 == verify(job.output, "adapter").sha256
    assert len(progress(job)) == lines


def test_a_checkpoint_of_another_job_is_refused(tiny_model: Path, dataset: Path, tmp_path: Path) -> None:
    job = make_job(tiny_model, dataset, tmp_path)
    training = Training(make_job(tiny_model, dataset, tmp_path, seed=9))
    job.work.mkdir()
    training._save()
    with pytest.raises(ArtifactError, match="another training job"):
        train(job)


def test_a_damaged_checkpoint_is_passed_over(job: TrainJob) -> None:
    job.work.mkdir()
    training = Training(job)
    for step in (1, 2, 3):
        training.position.phase, training.position.step = "sft", step
        training._save()
    kept = sorted(path.name for path in job.work.glob("checkpoint-*"))
    assert kept == ["checkpoint-00000002", "checkpoint-00000003"]
    (job.work / kept[1] / checkpoint.TENSORS).write_bytes(b"torn")
    found = checkpoint.load_newest(job.work, training.identity)
    assert found is not None
    assert found[0].step == 2


def test_an_altered_dataset_is_refused(job: TrainJob) -> None:
    (job.dataset / "sft.jsonl").write_text("{}\n")
    with pytest.raises(ArtifactError, match=r"altered sft\.jsonl"):
        train(job)


def test_a_job_file_survives_the_way_to_disk_and_back(job: TrainJob, tmp_path: Path) -> None:
    job.write(tmp_path / "job.json")
    assert read_job(tmp_path / "job.json") == job


@pytest.mark.parametrize(
    ("change", "said"),
    [({"batch_size": 1}, "batch_size must be at least 2"), ({"lerning_rate": 1}, "unknown fields lerning_rate")],
)
def test_a_wrong_job_file_is_an_error_that_names_the_field(
    job: TrainJob, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = tmp_path / "job.json"
    job.write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputFileError, match=said):
        read_job(path)


def test_the_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(step, 100, 1.0) for step in range(100)]
    assert rates[0] < rates[3] < max(rates) == pytest.approx(1.0, abs=0.02)
    assert rates[-1] == pytest.approx(0.1, abs=0.02)
