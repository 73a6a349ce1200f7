"""Run a module that needs the model libraries as a child process: ``python -m tuning.child MODULE JOB.json``.

The child dies with its parent, also when that is killed: it holds the reading end of a pipe that ends with it. A lock
beside the job keeps a new child waiting until an old one of the same job is gone, so two never write one checkpoint.
"""

from __future__ import annotations

import fcntl
import os
import runpy
import sys
import threading
from pathlib import Path

from bot.errors import MenteeError


def main() -> None:
    """Watch the parent, take the job's lock, and run the module as ``__main__`` with the job as its argument."""
    module, job = sys.argv[1], Path(sys.argv[2])
    threading.Thread(target=_die_with_parent, daemon=True).start()
    lock = (job.parent / f".{job.name}.lock").open("w")  # closed, and so released, by the process's end
    fcntl.flock(lock, fcntl.LOCK_EX)
    sys.argv = [module, str(job)]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except MenteeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


def _die_with_parent() -> None:
    # Not sys.stdin: a thread that waits in it aborts the interpreter at its end.
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
