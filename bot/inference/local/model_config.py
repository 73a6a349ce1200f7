"""The configuration of a Llama-shaped model, and the protocol of the decoders that compute one.

Llama, SmolLM2, Qwen2 and Mistral differ in sizes, biases, shared key heads and in whether the head is the embedding
table; all are covered. For any other difference (a sliding window, another activation, quantized weights)
:func:`read_model_config` returns ``None``, and transformers runs the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from bot.inference.weights import rope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bot.inference.local.adapters import Adapter
    from bot.inference.weights import Weights

FAMILIES = frozenset({"llama", "qwen2", "mistral"})
PAGE = 32
"""Tokens in a page of the KV cache."""

PREFILL_CHUNKS = 128, 512
"""Default :attr:`Decoder.prefill_chunks`, for a few CPU cores."""

QKV, OUT, GATE_UP, DOWN = range(4)
PARTS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
"""The linear layers of a decoder layer, grouped by the input that they share."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes of a Llama-shaped model; ``context`` is in tokens."""

    layers: int
    hidden: int
    inner: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    epsilon: float
    context: int

    def page_numbers(self) -> int:
        """Return how many numbers a page of keys and values holds."""
        return self.layers * self.kv_heads * 2 * PAGE * self.head_size


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Consecutive tokens of one sequence, to compute in one pass.

    :param position: of the first token; all tokens before it are in the KV cache.
    :param pages: the sequence's pages, enough for its last token.
    :param adapter: as :meth:`Decoder.pack` returned it.
    :param wanted: number of last tokens whose logits are wanted.
    """

    tokens: Sequence[int]
    position: int
    pages: Sequence[int]
    adapter: Any = None
    wanted: int = 1


class Decoder(Protocol):
    """Computes segments of many sequences in one pass. Called from one thread, except :meth:`pack`.

    ``prefill_chunks`` are the prompt tokens to read in a pass while answers run, which it delays, and while none does.
    """

    config: ModelConfig
    dtype_name: str
    page_bytes: int
    prefill_chunks: tuple[int, int]

    def reserve(self, pages: int) -> None:
        """Allocate so many pages; what they held is lost."""

    def pack(self, adapter: Adapter) -> Any:
        """Convert an adapter for :attr:`Segment.adapter`. Safe for threads."""

    def forward(self, segments: Sequence[Segment]) -> torch.Tensor:
        """Return the next-token logits wanted, float32, shape ``(sum of wanted, vocabulary)``, segment by segment."""


def read_model_config(weights: Weights, context: int) -> ModelConfig | None:
    """Return the configuration of a model that a :class:`Decoder` computes exactly, else ``None``."""
    raw = weights.config
    rope = rope_of(raw)
    window = raw.get("sliding_window") if raw.get("use_sliding_window", True) else None
    if (
        raw.get("model_type") not in FAMILIES
        or raw["hidden_act"] != "silu"
        or raw.get("quantization_config")
        or rope.get("rope_type", "default") not in {"default", "linear", "llama3", "yarn"}
        or (window and window < context)
        or rope.get("partial_rotary_factor", 1.0) != 1.0
    ):
        return None
    config = ModelConfig(
        raw["num_hidden_layers"],
        raw["hidden_size"],
        raw["intermediate_size"],
        raw["num_attention_heads"],
        raw["num_key_value_heads"],
        raw.get("head_dim") or raw["hidden_size"] // raw["num_attention_heads"],
        raw["vocab_size"],
        raw["rms_norm_eps"],
        context,
    )
    if any(size % 16 for size in (config.hidden, config.inner, config.head_size)):
        return None
    return config if _fits(weights, config) else None


def layer_shapes(config: ModelConfig) -> dict[str, tuple[int, int]]:
    """Return ``(outputs, inputs)`` of each linear layer by its full name."""
    heads, kv = config.heads * config.head_size, config.kv_heads * config.head_size
    sizes = {"q_proj": (heads, config.hidden), "k_proj": (kv, config.hidden), "v_proj": (kv, config.hidden)}
    sizes |= {"o_proj": (config.hidden, heads), "gate_proj": (config.inner, config.hidden)}
    sizes |= {"up_proj": (config.inner, config.hidden), "down_proj": (config.hidden, config.inner)}
    sizes |= {"lm_head": (config.vocabulary, config.hidden)}
    return {name: sizes[name.rpartition(".")[2]] for names in linear_names(config.layers) for name in names}


def rotations(raw: Mapping[str, Any], config: ModelConfig) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosines and sines of the rotary positions, float32, each of shape ``(context, half a head)``.

    As transformers computes them (Su et al., "RoFormer", 2021, and what stretches it).
    """
    rope = rope_of(raw)
    if rope.get("rope_type", "default") == "default":
        places = torch.arange(0, config.head_size, 2, dtype=torch.float)
        frequencies = 1.0 / (rope["rope_theta"] ** (places / config.head_size))
        factor = 1.0
    else:
        from transformers import AutoConfig
        from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

        frequencies, factor = ROPE_INIT_FUNCTIONS[rope["rope_type"]](AutoConfig.for_model(**raw))
    angles = torch.arange(config.context, dtype=torch.float)[:, None] * frequencies
    return (angles.cos() * factor).contiguous(), (angles.sin() * factor).contiguous()


def _fits(weights: Weights, config: ModelConfig) -> bool:
    """Return whether every weight and bias has the right size; decoders do not check again."""
    layers = layer_shapes(config)
    others = {"model.embed_tokens": (config.vocabulary, config.hidden), "model.norm": (config.hidden,)}
    for number in range(config.layers):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            others[f"model.layers.{number}.{norm}"] = (config.hidden,)
    found = [(weights.weight(name), sizes) for name, sizes in (layers | others).items()]
    biases = [(bias, sizes[:1]) for name, sizes in layers.items() if (bias := weights.bias(name)) is not None]
    return all(
        tensor is not None and tensor.dtype.is_floating_point and tuple(tensor.shape) == sizes
        for tensor, sizes in found + biases
    )


def linear_names(layers: int) -> list[tuple[str, ...]]:
    """Return the full names of the linear layers, grouped as in :data:`PARTS`, layer by layer, the head last."""
    names = [tuple(f"model.layers.{n}.{name}" for name in part) for n in range(layers) for part in PARTS]
    return [*names, ("lm_head",)]


def lora_parts(adapter: Adapter, names: tuple[str, ...]) -> list[tuple[torch.Tensor, torch.Tensor] | None]:
    """Return float32 ``A`` and ``B`` of an adapter for each linear layer named, its scaling folded into ``B``."""
    scale: Callable[[str, int], float] = adapter.scaling
    parts: list[tuple[torch.Tensor, torch.Tensor] | None] = []
    for name in names:
        a = adapter.tensors.get(f"base_model.model.{name}.lora_A.weight")
        b = adapter.tensors.get(f"base_model.model.{name}.lora_B.weight")
        parts.append(None if a is None or b is None else (a.float(), b.float() * scale(name, a.shape[0])))
    return parts
