"""A running batch for transformers: rows of different lengths join, take steps and leave, in one set of tensors.

Rows are padded on the left, so the newest token of every row is in the last column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from transformers.cache_utils import Cache, DynamicLayer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


ROOM = 128
"""Columns by which a cache grows; each growth copies it once."""


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call] # transformers has no types there
    """Keys and values of one layer in buffers with spare room, shape ``(rows, heads, columns, head_size)``.

    transformers' own layer copies everything at every step (``torch.cat``), which costs more than the step itself for
    sixteen rows of 600 tokens.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # as above
        self._buffers: tuple[torch.Tensor, torch.Tensor] | None = None
        self._length = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append columns and return all keys and values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self._length = self._length, self._length + key_states.shape[-2]
        if self._buffers is None or self._buffers[0].shape[-2] < self._length:
            self._grow(key_states, value_states, start)
        assert self._buffers is not None
        for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[:, :, start : self._length] = states
        return self._show()

    def get_seq_length(self) -> int:
        return self._length

    def select(self, rows: torch.Tensor, first_column: int) -> None:
        """Keep the given rows, and the columns from ``first_column`` on."""
        self._replace([part[rows, :, first_column:] for part in self._show()])

    def join(self, other: GrowingLayer) -> None:
        """Append the other layer's rows to these, both aligned on the right."""
        length = max(self._length, other._length)
        parts = []
        for mine, theirs in zip(self._show(), other._show(), strict=True):
            whole = mine.new_zeros(mine.shape[0] + theirs.shape[0], mine.shape[1], length + ROOM, mine.shape[3])
            whole[: mine.shape[0], :, length - mine.shape[2] : length] = mine
            whole[mine.shape[0] :, :, length - theirs.shape[2] : length] = theirs
            parts.append(whole)
        self._buffers, self._length = (parts[0], parts[1]), length
        self._show()

    def _grow(self, key_states: torch.Tensor, value_states: torch.Tensor, start: int) -> None:
        grown = []
        for i, states in enumerate((key_states, value_states)):
            rows, heads, _, size = states.shape
            # Zeros, not empty memory: a masked column is multiplied by zero, and NaN times zero is NaN.
            buffer = states.new_zeros(rows, heads, self._length + ROOM, size)
            if self._buffers is not None:
                buffer[:, :, :start] = self._buffers[i][:, :, :start]
            grown.append(buffer)
        self._buffers = (grown[0], grown[1])

    def _replace(self, parts: list[torch.Tensor]) -> None:
        self._buffers, self._length = (parts[0], parts[1]), parts[0].shape[-2]
        self._show()

    def _show(self) -> tuple[torch.Tensor, torch.Tensor]:
        assert self._buffers is not None
        keys, values = (buffer[:, :, : self._length] for buffer in self._buffers)
        self.keys, self.values = keys, values
        return keys, values


class Batch:
    """Rows that are decoded together. For use in one thread.

    :param forward: the model's forward; called with a row-wise ``names`` list besides the usual inputs.
    """

    def __init__(self, forward: Callable[..., torch.Tensor], device: torch.device) -> None:
        self._forward = forward
        self._device = device
        self._names: list[Any] = []
        self._cache: Cache | None = None
        self._mask = torch.zeros(0, 0, dtype=torch.long, device=device)

    def __len__(self) -> int:
        return len(self._names)

    @torch.inference_mode()
    def add(self, prompts: Sequence[Sequence[int]], names: Sequence[Any]) -> torch.Tensor:
        """Read prompts into new rows at the end; return their next-token logits, shape ``(prompts, vocabulary)``."""
        width = max(map(len, prompts))
        ids = torch.zeros(len(prompts), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt, dtype=torch.long)
            mask[row, width - len(prompt) :] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        cache = Cache(layer_class_to_replicate=GrowingLayer)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        logits = self._forward(
            names=list(names), input_ids=ids, attention_mask=mask, position_ids=positions, cache=cache
        )
        self._join(cache, mask)
        self._names += names
        return logits

    @torch.inference_mode()
    def step(self, tokens: Sequence[int]) -> torch.Tensor:
        """Append one token to each row; return the next-token logits, shape ``(rows, vocabulary)``."""
        ids = torch.tensor(tokens, dtype=torch.long, device=self._device)[:, None]
        positions = self._mask.sum(-1, keepdim=True)
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self), 1)], dim=-1)
        return self._forward(
            names=self._names, input_ids=ids, attention_mask=self._mask, position_ids=positions, cache=self._cache
        )

    @torch.inference_mode()
    def keep(self, rows: Sequence[int]) -> None:
        """Drop all other rows, and the columns that only they needed."""
        if not rows:
            self.clear()
            return
        self._names = [self._names[row] for row in rows]
        index = torch.tensor(rows, dtype=torch.long, device=self._device)
        mask = self._mask[index]
        first = int(mask.any(dim=0).int().argmax())
        self._mask = mask[:, first:]
        assert self._cache is not None
        for layer in _layers(self._cache):
            layer.select(index, first)

    def clear(self) -> None:
        self._names, self._cache = [], None
        self._mask = torch.zeros(0, 0, dtype=torch.long, device=self._device)

    def _join(self, cache: Cache, mask: torch.Tensor) -> None:
        if self._cache is None:
            self._cache, self._mask = cache, mask
            return
        for mine, theirs in zip(_layers(self._cache), _layers(cache), strict=True):
            mine.join(theirs)
        width = max(self._mask.shape[1], mask.shape[1])
        padded = [torch.nn.functional.pad(part, (width - part.shape[1], 0)) for part in (self._mask, mask)]
        self._mask = torch.cat(padded)


def _layers(cache: Cache) -> list[GrowingLayer]:
    return cast("list[GrowingLayer]", cache.layers)
