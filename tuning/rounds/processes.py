"""Runs modules that load a model in child processes.

The parent follows the child's progress file (:func:`run`). The child, ``python -m tuning.rounds.processes MODULE
JOB.json``, takes the job's lock, exits if its parent does, and runs the module (:func:`main`). No model library is
imported here.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from bot.domain.errors import MenteeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Progress = Mapping[str, Any]

POLL_SECONDS = 0.2
STOP_SECONDS = 10.0
LOG_LINES = 3
OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals sent by somebody else. Other signals, such as an abort or a segmentation fault, are failures of the child."""


class ChildFailedError(MenteeError):
    """The child failed. The text contains the last lines of its log."""

    status = 500


class ChildKilledError(MenteeError):
    """The child was killed from outside, such as by the out-of-memory killer: an interruption, not a failure."""

    status = 503


def run(
    module: str,
    job: Path,
    progress: Path,
    *,
    on_progress: Callable[[Progress], None],
    check_in: Callable[[], None] = lambda: None,
) -> None:
    """Run a module in a child process until it ends.

    :param progress: JSON-lines file that the child appends to; each new line is passed to ``on_progress``.
    :param check_in: called five times a second; what it raises stops the child.
    :raises ChildFailedError: it exited with an error, or crashed.
    :raises ChildKilledError: it was killed from outside.
    """
    log = job.with_suffix(".log")
    lines = _Tail(progress)
    command = [sys.executable, "-m", "tuning.rounds.processes", module, str(job)]
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    with (
        log.open("w", encoding="utf-8") as output,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output, env=environment) as child,  # noqa: S603 - our own module
    ):
        try:
            while child.poll() is None:
                for line in lines.new():
                    on_progress(line)
                check_in()
                time.sleep(POLL_SECONDS)
        finally:
            _end(child)
    for line in lines.new():
        on_progress(line)
    _check_end(module, child.returncode, log)


def _check_end(module: str, code: int, log: Path) -> None:
    if -code in OUTSIDE:
        raise ChildKilledError(f"{module} was killed by signal {-code}.", hint=f"Its log: {log}")
    if code:
        said = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
        crash = f"{module} crashed with signal {-code}." if code < 0 else f"{module} failed."
        raise ChildFailedError(" ".join(said[-LOG_LINES:]) or crash, hint=f"Its log: {log}")


class _Tail:
    """Reads the lines that were added to a JSON-lines file since the last call; incomplete lines wait."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = path.stat().st_size if path.is_file() else 0

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
            except ValueError:  # cut short when a child was killed
                continue


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def main() -> None:
    """Wait for the job's lock, then run the module as ``__main__`` with the job as its argument."""
    module, job = sys.argv[1], Path(sys.argv[2])
    threading.Thread(target=_die_with_parent, daemon=True).start()
    sys.argv = [module, str(job)]
    with FileLock(job.parent / f".{job.name}.lock"):  # so that two never write one checkpoint
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except MenteeError as error:
            sys.stderr.write(f"{error}\n")
            sys.exit(error.exit_code)


def _die_with_parent() -> None:
    """Exit when the parent does: its end of the pipe closes, however it exits.

    Linux's ``PR_SET_PDEATHSIG`` fires when the parent's *thread* exits, and rounds start children from a thread.
    """
    while os.read(0, 1024):  # not sys.stdin: a thread that waits in it aborts the interpreter at its end
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
