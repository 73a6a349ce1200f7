"""The process behind :mod:`retrieval.parse.sandbox`: stays warm, and forks for each document a child with limits.

It never looks into a document itself. A request on stdin is a line of JSON and the document's bytes; the answer on
stdout is a line of JSON and the child's bytes. It leaves when stdin ends, or after a minute without work.

Usage: ``python -P -m retrieval.parse.child``.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bot.domain.errors import DocumentError
from retrieval.parse.confinement import PROGRESS, begin, limit, refuse_network
from retrieval.parse.dispatch import TEXT_PARSERS, loaded, read
from retrieval.parse.serialization import to_bytes
from retrieval.parse.suspicion import flagged
from retrieval.parse.text import EmptyError

if TYPE_CHECKING:
    from typing import NoReturn

IDLE_SECONDS = 60
MAX_ANSWER = 200_000_000
DONE = b"\n"
"""Ends a child's answer; JSON on one line holds no such byte."""
_READ = 1 << 20
_DESCRIPTORS = 256  # more than this process ever opens


def main() -> int:
    """Answer requests until there are none."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # meant for the server, which still needs this process while it drains
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    _silence()
    refuse_network()
    for parser in TEXT_PARSERS:
        loaded(parser.__module__, parser.__qualname__)
    gc.freeze()
    while select.select([requests], [], [], IDLE_SECONDS)[0] and (line := requests.readline()):
        request = json.loads(line)
        cause, answer = _forked(request, requests.read(request["size"]))
        answers.write(json.dumps({"cause": cause, "size": len(answer)}).encode() + b"\n" + answer)
        answers.flush()
    return 0


def _silence() -> None:
    """Point the standard streams nowhere: a library that prints must not spoil an answer."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


def _forked(request: dict[str, Any], data: bytes) -> tuple[str, bytes]:
    """Return why a child was ended early, or its answer."""
    with TemporaryDirectory(prefix="mentee-parse-", ignore_cleanup_errors=True) as folder:
        from_child, to_parent = os.pipe()
        child = os.fork()
        if not child:
            _parse_and_exit(request, data, folder, to_parent)
        os.close(to_parent)
        try:
            answer, cause = _received(from_child, request["seconds"], request["most_seconds"])
            status = _ended(child, at_once=bool(cause) or answer.endswith(DONE))
        finally:
            os.close(from_child)
    if cause or answer.endswith(DONE):
        return cause, b"" if cause else answer
    return f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "no answer", b""


def _received(source: int, seconds: float, most: float) -> tuple[bytes, str]:
    """Return all that a child says, and why it was not heard to its end.

    :param seconds: how long it may be silent before its answer begins, and take for the rest.
    :param most: how long it may take altogether.
    """
    parts: list[bytes] = []
    room = MAX_ANSWER
    end = time.monotonic() + most
    deadline = min(end, time.monotonic() + seconds)
    while room > 0:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([source], [], [], left)[0]:
            return b"", "time"
        part = os.read(source, _READ)
        if not part:
            return b"".join(parts), ""
        if not parts and not part.strip(PROGRESS):
            deadline = min(end, time.monotonic() + seconds)
            continue
        room -= len(part)
        parts.append(part)
    return b"", "size"


def _ended(child: int, *, at_once: bool) -> int:
    """Return a child's status after its end. What it started itself ends with it."""
    if at_once:
        _kill_group(child)
    _, status = os.waitpid(child, 0)
    _kill_group(child)
    return status


def _kill_group(child: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(child, signal.SIGKILL)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)


def _parse_and_exit(request: dict[str, Any], data: bytes, folder: str, answers: int) -> NoReturn:
    """Be the child: parse, answer and exit."""
    try:
        os.setsid()
        answers = os.dup2(answers, 3)
        os.closerange(4, _DESCRIPTORS)
        os.chdir(folder)
        os.environ["TMPDIR"] = os.environ["HOME"] = folder
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        sys.path[:] = request["path"]
        limit(request["most_seconds"], request["memory"], request["most_memory"])
        begin(answers, request["most_seconds"])
        with os.fdopen(answers, "wb") as out:
            out.write(_answer(request, data) + DONE)
    finally:
        os._exit(0)


def _answer(request: dict[str, Any], data: bytes) -> bytes:
    name, memory = request["name"], request["memory"] // 1024**2
    try:
        document = flagged(read(data, name, request["parsers"]))
        return to_bytes(document, request["characters"])
    except DocumentError as error:
        answer = {"error": error.text, "hint": error.hint, "empty": isinstance(error, EmptyError)}
    except MemoryError:
        answer = {"error": f"Can't read {name}: it needs more than {memory} MB.", "hint": "Split it."}
    except RecursionError:
        answer = {"error": f"Can't read {name}: it is nested too deeply.", "hint": "Save it again."}
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is the document's failure
        said = f"{type(error).__name__}: {error}"[:200]
        answer = {"error": f"Can't read {name}: its parser failed with {said}.", "hint": "Save it again."}
    return json.dumps(answer).encode()


if __name__ == "__main__":
    sys.exit(main())
