"""Steps that a GPU repeats from a recording, because starting their hundreds of kernels one by one takes longer.

A recording (a CUDA graph) repeats the same kernels on the same addresses and sizes. So steps are rounded up to a few
sizes, the inputs are copied to where the recording reads them, and all recordings are let go when something that they
point to moves.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import structlog
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    Compute = Callable[[torch.Tensor, int], torch.Tensor]
    Capture = Callable[[Callable[[], torch.Tensor]], Callable[[], torch.Tensor]]

RECORDINGS = 32
"""Recordings kept; the one unused for longest goes. They share their memory, since one runs after the other."""

SEEN = 1000
"""Sizes remembered that were computed once."""

log = structlog.get_logger(__name__)


class CudaCapture:
    """Records CUDA work: called with a function, returns one that repeats it and returns the same tensor again.

    Other threads may use the GPU meanwhile, so an adapter can be brought in while a step is recorded.
    """

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._memory = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        """Record."""
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

        def repeat() -> torch.Tensor:
            graph.replay()
            return result

        return repeat


class Replays:
    """Computes steps: of each size once as they come, and from a recording when that size comes again.

    :param compute: gets a step's numbers, shape ``(rows, columns)``, on the device, and how many seats are in use.
    :param capture: makes what records, at the start and whenever nothing recorded is left; ``None``: nothing is
        recorded, and nothing rounded up.
    """

    def __init__(self, compute: Compute, device: torch.device, capture: Callable[[], Capture] | None) -> None:
        self._compute = compute
        self._device = device
        self._new_capture = capture
        self.clear()

    def clear(self) -> None:
        """Let all recordings go, because something that they point to has moved."""
        self._seen: set[tuple[int, ...]] = set()
        self._kept: OrderedDict[tuple[int, ...], tuple[torch.Tensor, Callable[[], torch.Tensor]]] = OrderedDict()
        # PyTorch takes no memory pool again whose graphs are all gone.
        self._capture = self._new_capture and self._new_capture()

    def sizes(self, rows: int, pages: int, seats: int) -> tuple[int, int, int]:
        """Return the sizes to compute a step with, rounded up so that few differ."""
        if self._capture is None:
            return rows, pages, seats
        return _power(rows, 1) if rows <= 16 else -(-rows // 16) * 16, _near(pages), _power(seats, 2) if seats else 0  # noqa: PLR2004

    def __call__(self, numbers: torch.Tensor, seats: int) -> torch.Tensor:
        """Compute a step; what it returns holds until the next one."""
        key = (*numbers.shape, seats)
        if key not in self._kept and not self._record(key, numbers, seats):
            return self._compute(numbers.to(self._device), seats)
        self._kept.move_to_end(key)
        inputs, repeat = self._kept[key]
        inputs.copy_(numbers)
        return repeat()

    def _record(self, key: tuple[int, ...], numbers: torch.Tensor, seats: int) -> bool:
        """Record a step that was computed before, and return whether there is a recording now."""
        if self._capture is None or key not in self._seen:
            # The first time it is computed as it comes, which also loads the kernels that it needs.
            self._seen = {key} if len(self._seen) >= SEEN else self._seen | {key}
            return False
        inputs = numbers.to(self._device)
        try:
            self._kept[key] = inputs, self._capture(lambda: self._compute(inputs, seats))
        except RuntimeError as error:
            log.warning("steps_not_recorded", reason=str(error), rows=len(numbers))
            self._new_capture = None
            self.clear()
            return False
        if len(self._kept) > RECORDINGS:
            self._kept.popitem(last=False)
        return True


def _power(number: int, bits: int) -> int:
    """Return the first power of ``2 ** bits`` that is not below, from that on (or 1 for one bit)."""
    exponent = max(1 if bits > 1 else 0, -(-(number - 1).bit_length() // bits))
    return 1 << bits * exponent


def _near(number: int) -> int:
    """Return the first of 4, 6, 8, 12, 16, 24, 32, … that is not below."""
    power = max(4, 1 << (number - 1).bit_length())
    return power // 4 * 3 if power > 4 and number <= power // 4 * 3 else power  # noqa: PLR2004
