"""The child process of :mod:`retrieval.parse.sandbox`: one document in on stdin, one JSON answer out on stdout.

Usage: ``python -m retrieval.parse.child MODULE CLASS NAME SECONDS BYTES``.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
from dataclasses import asdict

from bot.errors import DocumentError


def main(module: str, qualified_name: str, name: str, seconds: int, memory: int) -> int:
    """Parse stdin under the limits and print the document, or why there is none."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    parser = importlib.import_module(module)
    for part in qualified_name.split("."):
        parser = getattr(parser, part)
    out = sys.stdout
    sys.stdout = sys.stderr  # a library that prints must not spoil the answer
    try:
        answer = {"document": asdict(parser().parse(sys.stdin.buffer.read(), name))}  # type: ignore[operator]
    except DocumentError as error:
        answer = {"error": error.text, "hint": error.hint}  # type: ignore[dict-item]
    except MemoryError:
        answer = {"error": f"{name} needs more than {memory // 1_000_000} MB to read."}  # type: ignore[dict-item]
    except RecursionError:
        answer = {"error": f"{name} is nested too deeply to read."}  # type: ignore[dict-item]
    json.dump(answer, out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
