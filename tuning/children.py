"""Start a child of :mod:`tuning.child`, follow its progress file, and say how it ended. No model library here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from bot.errors import MenteeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    Progress = Mapping[str, Any]

POLL_SECONDS = 0.2
STOP_SECONDS = 10.0
LOG_LINES = 3
OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that come from outside; a child that ends by another one (abort, segmentation fault) failed by itself."""


class ChildFailedError(MenteeError):
    """The child ended with an error; the text holds the last lines it wrote."""

    status = 500


class ChildKilledError(MenteeError):
    """The child was killed by a signal (out of memory, an operator): an interruption, not a failure of its own."""

    status = 503


class ChildStoppedError(MenteeError):
    """The child was stopped because ``should_stop`` said so."""


def run(
    module: str,
    job: Path,
    progress: Path,
    *,
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run a module in a child process until it ends.

    :param progress: JSON-lines file the child appends to; each line there is handed to ``on_progress`` once per call.
    :param should_stop: asked five times a second; the child is stopped when it says so.
    :raises ChildFailedError: it ended with an exit code other than 0, or crashed.
    :raises ChildKilledError: a signal from outside killed it.
    :raises ChildStoppedError: ``should_stop`` said so.
    """
    log = job.with_suffix(".log")
    start = progress.stat().st_size if progress.is_file() else 0
    lines = _Tail(progress, start)
    command = [sys.executable, "-m", "tuning.child", module, str(job)]
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment) as child,  # noqa: S603
    ):
        try:
            while child.poll() is None:
                for line in lines.new():
                    on_progress(line)
                if should_stop():
                    raise ChildStoppedError("The work was stopped.")
                time.sleep(POLL_SECONDS)
        finally:
            _end(child)
    for line in lines.new():
        on_progress(line)
    _judge(module, child.returncode, log)


def _judge(module: str, code: int, log: Path) -> None:
    if -code in OUTSIDE:
        raise ChildKilledError(f"{module} was killed by signal {-code}.", hint=f"Its log: {log}")
    if code:
        said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        crash = f"{module} crashed with signal {-code}." if code < 0 else f"{module} failed."
        raise ChildFailedError(" ".join(said[-LOG_LINES:]) or crash, hint=f"Its log: {log}")


class _Tail:
    """The lines added to a JSON-lines file since the last look; a line still being written waits."""

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        self._offset = start

    def new(self) -> Iterator[Progress]:
        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        for line in complete.splitlines():
            try:
                yield json.loads(line)
            except ValueError:  # a killed child's last line, cut and then continued by the next one
                continue


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
