"""Adapters of running answers below each other, at addresses that stay while answers come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class LowRank:
    """Adapters' parts of layers that share an input, below each other.

    :param down: all ``A``, shape ``(ranks, inputs)``.
    :param up: all ``B``, shape ``(ranks, outputs)``, zero for the outputs of other layers.
    :param foreign: where a rank is not of the row's adapter, shape ``(rows, ranks)``; ``None``: all are of all rows.
    """

    down: torch.Tensor
    up: torch.Tensor
    foreign: torch.Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Packed:
    """An adapter, or several, for each group of linear layers (:func:`bot.engines.decoder.shape.linear_names`)."""

    groups: tuple[LowRank | None, ...]


class Seats:
    """Seats for adapters in one tensor for each group of linear layers; the first ones are taken first.

    Every row of a step is multiplied with all seats in use, and what is not of its own adapter is set to zero. That is
    little arithmetic for their ranks, and no step of Python for each adapter.

    :param sizes: ``(inputs, outputs)`` of each group.
    :param moved: called when the seats have moved to other addresses, which happens when more or wider ones are needed.
    """

    def __init__(
        self, sizes: Sequence[tuple[int, int]], dtype: torch.dtype, device: torch.device, moved: Callable[[], None]
    ) -> None:
        self._sizes = sizes
        self._dtype, self._device = dtype, device
        self._moved = moved
        self._held: list[Packed | None] = []
        self._widths = [0] * len(sizes)
        self._down: list[torch.Tensor] = []
        self._up: list[torch.Tensor] = []

    def place(self, adapters: Sequence[Packed], count: int) -> list[int]:
        """Bring these adapters, no two alike, into the first ``count`` seats, and return the seat of each."""
        found = {id(packed): seat for seat, packed in enumerate(self._held[:count]) if packed}
        if all(id(packed) in found for packed in adapters):
            return [found[id(packed)] for packed in adapters]
        widths = [
            max(width, *(len(group.down) if group else 0 for group in groups))
            for width, *groups in zip(self._widths, *(packed.groups for packed in adapters), strict=True)
        ]
        if count > len(self._held) or widths != self._widths:
            self._build(max(count, len(self._held)), widths)
            found = {}
        kept = {found[id(packed)] for packed in adapters if id(packed) in found}
        free = iter(seat for seat in range(count) if seat not in kept)
        return [found[key] if (key := id(packed)) in found else self._fill(next(free), packed) for packed in adapters]

    def mixed(self, seats: torch.Tensor, count: int) -> Packed:
        """Return the first ``count`` seats for rows that have the adapters in ``seats`` (-1: none), as one."""
        foreign = {
            width: seats[:, None] != torch.arange(count * width, device=self._device) // width
            for width in {*self._widths} - {0}
        }
        return Packed(
            tuple(
                LowRank(down[:count].flatten(0, 1), up[:count].flatten(0, 1), foreign[width]) if width else None
                for down, up, width in zip(self._down, self._up, self._widths, strict=True)
            )
        )

    def _build(self, count: int, widths: list[int]) -> None:
        self._held, self._widths = [None] * count, widths
        self._down, self._up = [], []
        self._moved()
        for (inputs, outputs), width in zip(self._sizes, widths, strict=True):
            self._down.append(torch.zeros(count, width, inputs, dtype=self._dtype, device=self._device))
            self._up.append(torch.zeros(count, width, outputs, dtype=self._dtype, device=self._device))

    def _fill(self, seat: int, packed: Packed) -> int:
        self._held[seat] = packed
        for down, up, group in zip(self._down, self._up, packed.groups, strict=True):
            ranks = len(group.down) if group else 0
            if group:
                down[seat, :ranks] = group.down
                up[seat, :ranks] = group.up
            # What is left of its last owner in ``up`` is multiplied by these zeros.
            down[seat, ranks:] = 0
        return seat
