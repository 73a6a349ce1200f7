"""What a Llama-shaped model is made of, read from its files.

Llama, SmolLM2, Qwen2 and Mistral differ in sizes, biases, shared key heads and in whether the head is the embedding
table; all are covered. What differs otherwise (a sliding window, another activation, quantised weights) is refused by
:func:`read_shape`, and transformers itself runs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

from bot.engines.decoder.weights import rope_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bot.engines.adapters import Adapter
    from bot.engines.decoder.weights import Weights

FAMILIES = frozenset({"llama", "qwen2", "mistral"})
PAGE = 32
"""Positions in a page of keys and values."""

PIECES = 128, 512
"""Prompt tokens that a few CPU cores read in one pass (:attr:`Decoder.pieces`)."""

QKV, OUT, GATE_UP, DOWN = range(4)
PARTS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
"""The linear layers of a decoder layer, grouped by the input that they share."""


@dataclass(frozen=True, slots=True)
class Shape:
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
    """Consecutive tokens of one sequence, to be read in one pass.

    :param position: of the first token; everything before it is in the pages.
    :param pages: numbers of the sequence's pages, enough for its last token.
    :param adapter: as made by :meth:`Decoder.pack`.
    :param wanted: for how many of the last tokens logits are wanted.
    """

    tokens: Sequence[int]
    position: int
    pages: Sequence[int]
    adapter: Any = None
    wanted: int = 1


class Decoder(Protocol):
    """Reads segments of many sequences in one pass. Called from one thread, but for :meth:`pack`.

    ``pieces`` are the prompt tokens to read in a pass while answers run, whom it holds up, and while none does.
    """

    shape: Shape
    dtype_name: str
    page_bytes: int
    pieces: tuple[int, int]

    def reserve(self, pages: int) -> None:
        """Make room for so many pages; forgets what was in them."""

    def pack(self, adapter: Adapter) -> Any:
        """Bring an adapter into the form that a :class:`Segment` takes. Any thread may call."""

    def forward(self, segments: Sequence[Segment]) -> torch.Tensor:
        """Return the next-token logits wanted, float32, shape ``(sum of wanted, vocabulary)``, segment by segment."""


def read_shape(weights: Weights, context: int) -> Shape | None:
    """Return the shape of a model that a :class:`Decoder` computes exactly, else ``None``."""
    config = weights.config
    rope = rope_of(config)
    window = config.get("sliding_window") if config.get("use_sliding_window", True) else None
    if (
        config.get("model_type") not in FAMILIES
        or config["hidden_act"] != "silu"
        or config.get("quantization_config")
        or rope.get("rope_type", "default") not in {"default", "linear", "llama3", "yarn"}
        or (window and window < context)
        or rope.get("partial_rotary_factor", 1.0) != 1.0
    ):
        return None
    shape = Shape(
        config["num_hidden_layers"],
        config["hidden_size"],
        config["intermediate_size"],
        config["num_attention_heads"],
        config["num_key_value_heads"],
        config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"],
        config["vocab_size"],
        config["rms_norm_eps"],
        context,
    )
    if any(size % 16 for size in (shape.hidden, shape.inner, shape.head_size)):
        return None
    return shape if _fits(weights, shape) else None


def layer_shapes(shape: Shape) -> dict[str, tuple[int, int]]:
    """Return ``(outputs, inputs)`` of each linear layer by its full name."""
    heads, kv = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    sizes = {"q_proj": (heads, shape.hidden), "k_proj": (kv, shape.hidden), "v_proj": (kv, shape.hidden)}
    sizes |= {"o_proj": (shape.hidden, heads), "gate_proj": (shape.inner, shape.hidden)}
    sizes |= {"up_proj": (shape.inner, shape.hidden), "down_proj": (shape.hidden, shape.inner)}
    sizes |= {"lm_head": (shape.vocabulary, shape.hidden)}
    return {name: sizes[name.rpartition(".")[2]] for names in linear_names(shape.layers) for name in names}


def rotations(config: Mapping[str, Any], shape: Shape) -> tuple[torch.Tensor, torch.Tensor]:
    """Return cosines and sines of the rotary positions, float32, each of shape ``(context, half a head)``.

    As transformers computes them (Su et al., "RoFormer", 2021, and what stretches it).
    """
    rope = rope_of(config)
    if rope.get("rope_type", "default") == "default":
        places = torch.arange(0, shape.head_size, 2, dtype=torch.float)
        frequencies = 1.0 / (rope["rope_theta"] ** (places / shape.head_size))
        factor = 1.0
    else:
        from transformers import AutoConfig
        from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

        frequencies, factor = ROPE_INIT_FUNCTIONS[rope["rope_type"]](AutoConfig.for_model(**config))
    angles = torch.arange(shape.context, dtype=torch.float)[:, None] * frequencies
    return (angles.cos() * factor).contiguous(), (angles.sin() * factor).contiguous()


def _fits(weights: Weights, shape: Shape) -> bool:
    """Return whether every weight and bias is there in its size: what computes does not look again."""
    layers = layer_shapes(shape)
    others = {"model.embed_tokens": (shape.vocabulary, shape.hidden), "model.norm": (shape.hidden,)}
    for number in range(shape.layers):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            others[f"model.layers.{number}.{norm}"] = (shape.hidden,)
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
