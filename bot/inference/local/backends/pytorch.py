"""The decoder in PyTorch: for GPUs, and for CPUs where the compiled decoder isn't faster.

Tokens are computed in one of two ways. *Prefill* reads chunks of prompts: sequence after sequence, each with its own
adapter. A *step* computes a few tokens of each sequence, the next one and guesses: row after row, each with its own
page table, all adapters in one product. On a GPU steps are captured in CUDA graphs.
"""

from __future__ import annotations

import math
import time
from array import array
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

from bot.inference.local.backends.cuda_graphs import CudaCapture, CudaGraphs
from bot.inference.local.backends.lora_slots import LoraSlots, LoraWeights, LowRank
from bot.inference.local.model_config import PAGE, PREFILL_CHUNKS, linear_names, lora_parts, rotations
from bot.inference.local.prompt_lookup import MAX_GUESSES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.inference.local.adapters import Adapter
    from bot.inference.local.backends.cuda_graphs import Capture
    from bot.inference.local.model_config import ModelConfig, Segment
    from bot.inference.weights import Weights

SHORT = MAX_GUESSES + 1
"""Tokens of a sequence up to which a step computes them; more are prefilled."""

PASS_SECONDS = 0.05
"""How long a chunk of a prompt may delay running answers."""

PASS_SHARE = 0.5
"""The share of a GPU's matrix product rate that prefill reaches, for the size of chunks."""

CHUNK_LIMITS = 128, 8192
"""Fewest and most tokens of a chunk on a GPU; more would take memory and gain nothing."""

# Not cuDNN's, which compiles for every new length.
ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]

Part = tuple[slice, LoraWeights]
"""An adapter, or several, and the rows that use it."""


class TensorDecoder:
    """Implements :class:`bot.inference.local.model_config.Decoder` in the dtype and on the device of the weights.

    :param capture: makes what captures steps; by default CUDA's on a GPU and none elsewhere.
    """

    def __init__(self, weights: Weights, config: ModelConfig, *, capture: Callable[[], Capture] | None = None) -> None:
        self.config = config
        self._embeddings = weights.tensors["model.embed_tokens.weight"]
        self._dtype, self._device = self._embeddings.dtype, self._embeddings.device
        self.dtype_name = str(self._dtype).removeprefix("torch.")
        self.page_bytes = config.page_numbers() * self._dtype.itemsize
        self._names = linear_names(config.layers)
        self._weights = [_fused(weights, names) for names in self._names]
        self._norms = [
            weights.tensors[f"model.layers.{n}.{name}.weight"]
            for n in range(config.layers)
            for name in ("input_layernorm", "post_attention_layernorm")
        ]
        self._norm = weights.tensors["model.norm.weight"]
        cos, sin = (part.to(self._device) for part in rotations(weights.config, config))
        self._cos, self._sin = cos[:, None, None], torch.stack([-sin, sin], dim=1)[:, None]
        self._cache = torch.empty(0)
        if capture is None and self._device.type == "cuda":
            capture = CudaCapture
        self._graphs = CudaGraphs(self._device, capture)
        sizes = [(weight.shape[1], weight.shape[0]) for weight, _ in self._weights]
        self._lora_slots = LoraSlots(sizes, self._dtype, self._device, self._graphs.clear)
        layers = sum(weight.numel() for weight, _ in self._weights[:-1])
        self.prefill_chunks = prefill_chunks_on(self._device, self._dtype, 2 * layers)

    def reserve(self, pages: int) -> None:
        """Allocate so many pages, and one for padding rows.

        Zeros, because masked values are multiplied by zero, and NaN times zero is NaN.
        """
        config = self.config
        sizes = (config.layers, (pages + 1) * PAGE, 2 * config.kv_heads, config.head_size)
        self._cache = _zeros(sizes, self._dtype, self._device)
        self._graphs.clear()

    def pack(self, adapter: Adapter) -> LoraWeights:
        """Convert an adapter to the model's dtype and move it to its device."""
        groups: list[LowRank | None] = []
        for names, (weight, _) in zip(self._names, self._weights, strict=True):
            parts = lora_parts(adapter, names)
            ranks = sum(pair[0].shape[0] for pair in parts if pair)
            down, up = weight.new_zeros(ranks, weight.shape[1]), weight.new_zeros(ranks, weight.shape[0])
            first = start = 0
            for pair, outputs in zip(parts, self._outputs(names), strict=True):
                if pair:
                    last = first + pair[0].shape[0]
                    down[first:last] = pair[0].to(self._device)
                    up[first:last, start : start + outputs] = pair[1].to(self._device).T
                    first = last
                start += outputs
            groups.append(LowRank(down, up) if ranks else None)
        return LoraWeights(tuple(groups))

    @torch.inference_mode()
    def forward(self, segments: Sequence[Segment]) -> torch.Tensor:
        """Return the next-token logits wanted, float32, shape ``(sum of wanted, vocabulary)``."""
        short = [segment for segment in segments if len(segment.tokens) <= SHORT]
        long = [segment for segment in segments if len(segment.tokens) > SHORT]
        with sdpa_kernel(ATTENTION):
            # The longer work first: the GPU computes it while the step is prepared.
            read = self._prefill(long) if long else None
            step = self._short_step(short) if short else None
        if read is None or step is None:
            found = read if step is None else step
            return torch.empty(0, self.config.vocabulary, device=self._device) if found is None else found
        reads, steps = (
            iter(torch.split(found, [segment.wanted for segment in part]))
            for found, part in ((read, long), (step, short))
        )
        return torch.cat([next(steps if len(segment.tokens) <= SHORT else reads) for segment in segments])

    def _short_step(self, segments: Sequence[Segment]) -> torch.Tensor | None:
        """Compute a few tokens of each sequence; return ``None`` if no logits are wanted."""
        adapters = {id(segment.adapter): segment.adapter for segment in segments if segment.adapter is not None}
        count = sum(len(segment.tokens) for segment in segments)
        pages = max(len(segment.pages) for segment in segments)
        rows, width, slots = self._graphs.sizes(count, pages, len(adapters))
        slot = dict(zip(adapters, self._lora_slots.place([*adapters.values()], slots), strict=True)) if adapters else {}
        padding = len(self._cache[0]) // PAGE - 1
        numbers: list[int] = []
        for segment in segments:
            table = [*segment.pages, *[padding] * (width - len(segment.pages))]
            own = slot.get(id(segment.adapter), -1)
            for at, token in enumerate(segment.tokens, segment.position):
                numbers += (token, at, own, *table)
        numbers += [0, 0, -1, *[padding] * width] * (rows - count)
        # Several times faster than torch.tensor().
        step = torch.frombuffer(array("q", numbers), dtype=torch.long).view(rows, -1)
        logits = self._graphs(self._step, step, slots)
        ends = accumulate(len(segment.tokens) for segment in segments)
        wanted = [n for end, segment in zip(ends, segments, strict=True) for n in range(end - segment.wanted, end)]
        if not wanted:
            return None
        kept = logits[:count] if len(wanted) == count else logits[torch.tensor(wanted, device=self._device)]
        # A replayed step's tensor is valid until the next one.
        return kept.to(torch.float32, copy=True)

    def _step(self, numbers: torch.Tensor, slots: int) -> torch.Tensor:
        """Return the logits of rows, each a sequence's one token, given token, position, slot and pages of each."""
        tokens, positions, table = numbers[:, 0], numbers[:, 1], numbers[:, 3:]
        kv_slots = table.gather(1, positions[:, None] // PAGE)[:, 0] * PAGE + positions % PAGE
        mask = self._mask(positions[:, None], table.shape[1])[:, None]
        parts = [(slice(None), self._lora_slots.stacked(numbers[:, 2], slots))] if slots else []

        def attend(layer: int, heads: torch.Tensor) -> torch.Tensor:
            return self._attend(layer, heads[:, None, : self.config.heads], table, mask)[:, 0]

        state = self._layers(tokens, positions, kv_slots, parts, attend)
        return self._linear(-1, self._normalized(state, self._norm), parts)

    def _prefill(self, segments: Sequence[Segment]) -> torch.Tensor | None:
        """Compute chunks of prompts; return ``None`` if no logits are wanted."""
        batch = _Prefill(segments, self._device)
        masks = [self._chunk_mask(chunk) if chunk.first else None for chunk in batch.chunks]

        def attend(layer: int, heads: torch.Tensor) -> torch.Tensor:
            mixed = heads.new_empty(len(heads), self.config.heads * self.config.head_size)
            for chunk, mask in zip(batch.chunks, masks, strict=True):
                own = heads[None, chunk.rows]
                query = own[:, :, : self.config.heads]
                read = self._attend_within(own) if mask is None else self._attend(layer, query, chunk.table, mask)
                mixed[chunk.rows] = read[0]
            return mixed

        parts = _parts(segments, [len(segment.tokens) for segment in segments])
        state = self._layers(batch.tokens, batch.positions, batch.kv_slots, parts, attend)
        if not len(batch.wanted):
            return None
        kept = self._normalized(state[batch.wanted], self._norm)
        return self._linear(-1, kept, _parts(segments, [segment.wanted for segment in segments])).float()

    def _layers(
        self,
        tokens: torch.Tensor,
        positions: torch.Tensor,
        kv_slots: torch.Tensor,
        parts: Sequence[Part],
        attend: Callable[[int, torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """Return the state of rows after all layers, having written their keys and values to ``kv_slots``."""
        config = self.config
        state = self._embeddings[tokens]
        cos, sin = self._cos[positions], self._sin[positions]
        for layer in range(config.layers):
            hidden = self._normalized(state, self._norms[2 * layer])
            heads = self._linear(4 * layer, hidden, parts).view(len(state), -1, config.head_size)
            turning = config.heads + config.kv_heads
            pairs = heads[:, :turning].view(len(state), turning, 2, -1)
            pairs.copy_((pairs * cos).addcmul_(pairs.flip(2), sin))
            # A sequence's NaN must not reach the next owner of its pages, not even multiplied by zero.
            self._cache[layer][kv_slots] = heads[:, config.heads :].nan_to_num(0.0, 0.0, 0.0)
            state = self._linear(4 * layer + 1, attend(layer, heads), parts, state)
            hidden = self._normalized(state, self._norms[2 * layer + 1])
            gate, up = self._linear(4 * layer + 2, hidden, parts).chunk(2, dim=-1)
            state = self._linear(4 * layer + 3, silu(gate) * up, parts, state)
        return state

    def _attend(self, layer: int, query: torch.Tensor, table: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Attend to keys and values in pages.

        :param query: shape ``(sequences, length, heads, head size)``.
        :param table: their pages, shape ``(sequences, pages)``.
        :param mask: added to the products, shape ``(sequences, 1, length x heads for each key, pages x PAGE)`` or with
            1 in place of the third where ``length`` is 1.
        """
        config = self.config
        pages = self._cache[layer].view(-1, PAGE * 2 * config.kv_heads * config.head_size)
        stored = pages[table].view(len(table), -1, 2, config.kv_heads, config.head_size)
        keys, values = stored.permute(2, 0, 3, 1, 4)
        # Heads that share a key are laid out as positions, so that no kernel needs to copy the keys.
        count, length = query.shape[:2]
        grouped = query.view(count, length, config.kv_heads, -1, config.head_size).transpose(1, 2)
        read = scaled_dot_product_attention(grouped.flatten(2, 3), keys, values, attn_mask=mask)
        return read.view(count, config.kv_heads, length, -1, config.head_size).transpose(1, 2).flatten(2)

    def _attend_within(self, heads: torch.Tensor) -> torch.Tensor:
        """Attend within a prompt's first chunk, shape ``(1, length, heads, head size)``."""
        sizes = [self.config.heads, self.config.kv_heads, self.config.kv_heads]
        query, keys, values = (part.transpose(1, 2) for part in torch.split(heads, sizes, dim=2))
        read = scaled_dot_product_attention(query, keys, values, is_causal=True, enable_gqa=True)
        return read.transpose(1, 2).flatten(2)

    def _mask(self, positions: torch.Tensor, pages: int) -> torch.Tensor:
        """Return the mask that hides later positions, shape ``(*positions.shape, pages x PAGE)``."""
        hidden = torch.arange(pages * PAGE, device=self._device) > positions[..., None]
        return torch.zeros(hidden.shape, dtype=self._dtype, device=self._device).masked_fill_(hidden, -math.inf)

    def _chunk_mask(self, chunk: _Chunk) -> torch.Tensor:
        positions = torch.arange(chunk.first, chunk.first + chunk.rows.stop - chunk.rows.start, device=self._device)
        mask = self._mask(positions, chunk.table.shape[1])
        return mask.repeat_interleave(self.config.heads // self.config.kv_heads, dim=0)[None, None]

    def _normalized(self, state: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return rms_norm(state, (self.config.hidden,), weight, self.config.epsilon)

    def _linear(
        self, number: int, hidden: torch.Tensor, parts: Sequence[Part], onto: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the outputs of a group of linear layers with the rows' adapters; ``onto`` is changed to its sum."""
        weight, bias = self._weights[number]
        if onto is None:
            result = linear(hidden, weight, bias)
        else:
            result = onto.addmm_(hidden, weight.T)
            if bias is not None:
                result += bias
        for rows, packed in parts:
            if part := packed.groups[number]:
                low = linear(hidden[rows], part.down)
                if part.foreign is not None:
                    low.masked_fill_(part.foreign, 0.0)
                result[rows].addmm_(low, part.up)
        return result

    def _outputs(self, names: tuple[str, ...]) -> tuple[int, ...]:
        kv = self.config.kv_heads * self.config.head_size
        queries = self.config.heads * self.config.head_size
        whole = {"q_proj": queries, "k_proj": kv, "v_proj": kv, "lm_head": self.config.vocabulary}
        inner = {"gate_proj": self.config.inner, "up_proj": self.config.inner}
        return tuple((whole | inner).get(name.rpartition(".")[2], self.config.hidden) for name in names)


def prefill_chunks_on(device: torch.device, dtype: torch.dtype, operations: int) -> tuple[int, int]:
    """Return how many prompt tokens to read in a pass (:attr:`Decoder.prefill_chunks`).

    On a GPU the rate of matrix products is measured, which takes milliseconds.

    :param operations: in matrix products, for one token.
    """
    if device.type != "cuda":
        return PREFILL_CHUNKS
    rate = matrix_rate(device, dtype)
    fewest, most = CHUNK_LIMITS
    tokens = int(rate * PASS_SHARE * PASS_SECONDS / operations) // fewest * fewest
    chunk = min(max(tokens, fewest), most)
    return chunk, max(chunk, PREFILL_CHUNKS[1])


def matrix_rate(device: torch.device, dtype: torch.dtype, size: int = 4096) -> float:
    """Measure the operations a second of products of square matrices on a GPU."""
    left, right = (torch.randn(size, size, dtype=dtype, device=device) for _ in range(2))
    best = math.inf
    for _ in range(5):
        torch.cuda.synchronize(device)
        started = time.perf_counter()
        for _ in range(4):
            left @ right
        torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - started)
    return 4 * 2 * size**3 / best


def _zeros(sizes: Sequence[int], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return zeros. On a CPU, memory is taken when it is first written: most of a large cache may never be."""
    if device.type != "cpu":
        return torch.zeros(sizes, dtype=dtype, device=device)
    return torch.from_numpy(np.zeros(math.prod(sizes) * dtype.itemsize, dtype=np.uint8)).view(dtype).view(*sizes)


def _fused(weights: Weights, names: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor | None]:
    parts = [weight for name in names if (weight := weights.weight(name)) is not None]
    biases = [weights.bias(name) for name in names]
    if len(parts) == 1:
        return parts[0], biases[0]
    bias = None
    if any(each is not None for each in biases):
        pairs = zip(parts, biases, strict=True)
        bias = torch.cat([part.new_zeros(len(part)) if each is None else each for part, each in pairs])
    return torch.cat(parts), bias


def _parts(segments: Sequence[Segment], counts: Sequence[int]) -> list[Part]:
    """Return the adapter of each run of rows, given the number of rows per segment."""
    parts, start = [], 0
    for _, members in groupby(zip(segments, counts, strict=True), key=lambda pair: id(pair[0].adapter)):
        (segment, count), *others = members
        end = start + count + sum(count for _, count in others)
        if segment.adapter is not None and end > start:
            parts.append((slice(start, end), segment.adapter))
        start = end
    return parts


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk of a prompt: its rows, its first position, and its pages, shape ``(1, pages)``."""

    rows: slice
    first: int
    table: torch.Tensor


class _Prefill:
    """Chunks of prompts as tensors."""

    def __init__(self, segments: Sequence[Segment], device: torch.device) -> None:
        ends = [*accumulate(len(segment.tokens) for segment in segments)]
        tables = [torch.tensor([segment.pages]) for segment in segments]
        positions = [torch.arange(s.position, s.position + len(s.tokens)) for s in segments]
        kv_slots = [table[0, at // PAGE] * PAGE + at % PAGE for table, at in zip(tables, positions, strict=True)]
        tokens = [token for segment in segments for token in segment.tokens]
        numbers = torch.stack([torch.tensor(tokens), torch.cat(positions), torch.cat(kv_slots)])
        self.tokens, self.positions, self.kv_slots = numbers.to(device)
        self.chunks = [
            _Chunk(slice(end - len(segment.tokens), end), segment.position, table.to(device))
            for segment, end, table in zip(segments, ends, tables, strict=True)
        ]
        wanted = [n for end, segment in zip(ends, segments, strict=True) for n in range(end - segment.wanted, end)]
        self.wanted = torch.tensor(wanted, dtype=torch.long, device=device)
