"""LoRA adapters on disk and in a model: verified before they are read, refused whole, never mixed.

An adapter is a generation of kind "adapter" that any peft user can load: ``adapter_config.json`` and
``adapter_model.safetensors`` beside the manifest. Its manifest's ``meta`` names the ``version`` and the ``base_model``,
and where it knows them ``base_sha256`` (of the base's manifest) and ``template_sha256`` (of its chat template).

peft takes seconds to import, so it is imported where the first adapter is met.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from bot.engines.adapter_files import CONFIG, WEIGHTS, check_generation, require
from bot.engines.loading import wrapping_model
from bot.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

    from bot.engines.identity import ModelIdentity
    from bot.protocols import AdapterRef

PREFIX = "base_model.model."
UNSUPPORTED = (
    "use_dora",
    "modules_to_save",
    "trainable_token_indices",
    "megatron_config",
    "layer_replication",
    "alora_invocation_tokens",
    "target_parameters",
)
"""Settings that change more than the low-rank product of one row, so rows with other adapters would be touched."""

Shapes = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter that was read and found sound. ``tensors`` are named as in the file, in their own dtype."""

    version: str
    config: LoraConfig
    tensors: dict[str, torch.Tensor]

    def scaling(self, layer: str, rank: int) -> float:
        """Return what the product of ``B`` and ``A`` of a layer is multiplied by, as peft computes it."""
        from peft.utils.other import get_pattern_key

        patterns: dict[str, float] = self.config.alpha_pattern or {}
        alpha = patterns.get(get_pattern_key(list(patterns), layer), self.config.lora_alpha)
        return alpha / (math.sqrt(rank) if self.config.use_rslora else rank)


def linear_shapes(model: torch.nn.Module) -> Shapes:
    """Return ``(outputs, inputs)`` of each linear layer of the base model by name, whether or not peft wrapped it."""
    base: Any = getattr(model, "get_base_model", lambda: model)()
    return {
        name.removesuffix(".base_layer"): (module.out_features, module.in_features)
        for name, module in base.named_modules()
        if isinstance(module, torch.nn.Linear) and ".lora_" not in name
    }


def read_adapter(ref: AdapterRef, base: ModelIdentity, shapes: Shapes) -> Adapter:
    """Verify and read an adapter: hashes, base model, kind, names, shapes and that every number is finite.

    :raises ArtifactError: anything of it is not as it should be.
    """
    check_generation(ref, base)
    config = _config(ref.path)
    try:
        tensors = load_file(ref.path / WEIGHTS)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(f"The adapter {ref.path} cannot be read: {error}.") from error
    for name, tensor in tensors.items():
        require(bool(torch.isfinite(tensor).all()), ref.path, f"holds numbers that are not finite, in {name}")
    _check_shapes(ref.path, config, tensors, shapes)
    return Adapter(ref.version, config, tensors)


def insert(model: PreTrainedModel | PeftModel, adapter: Adapter, name: str, dtype: torch.dtype) -> PeftModel:
    """Put an adapter into the model under ``name`` without making it active; return the model as a ``PeftModel``.

    :raises ArtifactError: peft cannot apply it; the model is as before.
    """
    from peft import PeftModel, set_peft_model_state_dict

    tensors = {key: tensor.to(dtype) for key, tensor in adapter.tensors.items()}
    wrapped = model if isinstance(model, PeftModel) else None
    try:
        if wrapped is None:
            with wrapping_model():
                wrapped = PeftModel(
                    model, adapter.config, adapter_name=name, autocast_adapter_dtype=False, low_cpu_mem_usage=True
                )
        else:
            wrapped.add_adapter(name, adapter.config, low_cpu_mem_usage=True, autocast_adapter_dtype=False)
        set_peft_model_state_dict(wrapped, tensors, adapter_name=name, low_cpu_mem_usage=True)
        wrapped.to(model.device)
        wrapped.requires_grad_(requires_grad=False)
        return wrapped.eval()
    except (ValueError, KeyError, RuntimeError, NotImplementedError) as error:
        if wrapped is not None and name in wrapped.peft_config:
            wrapped.delete_adapter(name)
        raise ArtifactError(f"The adapter {adapter.version} cannot be applied: {error}.") from error


def _config(path: Path) -> LoraConfig:
    from peft import LoraConfig

    try:
        raw: dict[str, Any] = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        require(raw.get("peft_type") == "LORA", path, f"is of kind {raw.get('peft_type')!r}; only LORA is served")
        for key in UNSUPPORTED:
            require(not raw.get(key), path, f"uses {key}, which cannot be served beside other adapters")
        require(raw.get("bias", "none") == "none", path, "changes biases, which cannot be served beside other adapters")
        config: LoraConfig = LoraConfig.from_pretrained(str(path))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(f"The {CONFIG} of adapter {path} cannot be used: {error}.") from error
    config.inference_mode = True
    return config


def _check_shapes(path: Path, config: LoraConfig, tensors: dict[str, torch.Tensor], shapes: Shapes) -> None:
    modules: dict[str, dict[str, torch.Size]] = {}
    for key, tensor in tensors.items():
        module, _, part = key.removeprefix(PREFIX).rpartition(".lora_")
        require(module in shapes, path, f"holds {key}, which has no place in the base model")
        modules.setdefault(module, {})[part.removesuffix(".weight")] = tensor.shape
    require(bool(modules), path, "holds no weights")
    for module, parts in modules.items():
        require(set(parts) == {"A", "B"}, path, f"lacks a part of {module}")
        outputs, inputs = shapes[module]
        rank = parts["A"][0]
        expected = (torch.Size((rank, inputs)), torch.Size((outputs, rank)))
        found = (parts["A"], parts["B"])
        problem = f"has the wrong shape at {module}: {_shown(found)} found, {_shown(expected)} expected"
        require(found == expected, path, problem)
    targets = _targets(config, shapes)
    require(targets == set(modules), path, f"names {len(targets)} layers in {CONFIG} but holds {len(modules)}")


def _targets(config: LoraConfig, shapes: Shapes) -> set[str]:
    from peft.tuners.tuners_utils import check_target_module_exists

    return {name for name in shapes if check_target_module_exists(config, name)}


def _shown(shapes: tuple[torch.Size, torch.Size]) -> str:
    return " and ".join("x".join(map(str, shape)) for shape in shapes)
