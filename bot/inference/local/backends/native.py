"""The compiled decoder: int8 weights and activations, float16 keys and values, on x86 CPUs.

A wheel brings it compiled. In a checkout it is compiled once (:mod:`bot.inference.local.backends.compiler`), in a few
seconds. Without a compiler, or on a CPU that lacks the instructions, PyTorch computes instead.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, Structure, c_float, c_int32, c_void_p
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bot.domain.errors import EngineError
from bot.inference.local.backends import compiler
from bot.inference.local.backends.memory import HugePages
from bot.inference.local.model_config import PREFILL_CHUNKS, linear_names, lora_parts, rotations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.inference.local.adapters import Adapter
    from bot.inference.local.model_config import ModelConfig, Segment
    from bot.inference.weights import Weights

CACHE = Path.home() / ".cache" / "mentee" / "compiled"
LANES, GROUP = 16, 64


class _Linear(Structure):
    _fields_ = (
        ("weights", c_void_p),
        ("scales", c_void_p),
        ("bias", c_void_p),
        ("panels", c_int32),
        ("groups", c_int32),
    )


class _Lora(Structure):
    _fields_ = (("down", _Linear), ("up", c_void_p), ("rank", c_int32))


class _Layer(Structure):
    _fields_ = (
        *((name, _Linear) for name in ("qkv", "out", "gate_up", "down")),
        ("norm_attention", c_void_p),
        ("norm_mlp", c_void_p),
    )


class _Model(Structure):
    _fields_ = (
        ("layers", POINTER(_Layer)),
        ("head", _Linear),
        *((name, c_void_p) for name in ("embeddings", "norm", "cos", "sin", "targets")),
        *((name, c_int32) for name in ("n_layers", "hidden", "inner", "heads", "kv_heads", "head_size", "vocabulary")),
        ("epsilon", c_float),
    )


class _Segment(Structure):
    _fields_ = (
        ("adapter", c_void_p),
        ("pages", c_void_p),
        ("first_row", c_int32),
        ("rows", c_int32),
        ("first_position", c_int32),
    )


class _Step(Structure):
    _fields_ = (
        ("segments", POINTER(_Segment)),
        *((name, c_void_p) for name in ("tokens", "wanted", "logits", "cache")),
        *((name, c_int32) for name in ("n_segments", "n_tokens", "n_wanted", "threads")),
    )


STRUCTURES = (_Linear, _Lora, _Layer, _Model, _Segment, _Step)


def fast_flags() -> tuple[str, ...] | None:
    """Return the compiler flags for this CPU, or ``None`` if the compiled decoder wouldn't be faster.

    With AVX-512 VNNI it is always faster. With AVX2 an int8 product costs as much as a float's, but it reads a quarter
    of the bytes, and one answer alone is bound by memory.
    """
    found = torch.cpu.get_capabilities()
    if found.get("avx512_vnni"):
        return compiler.VNNI
    return compiler.AVX2 if all(found.get(name) for name in ("avx2", "fma3", "f16c")) else None


@lru_cache(maxsize=1)
def load_library() -> ctypes.CDLL:
    """Return the compiled decoder: the wheel's, the one in :data:`CACHE`, or one compiled now.

    :raises EngineError: there is no compiler, or it fails.
    """
    flags = fast_flags() or compiler.ANY
    name = compiler.library_name(flags)
    shipped = compiler.SOURCE.with_name(name)
    path = shipped if shipped.is_file() else CACHE / name
    try:
        if not path.is_file():
            compiler.compile_library(path, flags)
        library = ctypes.CDLL(str(path))
    except compiler.CompilerError as error:
        raise EngineError(str(error), hint="Install g++ and start again for faster answers.") from error
    except OSError as error:
        raise EngineError(f"Can't use the compiled decoder {path}: {error}.") from error
    for number, structure in enumerate(STRUCTURES):
        found, expected = library.mentee_layout(number), ctypes.sizeof(structure)
        if found != expected:
            raise EngineError(f"The compiled decoder {path} has {structure.__name__} of {found} bytes, not {expected}.")
    return library


@dataclass(slots=True)
class PackedLinear:
    """Weights of layers that share an input, as ``decoder.cpp`` reads them. Owns the memory of its structure."""

    weights: torch.Tensor
    scales: torch.Tensor
    bias: torch.Tensor | None
    panels: int
    groups: int

    @property
    def structure(self) -> _Linear:
        bias = None if self.bias is None else self.bias.data_ptr()
        return _Linear(self.weights.data_ptr(), self.scales.data_ptr(), bias, self.panels, self.groups)


def pack_linear(
    library: ctypes.CDLL,
    weights: Sequence[torch.Tensor],
    biases: Sequence[torch.Tensor | None] = (),
    *,
    mixed: bool = False,
    threads: int = 1,
) -> PackedLinear:
    """Quantize weights, each of shape ``(outputs, inputs)``, to int8 and stack them.

    :param mixed: interleave their panels instead of stacking one after the other.
    """
    inputs = weights[0].shape[1]
    panels = [-(-weight.shape[0] // LANES) for weight in weights]
    groups = -(-inputs // GROUP)
    packed = torch.empty(sum(panels) * groups * GROUP * LANES, dtype=torch.uint8)
    scales = torch.zeros(sum(panels), groups, LANES)
    bias = torch.zeros(sum(panels) * LANES) if any(each is not None for each in biases) else None
    starts, stride = (range(len(weights)), len(weights)) if mixed else ([0, *accumulate(panels)], 1)
    for number, (start, weight) in enumerate(zip(starts, weights, strict=False)):
        values = weight.detach().float().contiguous()
        source, target, scale = (c_void_p(tensor.data_ptr()) for tensor in (values, packed, scales))
        library.mentee_pack(source, *weight.shape, start, stride, target, scale, threads)
        if bias is not None and (own := biases[number]) is not None:
            padded = torch.nn.functional.pad(own.float(), (0, -len(own) % LANES)).view(-1, LANES)
            bias.view(-1, LANES)[start : start + stride * len(padded) : stride] = padded
    return PackedLinear(packed, scales, bias, sum(panels), groups)


def move_to_huge_pages(linears: Sequence[PackedLinear], others: Sequence[torch.Tensor] = ()) -> list[torch.Tensor]:
    """Move weights and scales, and copies of other tensors, which are returned, into one block of huge pages."""
    sizes = [tensor.nbytes for each in linears for tensor in (each.weights, each.scales)]
    pages = HugePages([*sizes, *(other.nbytes for other in others)])
    for linear in linears:
        linear.weights, linear.scales = pages.keep(linear.weights), pages.keep(linear.scales)
    return [pages.keep(other) for other in others]


@dataclass(slots=True)
class PackedAdapter:
    """An adapter as ``decoder.cpp`` reads it: one ``_Lora`` per group of layers. Owns the memory they point to."""

    parts: Any
    held: list[Any] = field(default_factory=list)

    @property
    def address(self) -> int:
        return ctypes.addressof(self.parts)


class NativeDecoder:
    """Implements :class:`bot.inference.local.model_config.Decoder` with the compiled library.

    :raises EngineError: it can't be compiled here.
    """

    dtype_name = "int8"
    prefill_chunks = PREFILL_CHUNKS

    def __init__(self, weights: Weights, config: ModelConfig, *, threads: int) -> None:
        self.config = config
        self._library = load_library()
        self._threads = threads
        self._cache = torch.empty(0, dtype=torch.float16)
        self.page_bytes = config.page_numbers() * 2
        self._names = linear_names(config.layers)
        self._held: list[Any] = []
        self._model = self._build(weights)

    def reserve(self, pages: int) -> None:
        """Allocate so many pages; the system provides memory only for those that are written."""
        # torch.zeros would write them all
        self._cache = torch.from_numpy(np.zeros(pages * self.config.page_numbers(), dtype=np.float16))

    def forward(self, segments: Sequence[Segment]) -> torch.Tensor:
        """Return the next-token logits wanted, float32, shape ``(sum of wanted, vocabulary)``."""
        ends = list(accumulate(len(segment.tokens) for segment in segments))
        wanted = np.array(
            [row for end, segment in zip(ends, segments, strict=True) for row in range(end - segment.wanted, end)],
            dtype=np.int32,
        )
        tokens = np.array([token for segment in segments for token in segment.tokens], dtype=np.int32)
        pages = [np.array(segment.pages, dtype=np.int32) for segment in segments]
        logits = torch.empty(len(wanted), self.config.vocabulary)
        structures = (_Segment * len(segments))(
            *(
                _Segment(
                    segment.adapter.address if segment.adapter else None,
                    numbers.ctypes.data,
                    end - len(segment.tokens),
                    len(segment.tokens),
                    segment.position,
                )
                for segment, end, numbers in zip(segments, ends, pages, strict=True)
            )
        )
        step = _Step(
            structures,
            tokens.ctypes.data,
            wanted.ctypes.data,
            logits.data_ptr(),
            self._cache.data_ptr(),
            len(segments),
            len(tokens),
            len(wanted),
            self._threads,
        )
        self._library.mentee_forward(ctypes.byref(self._model), ctypes.byref(step))
        return logits

    def pack(self, adapter: Adapter) -> PackedAdapter:
        """Quantize an adapter to int8, with one scale per output of ``A`` and column of ``B``."""
        made: dict[int, tuple[int, PackedLinear, torch.Tensor]] = {}
        for number, names in enumerate(self._names):
            pairs = lora_parts(adapter, names)
            rank = -(-max((pair[0].shape[0] for pair in pairs if pair), default=0) // LANES) * LANES
            if rank:
                made[number] = rank, *self._pack_part(number, pairs, rank)
        downs = [down for _, down, _ in made.values()]
        ups = move_to_huge_pages(downs, [up for _, _, up in made.values()])
        packed = PackedAdapter((_Lora * len(self._names))(), [*downs, *ups])
        for (number, (rank, down, _)), up in zip(made.items(), ups, strict=True):
            packed.parts[number] = _Lora(down.structure, up.data_ptr(), rank)
        return packed

    def _pack_part(
        self, number: int, pairs: Sequence[tuple[torch.Tensor, torch.Tensor] | None], rank: int
    ) -> tuple[PackedLinear, torch.Tensor]:
        inputs = next(pair[0].shape[1] for pair in pairs if pair)
        sizes = self._outputs(number)
        lows, ups, scales = [], [], []
        for pair, outputs in zip(pairs, sizes, strict=True):
            a, b = pair or (torch.zeros(0, inputs), torch.zeros(outputs, 0))
            low, up = torch.zeros(rank, inputs), torch.zeros(-(-outputs // LANES) * LANES, rank)
            low[: a.shape[0]], up[:outputs, : b.shape[1]] = a, b
            scale = up.abs().amax(0).clamp(min=1e-30) / 127
            lows.append(low)
            ups.append((up / scale).round().to(torch.int8).view(-1, LANES, rank).transpose(1, 2))
            scales.append(scale)
        down = pack_linear(self._library, lows)
        down.scales *= torch.cat(scales).view(-1, 1, LANES)
        mixed = number % 4 == 2 and len(ups) == 2  # noqa: PLR2004 - gate and up alternate
        up = torch.stack(ups, dim=1).flatten(0, 1) if mixed else torch.cat(ups)
        return down, up.contiguous()

    def _outputs(self, number: int) -> tuple[int, ...]:
        config, kv = self.config, self.config.kv_heads * self.config.head_size
        if number == len(self._names) - 1:
            return (config.vocabulary,)
        parts = ((config.heads * config.head_size, kv, kv), (config.hidden,), (config.inner,) * 2, (config.hidden,))
        return parts[number % 4]

    def _build(self, weights: Weights) -> _Model:
        config = self.config
        layers = (_Layer * config.layers)()
        linears = [self._linear(weights, names) for names in self._names]
        move_to_huge_pages(linears)
        self._held += linears
        *parts, head = [linear.structure for linear in linears]
        for number, layer in enumerate(layers):
            layer.qkv, layer.out, layer.gate_up, layer.down = parts[number * 4 : number * 4 + 4]
            names = ("input_layernorm", "post_attention_layernorm")
            layer.norm_attention, layer.norm_mlp = (
                self._hold(weights.tensors[f"model.layers.{number}.{name}.weight"]) for name in names
            )
        cos, sin = rotations(weights.config, config)
        targets = np.repeat(np.arange(3, dtype=np.uint8), np.array(self._outputs(0)) // LANES)
        self._held += [layers, targets]
        embeddings, norm = weights.tensors["model.embed_tokens.weight"], weights.tensors["model.norm.weight"]
        tensors = [self._hold(tensor) for tensor in (embeddings, norm, cos, sin)]
        return _Model(
            layers,
            head,
            *tensors,
            targets.ctypes.data,
            config.layers,
            config.hidden,
            config.inner,
            config.heads,
            config.kv_heads,
            config.head_size,
            config.vocabulary,
            config.epsilon,
        )

    def _linear(self, weights: Weights, names: Sequence[str]) -> PackedLinear:
        return pack_linear(
            self._library,
            [weight for name in names if (weight := weights.weight(name)) is not None],
            [weights.bias(name) for name in names],
            mixed=names[0].endswith("gate_proj"),
            threads=self._threads,
        )

    def _hold(self, tensor: torch.Tensor) -> int:
        kept = tensor.detach().float().contiguous()
        self._held.append(kept)
        return kept.data_ptr()
