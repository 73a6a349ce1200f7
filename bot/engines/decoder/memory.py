"""Memory that a step reads from end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

CACHE_LINE = 64
"""Bytes."""


class LargePages:
    """One piece of memory for copies of tensors, each from a cache line on.

    NumPy asks the system for pages of 2 MB where it allocates 4 MB or more: a step reads all weights, and with pages of
    4 kB it waits for a table of addresses as well, and the CPU fetches ahead no further than a page.

    :param sizes: of the tensors, in bytes.
    """

    def __init__(self, sizes: Iterable[int]) -> None:
        room = CACHE_LINE + sum(self._rounded(size) for size in sizes)
        memory = torch.from_numpy(np.empty(room, dtype=np.uint8))
        self._rest = memory[-memory.data_ptr() % CACHE_LINE :]

    def keep(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a copy; the tensor itself may go."""
        size = tensor.nbytes
        copy = self._rest[:size].view(tensor.dtype).view(tensor.shape)
        self._rest = self._rest[self._rounded(size) :]
        return copy.copy_(tensor)

    @staticmethod
    def _rounded(size: int) -> int:
        return -(-size // CACHE_LINE) * CACHE_LINE
