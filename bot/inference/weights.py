"""Reads a causal model's configuration and weights from its files, without transformers.

transformers takes seconds to import and to build a model, and the first question after a start would wait for that.
Models that can't be read here are left to transformers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from bot.domain.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "max_position_embeddings",
    "vocab_size",
)
CHOICES = ("rms_norm_eps", "hidden_act", "tie_word_embeddings")
"""With the sizes, what a Llama's ``config.json`` must contain, so that no default of transformers is missed."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's configuration, as ``config.json`` names things, and its tensors by name."""

    config: Mapping[str, Any]
    tensors: Mapping[str, torch.Tensor]

    def weight(self, layer: str) -> torch.Tensor | None:
        """Return a layer's weight; for a head tied to the embeddings, those."""
        found = self.tensors.get(f"{layer}.weight")
        if found is None and layer == "lm_head" and self.config.get("tie_word_embeddings"):
            return self.tensors.get("model.embed_tokens.weight")
        return found

    def bias(self, layer: str) -> torch.Tensor | None:
        """Return a layer's bias, if any; a Llama has one only if its configuration says so."""
        flag = "attention_bias" if ".self_attn." in layer else "mlp_bias"
        if self.config.get("model_type") == "llama" and not self.config.get(flag):
            return None
        return self.tensors.get(f"{layer}.bias")

    def to(self, device: str, dtype: torch.dtype) -> Weights:
        """Return a copy on a device and in a dtype."""
        moved = {name: tensor.to(device, dtype, copy=True) for name, tensor in self.tensors.items()}
        return Weights(self.config, moved)


def read_weights(path: Path) -> Weights | None:
    """Map a model's files into memory; return ``None`` if that's impossible, which transformers will explain."""
    try:
        names = [SINGLE]
        if not (path / SINGLE).is_file():
            index: dict[str, str] = json.loads((path / INDEX).read_text(encoding="utf-8"))["weight_map"]
            names = sorted(set(index.values()))
        tensors = {name: tensor for file in names for name, tensor in load_file(path / file).items()}
        return Weights(read_config(path), tensors)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError, ArtifactError):
        return None


def read_config(path: Path) -> dict[str, Any]:
    """Return a model's configuration, completed by transformers if it relies on defaults.

    :raises ArtifactError: there is none, or it is invalid.
    """
    try:
        raw: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
        return raw if _is_complete(raw) else _completed(path)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise ArtifactError(
            f"Can't read the configuration of the model {path}: {error}",
            hint="Fetch it again with `mentee model fetch`.",
        ) from error


def _is_complete(raw: dict[str, Any]) -> bool:
    rope = rope_of(raw)
    plain = rope["rope_theta"] and rope.get("rope_type", "default") == "default" and "type" not in rope
    return bool(
        raw.get("model_type") == "llama"
        and plain
        and not raw.get("rope_scaling")
        and all(isinstance(raw.get(name), int) for name in SIZES)
        and all(raw.get(name) is not None for name in CHOICES)
    )


def _completed(path: Path) -> dict[str, Any]:
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    try:
        completed = AutoConfig.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    except StrictDataclassError as error:
        raise ValueError(error) from error
    return dict(completed.to_dict())


def rope_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration's rotary position parameters."""
    return {"rope_theta": config.get("rope_theta"), **(config.get("rope_parameters") or {})}
