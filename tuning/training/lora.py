"""A base model with one trainable LoRA adapter, computed in the model's dtype with float32 master weights.

The adapter computes in the base model's dtype, as it will when it is served (bfloat16 where the CPU has instructions
for it: 1.5 times float32's speed). Updates of 1e-4 vanish in bfloat16's 8 bits, so AdamW works on float32 copies, the
*masters*, which are what is saved. No dropout anywhere: a step depends on its batch alone, so a resumed run is exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
from torch.nn.utils.rnn import pad_sequence

from bot.domain.generation import AdapterRef
from bot.inference.fingerprint import model_fingerprint
from bot.inference.loading import load_model, load_tokenizer, pick_dtype, wrapping_model
from bot.inference.local.adapters import linear_shapes, read_adapter
from tuning.training.encoding import beginning, tensors
from tuning.training.objectives import IGNORED, token_log_probs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from peft import PeftModel

    from tuning.training.encoding import Example
    from tuning.training.job import TrainJob

CLIP = 1.0
WARM_UP = 0.06


class LoraModel:
    """The model in training.

    :param device: where it computes, ``cpu`` or ``cuda``.

    ``shares`` says whether rows of a group are computed over one reading of what they share: a GPU reads faster than
    Python can start the small steps that this takes.
    """

    def __init__(self, job: TrainJob, device: str) -> None:
        self.device = device
        self.shares = device == "cpu"
        self.dtype = pick_dtype(job.dtype, device)
        self.tokenizer: Any = load_tokenizer(job.base_model)
        self.pad = int(self.tokenizer.pad_token_id or 0)
        torch.manual_seed(job.seed)
        self.model = _with_adapter(job, self.dtype, device)
        self.names, self.weights = _trainable(self.model)
        self.masters = [weight.detach().float().clone() for weight in self.weights]
        for weight, master in zip(self.weights, self.masters, strict=True):
            weight.data = master.to(self.dtype)
        self.optimizer = torch.optim.AdamW(self.masters, weight_decay=0.0)

    def logits(self, rows: Sequence[Example]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits and labels at the positions that predict answers, shapes ``(B, T, V)`` and ``(B, T)``.

        The head is a fifth of a small model's work, so it is left out where nothing is learned.
        """
        if self.shares and rows[0].group and len(rows) > 1 and (start := beginning(rows)):
            return self._group_logits(rows, start)
        ids, labels = tensors(rows, self.pad, self.device)
        following = labels[:, 1:]
        columns = (following != IGNORED).any(dim=0).nonzero().flatten()
        logits = self.model(input_ids=ids[:, :-1], use_cache=False, logits_to_keep=columns).logits
        return logits, following[:, columns]

    def _group_logits(self, rows: Sequence[Example], start: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the same for rows whose first ``start`` tokens are alike: sequence packing with a shared prefix.

        The prefix is read once and gradients flow into it. The rests stand one after another in one sequence; a
        block-diagonal mask keeps each to the prefix and to itself.
        """
        first = torch.tensor([rows[0].prompt[:start]], device=self.device)
        cache = self.model(input_ids=first, use_cache=True, logits_to_keep=1).past_key_values
        rests = [torch.tensor((row.prompt + row.answer)[start:-1]) for row in rows]
        ends = torch.tensor([len(rest) for rest in rests]).cumsum(0)
        columns = [torch.arange(-len(row.answer), 0) + end for row, end in zip(rows, ends, strict=True)]
        logits = self.model(
            input_ids=torch.cat(rests)[None].to(self.device),
            position_ids=torch.cat([torch.arange(len(rest)) + start for rest in rests])[None].to(self.device),
            attention_mask=_packed_mask(rests, start).to(self.device, self.dtype),
            past_key_values=cache,
            logits_to_keep=torch.cat(columns).to(self.device),
        ).logits[0]
        labels = [torch.tensor(row.answer, device=self.device) for row in rows]
        apart = logits.split([len(row.answer) for row in rows])
        return pad_sequence(apart, batch_first=True), pad_sequence(labels, batch_first=True, padding_value=IGNORED)

    def log_probs(self, rows: Sequence[Example]) -> torch.Tensor:
        """Return the log-probability of each row's whole answer, shape ``(B,)``."""
        return token_log_probs(*self.logits(rows)).sum(dim=1)

    def start_phase(self) -> None:
        """Forget the optimizer's moments: they belong to another loss."""
        self.optimizer = torch.optim.AdamW(self.masters, weight_decay=0.0)

    def update(self, learning_rate: float) -> float:
        """Apply the gradients that were summed up and clear them; return their norm before clipping."""
        for weight, master in zip(self.weights, self.masters, strict=True):
            assert weight.grad is not None
            master.grad = weight.grad.float()
            weight.grad = None
        norm = float(torch.nn.utils.clip_grad_norm_(self.masters, CLIP))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self._copy_masters()
        return norm

    def state(self) -> dict[str, torch.Tensor]:
        """Return everything a later step depends on: masters and moments, by name."""
        state = {f"master.{name}": master for name, master in zip(self.names, self.masters, strict=True)}
        for name, master in zip(self.names, self.masters, strict=True):
            moments: Mapping[str, torch.Tensor] = self.optimizer.state.get(master, {})
            state |= {f"{key}.{name}": value for key, value in moments.items()}
        return {key: value.detach().to("cpu", copy=True).contiguous() for key, value in state.items()}

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go back to a state that :meth:`state` returned."""
        for name, master in zip(self.names, self.masters, strict=True):
            master.copy_(state[f"master.{name}"])
            keys = [key for key in ("step", "exp_avg", "exp_avg_sq") if f"{key}.{name}" in state]
            place = {"step": "cpu"}
            moments = {key: state[f"{key}.{name}"].to(place.get(key, self.device)) for key in keys}
            if moments:
                self.optimizer.state[master] = moments
        self._copy_masters()

    def adapter_tensors(self) -> dict[str, torch.Tensor]:
        """Return the trained weights as peft names them in a file, float32."""
        pairs = zip(self.names, self.masters, strict=True)
        return {name.replace(".default.", "."): master.cpu().contiguous() for name, master in pairs}

    def save_config(self, folder: Path, base_name: str) -> None:
        """Write peft's ``adapter_config.json``."""
        config = self.model.peft_config["default"]
        config.base_model_name_or_path = base_name
        config.inference_mode = True
        config.save_pretrained(str(folder))

    def _copy_masters(self) -> None:
        with torch.no_grad():
            for weight, master in zip(self.weights, self.masters, strict=True):
                weight.copy_(master)


def _packed_mask(rests: Sequence[torch.Tensor], start: int) -> torch.Tensor:
    """Return what is added to attention scores, shape ``(1, 1, R, start + R)``: nothing, or the least float."""
    squares = [torch.ones(len(rest), len(rest)).tril() for rest in rests]
    allowed = torch.block_diag(*squares).bool()  # type: ignore[no-untyped-call] # torch leaves it untyped
    allowed = torch.cat([torch.ones(len(allowed), start, dtype=torch.bool), allowed], dim=1)
    return torch.zeros(allowed.shape).masked_fill(~allowed, torch.finfo(torch.bfloat16).min)[None, None]


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Return the rate of a step: a short linear rise, then a straight line down to a tenth of the peak."""
    warm = max(1, round(steps * WARM_UP))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * (1 - 0.9 * (step - warm) / max(1, steps - warm))


def _with_adapter(job: TrainJob, dtype: torch.dtype, device: str) -> PeftModel:
    base = load_model(job.base_model, dtype, device)
    adapter = None
    if job.champion is not None:
        ref = AdapterRef(job.parent or job.champion.name, job.champion, job.base_name)
        adapter = read_adapter(ref, model_fingerprint(job.base_model), linear_shapes(base))
    config = adapter.lora_config() if adapter else _fresh_config(job)
    config.inference_mode = False
    config.base_model_name_or_path = base.name_or_path  # peft compares it with the model's and warns
    with wrapping_model():
        model = get_peft_model(base, config, autocast_adapter_dtype=True)
    if adapter is not None:
        set_peft_model_state_dict(model, {key: tensor.float() for key, tensor in adapter.tensors.items()})
    return model.eval()


def _fresh_config(job: TrainJob) -> LoraConfig:
    return LoraConfig(
        r=job.lora_rank,
        lora_alpha=2 * job.lora_rank,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _trainable(model: PeftModel) -> tuple[list[str], list[torch.nn.Parameter]]:
    found = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
    return [name for name, _ in found], [weight for _, weight in found]
