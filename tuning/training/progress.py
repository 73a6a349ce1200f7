"""Reports the progress of a training."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

PROGRESS = "progress.jsonl"


class Progress:
    """Appends to ``progress.jsonl``, one JSON object per line.

    A resumed training repeats the steps since its checkpoint. Readers keep the last line of each phase and step.

    :param units: total work in supervised tokens, to estimate the remaining time.
    """

    def __init__(self, folder: Path, units: float) -> None:
        self._path = folder / PROGRESS
        self._units = units
        self._done = 0.0
        self._timed = 0.0
        self._seconds = 0.0

    def note(self, phase: str, text: str, **words: str) -> None:
        """Write a message, such as why a phase is skipped."""
        self._write({"phase": phase, "note": text, **words})

    def skip(self, units: float) -> None:
        """Count work that was done before an interruption."""
        self._done += units

    def step(  # noqa: PLR0913 - one field of the line each
        self, phase: str, step: int, steps: int, *, tokens: int, units: float, seconds: float, **numbers: float
    ) -> None:
        """Record a finished step. ``tokens`` doesn't include padding."""
        self._done += units
        self._timed += units
        self._seconds += seconds
        left = max(0.0, self._units - self._done) * self._seconds / max(self._timed, 1e-9)
        numbers |= {"tokens_per_second": tokens / max(seconds, 1e-9), "eta_seconds": left}
        rounded = {key: round(value, 6) for key, value in numbers.items()}
        self._write({"phase": phase, "step": step, "steps": steps, **rounded})

    def _write(self, line: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**line, "at": round(time.time(), 3)}) + "\n")
