"""Weights in huge pages, because a step reads them from end to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

CACHE_LINE = 64
"""Bytes."""


class HugePages:
    """One block of memory for copies of tensors, each aligned to a cache line.

    NumPy asks the system for pages of 2 MB when it allocates 4 MB or more. With pages of 4 kB a step that reads all
    weights also waits for address translation, and the CPU prefetches no further than a page.

    :param sizes: of the tensors, in bytes.
    """

    def __init__(self, sizes: Iterable[int]) -> None:
        room = CACHE_LINE + sum(self._rounded(size) for size in sizes)
        memory = torch.from_numpy(np.empty(room, dtype=np.uint8))
        self._rest = memory[-memory.data_ptr() % CACHE_LINE :]

    def keep(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a copy of the tensor in this block."""
        size = tensor.nbytes
        copy = self._rest[:size].view(tensor.dtype).view(tensor.shape)
        self._rest = self._rest[self._rounded(size) :]
        return copy.copy_(tensor)

    @staticmethod
    def _rounded(size: int) -> int:
        return -(-size // CACHE_LINE) * CACHE_LINE
