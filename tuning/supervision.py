"""What stands around a training process: one at a time per work folder, gone with its parent, heard while it runs."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bot.errors import BusyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRESS = "progress.jsonl"
PARENT_SECONDS = 0.5
ORPHANED = 75


class Progress:
    """Writes ``progress.jsonl``: one JSON object a line, appended and flushed, for the round that waits.

    A resumed training writes the steps since its checkpoint again: readers keep the last line of each phase and step.

    :param units: all the work there is, in tokens of the cheapest phase; for the time left.
    """

    def __init__(self, folder: Path, units: float) -> None:
        self._path = folder / PROGRESS
        self._units = units
        self._done = 0.0
        self._timed = 0.0
        self._seconds = 0.0

    def note(self, phase: str, text: str, **words: str) -> None:
        """Say something that is no number, such as why a phase is skipped."""
        self._write({"phase": phase, "note": text, **words})

    def skip(self, units: float) -> None:
        """Count work that an earlier run has done."""
        self._done += units

    def step(  # noqa: PLR0913 - one field of the line each
        self, phase: str, step: int, steps: int, *, tokens: int, units: float, seconds: float, **numbers: float
    ) -> None:
        """Record a finished step; ``tokens`` are real ones, without padding."""
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


@contextmanager
def only_one(work: Path) -> Iterator[None]:
    """Hold the work folder; the kernel lets go of it however the process ends.

    :raises BusyError: another process is training there.
    """
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"Another trainer is at work in {work}.", retry_after=60) from None
        yield


def end_with_parent(parent: int) -> None:
    """Leave as soon as the parent process is gone, so that no trainer runs without a round that wants it.

    A thread looks, every :data:`PARENT_SECONDS`. Linux's ``PR_SET_PDEATHSIG`` would fire when the parent's *thread*
    ends, and a round starts its trainer from a worker thread.

    :param parent: the parent's process id, taken at the very start.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_SECONDS)
        os._exit(ORPHANED)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
