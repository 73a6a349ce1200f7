"""Adapters of random weights for the engine's benchmarks."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from peft import LoraConfig
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM

from bot.domain.generation import AdapterRef
from bot.storage.artifacts import read_manifest, writing

if TYPE_CHECKING:
    from pathlib import Path

RANK = 16


def make_adapter(path: Path, base: Path, seed: int, dtype: torch.dtype = torch.float32) -> AdapterRef:
    """Write an adapter of random weights on all linear layers, strong enough to change what is answered."""
    draw = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, (rows, columns) in _shapes(base).items():
        a, b = torch.randn(RANK, columns, generator=draw), torch.randn(rows, RANK, generator=draw)
        tensors[f"base_model.model.{name}.lora_A.weight"] = (a / columns**0.5).to(dtype)
        tensors[f"base_model.model.{name}.lora_B.weight"] = (b * 0.02).to(dtype)
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=names, task_type="CAUSAL_LM", inference_mode=True)
    with writing(path, "adapter") as draft:
        config.save_pretrained(str(draft.path))
        save_file(tensors, draft.path / "adapter_model.safetensors", metadata={"format": "pt"})
        draft.meta |= {"base_model": base.name, "base_sha256": read_manifest(base, "model").sha256}
    return AdapterRef(path.name, path, base.name)


@lru_cache(maxsize=1)
def _shapes(base: Path) -> dict[str, tuple[int, int]]:
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base, local_files_only=True))
    return {name: tuple(module.weight.shape) for name, module in model.named_modules() if name.endswith("_proj")}
