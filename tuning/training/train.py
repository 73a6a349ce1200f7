"""Trains a LoRA adapter. Run as ``python -m tuning.training.train JOB.json``.

Two phases (arXiv 2601.19055 compares mixes): supervised on corrections and agreed 👍, then KTO on 👍 and 👎 with the
result of the first phase as its reference. If it is killed and started again with the same job, it resumes from the
newest checkpoint and produces the same bytes as without interruption (on a CPU, with the same number of threads).
"""

from __future__ import annotations

import json
import math
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from bot.answering.prompt import PROMPT_VERSION
from bot.inference.fingerprint import model_fingerprint
from bot.inference.loading import context_tokens, pick_device
from bot.storage.artifacts import Manifest, verify, writing
from tuning.training import checkpoint
from tuning.training.encoding import Example, Lengths, batches, parts, read_examples
from tuning.training.job import TrainingError, TrainJob, read_job
from tuning.training.lora import LoraModel, learning_rate
from tuning.training.objectives import kto_kl, kto_loss, kto_weights, sft_loss, token_log_probs
from tuning.training.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PART_TOKENS = {"cpu": 2048, "cuda": 32_768}
"""Padded tokens per forward pass. More is not faster on a CPU; with fewer, a GPU waits for Python."""

CHECKPOINT_SHARE = 0.05
"""Share of the time that checkpoints may take. A tiny model's are written after almost every step."""

KTO_COST = 2.5
"""Cost of a KTO token relative to a supervised one: two reference passes and one without gradients are added."""

Batch = list[Example]


@dataclass(frozen=True, slots=True)
class Plan:
    """The batches of each step of both phases, and why a phase is skipped."""

    sft: list[Batch]
    kto: list[Batch]
    kto_epochs: int
    notes: list[str]
    lengths: dict[str, Lengths]
    weights: tuple[float, float]

    @property
    def units(self) -> float:
        """Total work, in supervised tokens."""
        return _tokens(self.sft) + KTO_COST * self.kto_epochs * _tokens(self.kto)


class Training:
    """One run of a job, starting from the newest checkpoint."""

    def __init__(self, job: TrainJob) -> None:
        self.job = job
        self.dataset = verify(job.dataset, "dataset")
        self.base = model_fingerprint(job.base_model)
        champion = verify(job.champion, "adapter").sha256 if job.champion else ""
        self.device, self.device_reason = pick_device() if job.device == "auto" else (job.device, "asked for")
        _be_deterministic(job, self.device)
        self.lora = LoraModel(job, self.device)
        self.identity = job.identity(self.dataset.sha256, self.base.sha256, champion)
        self.plan = make_plan(job, self.lora)
        self.progress = Progress(job.work, self.plan.units)
        self.position = checkpoint.Position(notes=list(self.plan.notes))
        self.reference: dict[str, torch.Tensor] = {}
        self.saved_at, self.save_seconds = time.monotonic(), 0.0

    def run(self) -> None:
        """Train both phases and write the adapter."""
        how = f"{self.lora.dtype}, {self.job.threads} threads"
        self.progress.note("start", how, device=self.device, reason=self.device_reason)
        for note in self.plan.notes:
            self.progress.note("start", note)
        self.resume()
        if self.position.phase in ("", "sft"):
            self.supervised()
        if self.plan.kto:
            self.preference()
        write_adapter(self)

    def resume(self) -> None:
        """Restore the newest checkpoint, if there is one."""
        found = checkpoint.load_newest(self.job.work, self.identity)
        if found is None:
            return
        self.position, state = found
        self.reference = {name: state.pop(name) for name in list(state) if name.startswith("reference.")}
        self.lora.restore(state)
        done = self.plan.sft[: self.position.step] if self.position.phase == "sft" else self.plan.sft
        self.progress.skip(_tokens(done))
        if self.position.phase == "kto":
            self.progress.skip(KTO_COST * _tokens(self._kto_steps()[: self.position.step]))
        self.progress.note("start", f"resumed in {self.position.phase} after step {self.position.step}")

    def supervised(self) -> None:
        """Phase one: maximise the likelihood of right answers."""
        steps = self.plan.sft
        self.position.phase = "sft"
        for step in range(self.position.step, len(steps)):
            started = time.perf_counter()
            batch = steps[step]
            total = sum(row.weight * len(row.answer) for row in batch)
            loss = 0.0
            for part in self._parts(batch):
                logits, labels = self.lora.logits(part)
                share = sft_loss(logits, labels, self._weights(part), total=total)
                share.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
                loss += share.item()
            self._finish_step("sft", step, len(steps), batch, loss, started, self.job.learning_rate, 1.0, {})

    def preference(self) -> None:
        """Phase two: KTO, with the current model as the reference."""
        if self.position.phase != "kto":
            self.lora.start_phase()
            self.position.phase, self.position.step = "kto", 0
            self.reference = self._reference()
            self._save()
        steps = self._kto_steps()
        for step in range(self.position.step, len(steps)):
            started = time.perf_counter()
            batch = steps[step]
            number = step % len(self.plan.kto)
            with torch.no_grad():
                mismatched = self._log_probs(_mismatched(batch))
            kl = kto_kl(mismatched, self.reference[f"reference.mismatched.{number}"])
            loss, reward = self._kto_backward(batch, self.reference[f"reference.matched.{number}"], kl)
            numbers = {"kl": float(kl), **reward}
            rate = self.job.kto_learning_rate
            self._finish_step("kto", step, len(steps), batch, loss, started, rate, KTO_COST, numbers)

    def _kto_backward(self, batch: Batch, reference: torch.Tensor, kl: torch.Tensor) -> tuple[float, dict[str, float]]:
        by_row = {id(row): value for row, value in zip(batch, reference, strict=True)}
        good = sum(row.weight * len(row.answer) for row in batch if row.desirable)
        total, rewards = 0.0, {True: 0.0, False: 0.0}
        for part in self._parts(batch):
            logits, labels = self.lora.logits(part)
            policy = token_log_probs(logits, labels).sum(dim=1)
            desirable = torch.tensor([row.desirable for row in part], device=policy.device)
            matched = torch.stack([by_row[id(row)] for row in part]).to(policy.device)
            up, down = self.plan.weights
            losses = kto_loss(
                policy, matched, desirable, kl, beta=self.job.kto_beta, desirable_weight=up, undesirable_weight=down
            )
            loss = (losses * self._weights(part)).sum() / len(batch)
            if good and bool(desirable.any()):
                kept = self._weights(part) * desirable
                loss = loss + self.job.kto_sft_weight * sft_loss(logits, labels, kept, total=good)
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
            total += loss.item()
            for row, reward in zip(part, (policy - matched).tolist(), strict=True):
                rewards[row.desirable] += self.job.kto_beta * reward
        counts = {side: max(1, sum(row.desirable is side for row in batch)) for side in (True, False)}
        return total, {"reward_up": rewards[True] / counts[True], "reward_down": rewards[False] / counts[False]}

    def _reference(self) -> dict[str, torch.Tensor]:
        reference = {}
        with torch.no_grad():
            for number, batch in enumerate(self.plan.kto):
                reference[f"reference.matched.{number}"] = self._log_probs(batch).cpu()
                reference[f"reference.mismatched.{number}"] = self._log_probs(_mismatched(batch)).cpu()
                self.progress.note("kto", f"reference {number + 1} of {len(self.plan.kto)}")
        return reference

    def _log_probs(self, batch: Batch) -> torch.Tensor:
        """Return log-probabilities in the batch's own order, computed in parts of like length."""
        found: dict[int, torch.Tensor] = {}
        for part in self._parts(batch):
            found |= {id(row): value for row, value in zip(part, self.lora.log_probs(part), strict=True)}
        return torch.stack([found[id(row)] for row in batch]).cpu()

    def _kto_steps(self) -> list[Batch]:
        return self.plan.kto * self.plan.kto_epochs

    def _parts(self, batch: Batch) -> Iterator[Batch]:
        return parts(batch, PART_TOKENS[self.device], grouped=self.lora.shares)

    def _weights(self, rows: Sequence[Example]) -> torch.Tensor:
        return torch.tensor([row.weight for row in rows], device=self.device)

    def _finish_step(  # noqa: PLR0913, PLR0917 - what both phases do after backward
        self,
        phase: str,
        step: int,
        steps: int,
        batch: Batch,
        loss: float,
        started: float,
        peak: float,
        cost: float,
        numbers: dict[str, float],
    ) -> None:
        norm = self.lora.update(learning_rate(step, steps, peak)) if math.isfinite(loss) else math.nan
        if not math.isfinite(norm):
            raise TrainingError(
                f"Training stopped in {phase} at step {step + 1} of {steps}: the loss or its gradient is not a number"
                f" (loss {loss}). No adapter was written.",
                hint="Lower the department's learning rate, or look at the dataset for broken rows.",
            )
        tokens = _tokens([batch])
        self.position.step = step + 1
        self.position.tokens += tokens
        self.position.losses.setdefault(phase, []).append(round(loss, 6))
        seconds = time.perf_counter() - started
        numbers = {"loss": loss, **numbers}
        self.progress.step(phase, step + 1, steps, tokens=tokens, units=cost * tokens, seconds=seconds, **numbers)
        if time.monotonic() - self.saved_at > self.save_seconds / CHECKPOINT_SHARE or step + 1 == steps:
            self._save()

    def _save(self) -> None:
        started = time.monotonic()
        checkpoint.save(self.job.work, self.position, self.lora.state() | self.reference, self.identity)
        self.saved_at = time.monotonic()
        self.save_seconds = self.saved_at - started


def make_plan(job: TrainJob, lora: LoraModel) -> Plan:
    """Read the dataset and plan every step of both phases. The same job gives the same plan.

    :raises TrainingError: neither phase has enough rows.
    """
    limit = min(job.max_tokens, context_tokens(job.base_model))
    read = {
        name: read_examples(
            job.dataset / f"{file}.jsonl", lora.tokenizer, max_tokens=limit, max_answer=job.max_answer_tokens
        )
        for name, file in (("sft", "sft"), ("kto", "preference"))
    }
    rows = {name: examples for name, (examples, _) in read.items()}
    notes = [note for note in (_too_few_sft(job, rows["sft"]), _too_few_kto(job, rows["kto"])) if note]
    up = sum(row.desirable for row in rows["kto"])
    plan = Plan(
        sft=[] if _too_few_sft(job, rows["sft"]) else _epochs(job, rows["sft"])[: job.max_steps or None],
        kto=[] if _too_few_kto(job, rows["kto"]) else batches(rows["kto"], job.batch_size, seed=job.seed, epoch=-1),
        kto_epochs=job.kto_epochs,
        notes=notes,
        lengths={name: lengths for name, (_, lengths) in read.items()},
        weights=kto_weights(up, len(rows["kto"]) - up),
    )
    if not plan.sft and not plan.kto:
        raise TrainingError(
            "There is nothing to train on: " + " ".join(notes), hint="Collect more votes and corrections."
        )
    return plan


def write_adapter(training: Training) -> None:
    """Write the adapter snapshot: files for peft, a card that says where it came from, and the manifest."""
    job, plan, position = training.job, training.plan, training.position
    card: dict[str, Any] = {
        **training.base.as_meta(),
        "department": job.department,
        "prompt_version": PROMPT_VERSION,
        "dataset_sha256": training.dataset.sha256,
        "parent": job.parent,
        "code_version": version("mentee"),
        "recipe": job.recipe(),
        "device": training.device,
        "dtype": str(training.lora.dtype).removeprefix("torch."),
        "rows": {name: lengths.as_dict() for name, lengths in plan.lengths.items()},
        "kto_weights": list(plan.weights),
        "notes": position.notes,
        "tokens_trained": position.tokens,
        "losses": position.losses,
    }
    with writing(job.output, "adapter") as draft:
        training.lora.save_config(draft.path, job.base_name)
        save_file(training.lora.adapter_tensors(), draft.path / "adapter_model.safetensors", metadata={"format": "pt"})
        (draft.path / "card.json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        losses = {
            phase: {"first": values[0], "last": values[-1], "steps": len(values)}
            for phase, values in position.losses.items()
        }
        draft.meta |= {**card, "losses": losses, "version": job.output.name, "round": job.round_id}


def train(job: TrainJob) -> Manifest:
    """Run a job and return the adapter's manifest. A finished job isn't run again.

    :raises TrainingError: there is nothing to learn from, or the loss isn't a number.
    :raises ArtifactError: base model, dataset or champion is missing or altered.
    """
    job.work.mkdir(parents=True, exist_ok=True)
    if not job.output.exists():
        Training(job).run()
    return verify(job.output, "adapter")


def _epochs(job: TrainJob, rows: list[Example]) -> list[Batch]:
    return [batch for epoch in range(job.epochs) for batch in batches(rows, job.batch_size, seed=job.seed, epoch=epoch)]


def _too_few_sft(job: TrainJob, rows: list[Example]) -> str:
    if len(rows) >= job.min_rows:
        return ""
    return f"Supervised phase skipped: {len(rows)} right answers, {job.min_rows} are needed."


def _too_few_kto(job: TrainJob, rows: list[Example]) -> str:
    up = sum(row.desirable for row in rows)
    down = len(rows) - up
    side = job.min_labels // 5
    if len(rows) >= job.min_labels and min(up, down) >= side:
        return ""
    return f"KTO phase skipped: {up} 👍 and {down} 👎, {job.min_labels} in all and {side} of each are needed."


def _mismatched(batch: Batch) -> Batch:
    answers = [batch[-1].answer, *(row.answer for row in batch[:-1])]
    return [Example(row.id, row.prompt, answer, row.weight) for row, answer in zip(batch, answers, strict=True)]


def _tokens(steps: Sequence[Batch]) -> int:
    return sum(row.length for batch in steps for row in batch)


def _be_deterministic(job: TrainJob, device: str) -> None:
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    torch.use_deterministic_algorithms(mode=device == "cpu")  # on a GPU the slow ones are, and sums still differ


if __name__ == "__main__":
    train(read_job(Path(sys.argv[1])))
