"""CUDA graphs: steps that a GPU replays, because launching their hundreds of kernels one by one takes longer.

A graph replays the same kernels on the same addresses and sizes. So steps are rounded up to a few sizes, inputs are
copied to where the graph reads them, and all graphs are dropped when a tensor that they point to moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import torch
from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Callable

    Compute = Callable[[torch.Tensor, int], torch.Tensor]
    Capture = Callable[[Callable[[], torch.Tensor]], Callable[[], torch.Tensor]]

MAX_GRAPHS = 32
"""Graphs kept. They share their memory, since one runs after the other."""

SEEN = 1000
"""Sizes remembered that were computed once."""

log = structlog.get_logger(__name__)


class CudaCapture:
    """Captures CUDA work: called with a function, returns one that replays it and returns the same tensor again.

    Other threads may use the GPU meanwhile, so an adapter can be loaded while a step is being captured.
    """

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call] # torch has no type there
        self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        graph = torch.cuda.CUDAGraph()
        self._stream.wait_stream(torch.cuda.current_stream())
        # torch.cuda.graph() would give the allocator's reserve back to the driver each time, which stalls answers.
        with torch.cuda.stream(self._stream):
            graph.capture_begin(self._memory, capture_error_mode="thread_local")
            try:
                result = work()
            finally:
                graph.capture_end()
        torch.cuda.current_stream().wait_stream(self._stream)

        def replay() -> torch.Tensor:
            graph.replay()
            return result

        return replay


class CudaGraphs:
    """Computes steps: the first of each size directly, later ones by replaying a graph.

    :param capture: makes a :class:`CudaCapture`, at the start and whenever no graph is left; ``None`` switches graphs
        and rounding off.
    """

    def __init__(self, device: torch.device, capture: Callable[[], Capture] | None) -> None:
        self._device = device
        self._new_capture = capture
        self.clear()

    def clear(self) -> None:
        """Drop all graphs, because a tensor that they point to has moved."""
        self._seen: set[tuple[int, ...]] = set()
        self._graphs: LRUCache[tuple[int, ...], tuple[torch.Tensor, Callable[[], torch.Tensor]]] = LRUCache(MAX_GRAPHS)
        # PyTorch does not reuse a memory pool whose graphs are all gone.
        self._capture = self._new_capture and self._new_capture()

    def sizes(self, rows: int, pages: int, lora_slots: int) -> tuple[int, int, int]:
        """Return the sizes to compute a step with, rounded up so that few differ."""
        if self._capture is None:
            return rows, pages, lora_slots
        rounded = _power(rows, 1) if rows <= 16 else -(-rows // 16) * 16  # noqa: PLR2004 - a power of 2, then steps of 16
        return rounded, _near(pages), _power(lora_slots, 2) if lora_slots else 0

    def __call__(self, compute: Compute, numbers: torch.Tensor, lora_slots: int) -> torch.Tensor:
        """Compute a step; the result is valid until the next one.

        :param compute: takes a step's numbers, shape ``(rows, columns)``, on the device, and the number of LoRA slots
            used. It isn't kept: its decoder's memory is freed at once when the decoder goes.
        """
        key = (*numbers.shape, lora_slots)
        if key not in self._graphs and not self._add(key, compute, numbers, lora_slots):
            return compute(numbers.to(self._device), lora_slots)
        inputs, replay = self._graphs[key]
        inputs.copy_(numbers)
        return replay()

    def _add(self, key: tuple[int, ...], compute: Compute, numbers: torch.Tensor, lora_slots: int) -> bool:
        """Capture a step of a size that was computed before; return whether there is a graph now."""
        if self._capture is None or key not in self._seen:
            # The first time is computed directly, which also loads the kernels it needs.
            self._seen = {key} if len(self._seen) >= SEEN else self._seen | {key}
            return False
        inputs = numbers.to(self._device)
        try:
            self._graphs[key] = inputs, self._capture(lambda: compute(inputs, lora_slots))
        except RuntimeError as error:
            log.warning("cuda_graphs_off", reason=str(error), rows=len(numbers))
            self._new_capture = None
            self.clear()
            return False
        return True


def _power(number: int, bits: int) -> int:
    """Return the first power of ``2 ** bits`` that is not below, from that on (or 1 for one bit)."""
    exponent = max(1 if bits > 1 else 0, -(-(number - 1).bit_length() // bits))
    return 1 << bits * exponent


def _near(number: int) -> int:
    """Return the first of 4, 6, 8, 12, 16, 24, 32, … that is not below."""
    power = max(4, 1 << (number - 1).bit_length())
    return power // 4 * 3 if power > 4 and number <= power // 4 * 3 else power  # noqa: PLR2004 - quarters
