"""LoRA adapters: verified and read from disk, and inserted into a model with peft.

An adapter is a snapshot of kind "adapter" that any peft user can load: ``adapter_config.json`` and
``adapter_model.safetensors`` beside the manifest. Its manifest's ``meta`` names the ``version`` and the ``base_model``,
and where it knows them ``base_sha256`` (of the base's manifest) and ``template_sha256`` (of its chat template).

peft takes seconds to import, so it is imported only where it is needed.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from bot.domain.errors import ArtifactError
from bot.inference.adapter_files import CONFIG, WEIGHTS, check_adapter, counting_refusals, require
from bot.inference.loading import wrapping_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel

    from bot.domain.generation import AdapterRef
    from bot.inference.fingerprint import ModelFingerprint

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
"""Settings that change more than the low-rank product, so that other rows of a batch would be affected."""

NARROWING = ("exclude_modules", "layers_to_transform", "layers_pattern")
"""Settings that exclude some of the layers named."""

Shapes = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Adapter:
    """A valid adapter.

    :param config: as in its file.
    :param tensors: named as in its file, in their own dtype.
    """

    version: str
    config: Mapping[str, Any]
    tensors: dict[str, torch.Tensor]

    def scaling(self, layer: str, rank: int) -> float:
        """Return the factor of a layer's low-rank product, as peft computes it."""
        patterns: Mapping[str, float] = self.config.get("alpha_pattern") or {}
        matching = (alpha for key, alpha in patterns.items() if re.match(rf"(.*\.)?({key})$", layer))
        alpha: float = next(matching, self.config["lora_alpha"])
        return alpha / (math.sqrt(rank) if self.config.get("use_rslora") else rank)

    def lora_config(self) -> LoraConfig:
        """Return peft's configuration, for inference."""
        from peft import LoraConfig

        config: LoraConfig = LoraConfig.from_peft_type(**self.config)  # type: ignore[no-untyped-call] # peft has no types
        config.inference_mode = True
        return config


def linear_shapes(model: torch.nn.Module) -> Shapes:
    """Return ``(outputs, inputs)`` of each linear layer of a base model by name, wrapped by peft or not."""
    base: Any = getattr(model, "get_base_model", lambda: model)()
    return {
        name.removesuffix(".base_layer"): (module.out_features, module.in_features)
        for name, module in base.named_modules()
        if isinstance(module, torch.nn.Linear) and ".lora_" not in name
    }


@counting_refusals()
def read_adapter(ref: AdapterRef, base: ModelFingerprint, shapes: Shapes) -> Adapter:
    """Read an adapter and verify its hashes, base model, kind, names, shapes, and that every number is finite.

    :raises ArtifactError: the adapter is invalid.
    """
    check_adapter(ref, base)
    config = _config(ref.path)
    try:
        tensors = load_file(ref.path / WEIGHTS)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(f"Can't read the adapter {ref.path}: {error}.") from error
    for name, tensor in tensors.items():
        require(bool(torch.isfinite(tensor).all()), ref.path, f"holds numbers that are not finite, in {name}")
    adapter = Adapter(ref.version, config, tensors)
    try:
        _check_shapes(ref.path, adapter, shapes)
        scales = [adapter.scaling(name, 1) for name in shapes]
    except (ValueError, TypeError, AttributeError, KeyError, re.error) as error:
        raise ArtifactError(f"Can't use the {CONFIG} of adapter {ref.path}: {error}.") from error
    require(all(map(math.isfinite, scales)), ref.path, f"has a scaling that is not finite in {CONFIG}")
    return adapter


def insert(model: PreTrainedModel | PeftModel, adapter: Adapter, name: str, dtype: torch.dtype) -> PeftModel:
    """Insert an adapter into the model under ``name`` without activating it; return the model as a ``PeftModel``.

    :raises ArtifactError: peft can't apply it; the model is unchanged.
    """
    from peft import PeftModel, set_peft_model_state_dict

    tensors = {key: tensor.to(dtype) for key, tensor in adapter.tensors.items()}
    wrapped = model if isinstance(model, PeftModel) else None
    try:
        config = adapter.lora_config()
        if wrapped is None:
            with wrapping_model():
                wrapped = PeftModel(
                    model, config, adapter_name=name, autocast_adapter_dtype=False, low_cpu_mem_usage=True
                )
        else:
            wrapped.add_adapter(name, config, low_cpu_mem_usage=True, autocast_adapter_dtype=False)
        set_peft_model_state_dict(wrapped, tensors, adapter_name=name, low_cpu_mem_usage=True)
        wrapped.to(model.device)
        wrapped.requires_grad_(requires_grad=False)
        return wrapped.eval()
    except (ValueError, TypeError, KeyError, RuntimeError, NotImplementedError) as error:
        if wrapped is not None and name in wrapped.peft_config:
            wrapped.delete_adapter(name)
        raise ArtifactError(f"Can't apply the adapter {adapter.version}: {error}.") from error


def _config(path: Path) -> dict[str, Any]:
    try:
        raw: dict[str, Any] = json.loads((path / CONFIG).read_text(encoding="utf-8"))
        require(raw.get("peft_type") == "LORA", path, f"is of kind {raw.get('peft_type')!r}; only LORA is served")
        for key in UNSUPPORTED:
            require(not raw.get(key), path, f"uses {key}, which cannot be served beside other adapters")
        require(raw.get("bias", "none") == "none", path, "changes biases, which cannot be served beside other adapters")
        require(isinstance(raw.get("lora_alpha"), (int, float)), path, "has no number for lora_alpha")
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ArtifactError(f"Can't use the {CONFIG} of adapter {path}: {error}.") from error
    return raw


def _check_shapes(path: Path, adapter: Adapter, shapes: Shapes) -> None:
    modules: dict[str, dict[str, torch.Size]] = {}
    for key, tensor in adapter.tensors.items():
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
    targets = _targets(adapter, shapes)
    require(targets == set(modules), path, f"names {len(targets)} layers in {CONFIG} but holds {len(modules)}")


def _targets(adapter: Adapter, shapes: Shapes) -> set[str]:
    """Return the layers that the configuration names; a plain list of names needs no peft."""
    named = adapter.config.get("target_modules")
    if isinstance(named, list) and all(adapter.config.get(key) in (None, [], "") for key in NARROWING):
        return {name for name in shapes if any(f".{name}".endswith(f".{target}") for target in named)}
    from peft.tuners.tuners_utils import check_target_module_exists

    config = adapter.lora_config()
    return {name for name in shapes if check_target_module_exists(config, name)}


def _shown(shapes: tuple[torch.Size, torch.Size]) -> str:
    return " and ".join("x".join(map(str, shape)) for shape in shapes)
