"""LoRA slots: the adapters of running answers stacked in one tensor, at addresses that stay as answers come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class LowRank:
    """The stacked LoRA weights of linear layers that share an input.

    :param down: all ``A``, shape ``(ranks, inputs)``.
    :param up: all ``B``, shape ``(ranks, outputs)``, zero for the outputs of other layers.
    :param foreign: which ranks belong to another row's adapter, shape ``(rows, ranks)``; ``None`` if none do.
    """

    down: torch.Tensor
    up: torch.Tensor
    foreign: torch.Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LoraWeights:
    """One adapter, or several, for each group of linear layers (``model_config.linear_names``)."""

    groups: tuple[LowRank | None, ...]


class LoraSlots:
    """Slots for adapters in one tensor per group of linear layers; the first free one is used first.

    Every row of a step is multiplied by all slots in use, then results of other rows' adapters are set to zero. At LoRA
    ranks that is little arithmetic, and Python takes no step per adapter.

    :param sizes: ``(inputs, outputs)`` of each group.
    :param moved: called when the slots have moved to other addresses: more slots or higher ranks were needed.
    """

    def __init__(
        self, sizes: Sequence[tuple[int, int]], dtype: torch.dtype, device: torch.device, moved: Callable[[], None]
    ) -> None:
        self._sizes = sizes
        self._dtype, self._device = dtype, device
        self._moved = moved
        self._held: list[LoraWeights | None] = []
        self._ranks = [0] * len(sizes)
        self._down: list[torch.Tensor] = []
        self._up: list[torch.Tensor] = []

    def place(self, adapters: Sequence[LoraWeights], count: int) -> list[int]:
        """Put these distinct adapters into the first ``count`` slots, and return the slot of each."""
        found = {id(adapter): slot for slot, adapter in enumerate(self._held[:count]) if adapter}
        if all(id(adapter) in found for adapter in adapters):
            return [found[id(adapter)] for adapter in adapters]
        ranks = [
            max(rank, *(len(group.down) if group else 0 for group in groups))
            for rank, *groups in zip(self._ranks, *(adapter.groups for adapter in adapters), strict=True)
        ]
        if count > len(self._held) or ranks != self._ranks:
            self._build(max(count, len(self._held)), ranks)
            found = {}
        kept = {found[id(adapter)] for adapter in adapters if id(adapter) in found}
        free = iter(slot for slot in range(count) if slot not in kept)
        return [
            found[key] if (key := id(adapter)) in found else self._fill(next(free), adapter) for adapter in adapters
        ]

    def stacked(self, slots: torch.Tensor, count: int) -> LoraWeights:
        """Return the first ``count`` slots as one adapter, for rows that use the given ``slots`` (-1: no adapter)."""
        foreign = {
            rank: slots[:, None] != torch.arange(count * rank, device=self._device) // rank
            for rank in {*self._ranks} - {0}
        }
        return LoraWeights(
            tuple(
                LowRank(down[:count].flatten(0, 1), up[:count].flatten(0, 1), foreign[rank]) if rank else None
                for down, up, rank in zip(self._down, self._up, self._ranks, strict=True)
            )
        )

    def _build(self, count: int, ranks: list[int]) -> None:
        self._held, self._ranks = [None] * count, ranks
        self._down, self._up = [], []
        self._moved()
        for (inputs, outputs), rank in zip(self._sizes, ranks, strict=True):
            self._down.append(torch.zeros(count, rank, inputs, dtype=self._dtype, device=self._device))
            self._up.append(torch.zeros(count, rank, outputs, dtype=self._dtype, device=self._device))

    def _fill(self, slot: int, adapter: LoraWeights) -> int:
        self._held[slot] = adapter
        for down, up, group in zip(self._down, self._up, adapter.groups, strict=True):
            ranks = len(group.down) if group else 0
            if group:
                down[slot, :ranks] = group.down
                up[slot, :ranks] = group.up
            # What the slot's last adapter left in ``up`` is multiplied by these zeros.
            down[slot, ranks:] = 0
        return slot
