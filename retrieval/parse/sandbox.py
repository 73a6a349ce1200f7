"""Parsing in a child process with limits: a hostile document can kill the child, not the bot.

Starting Python takes longer than reading most documents. So a process stays warm and forks for every document a child
of its own (:mod:`retrieval.parse.child`), which begins like any other and shares nothing with the next.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bot.domain.errors import DocumentError
from retrieval.parse.serialization import from_json
from retrieval.parse.text import EmptyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.domain.documents.parsed import ParsedDocument
    from bot.domain.ports import Parser

SECONDS = 30
MOST_SECONDS = 600
"""Limit for a document whose parser says in time that it gets on, as it does after each page of a scan."""

MEMORY = 512 * 1024 * 1024
MOST_MEMORY = 1536 * 1024 * 1024
"""What a parser may ask for when it reads scans."""

KEPT = 2
"""Warm processes kept for the next document; when more documents are read at once, more are started."""

_GRACE = 60
"""Seconds that a warm process may take beyond a document's own limit, mostly to start."""


class _WarmProcess:
    """A process that parses one document after the other."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._process = subprocess.Popen(
            # -B: on a full disk Python keeps half-written bytecode, and no document could be read from then on
            [sys.executable, "-P", "-B", "-m", "retrieval.parse.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
            cwd="/",
            start_new_session=True,
        )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def left(self) -> bool:
        """Whether the process ended of its own accord."""
        return self._process.poll() == 0

    def ask(self, request: Mapping[str, Any], data: bytes) -> tuple[str, bytes]:
        """Return the answer to a request: why the child was ended early, and its bytes.

        :raises OSError: the process is gone, or was ended because it took too long.
        """
        process = self._process
        assert process.stdin
        assert process.stdout
        backstop = threading.Timer(request["most_seconds"] + _GRACE, process.kill)
        backstop.start()
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.write(data)
            process.stdin.flush()
            head = process.stdout.readline()
            if not head:
                raise BrokenPipeError(self._last_words())
            told = json.loads(head)
            return str(told["cause"]), process.stdout.read(int(told["size"]))
        finally:
            backstop.cancel()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                with suppress(BrokenPipeError):  # it was gone before it had read everything
                    stream.close()

    def _last_words(self) -> str:
        said = self._process.stderr.read().decode(errors="replace").strip() if self._process.stderr else ""
        return said.splitlines()[-1][:200] if said else "its process is gone"


class _Pool:
    """Warm processes, each lent to one document at a time."""

    def __init__(self) -> None:
        self._idle: list[_WarmProcess] = []
        self._lock = threading.Lock()

    def take(self) -> _WarmProcess:
        """Return a process that runs, started by this process and not by the one it was forked from."""
        with self._lock:
            while self._idle:
                warm = self._idle.pop()
                if warm.owner == os.getpid() and warm.running:
                    return warm
                if warm.owner == os.getpid():
                    warm.close()
        return _WarmProcess()

    def give_back(self, warm: _WarmProcess) -> None:
        with self._lock:
            if len(self._idle) < KEPT:
                self._idle.append(warm)
                return
        warm.close()

    def close(self) -> None:
        """End the idle processes."""
        with self._lock:
            for warm in self._idle:
                if warm.owner == os.getpid():
                    warm.close()
            self._idle.clear()


_POOL = _Pool()
atexit.register(_POOL.close)


def parse_in_child(  # noqa: PLR0913 - what to parse, and each limit by name
    data: bytes,
    name: str,
    parsers: Mapping[str, Parser],
    *,
    seconds: int = SECONDS,
    most_seconds: int = MOST_SECONDS,
    memory: int = MEMORY,
    characters: int | None = None,
) -> ParsedDocument:
    """Parse in a child process without network, whose environment holds no secrets and whose folder is empty.

    :param seconds: limit by the wall clock, from when the parser last said that it gets on.
    :param most_seconds: limit by the wall clock altogether.
    :param memory: address space limit in bytes, which a parser that reads scans may raise to ``MOST_MEMORY``.
    :param characters: the text is cut after about so many; ``None`` returns all of it.
    :raises DocumentError: no parser reads it, or the parser refused it, or died, or ran over a limit.
    """
    request = {
        "name": name,
        "parsers": {suffix: _named(parser) for suffix, parser in parsers.items()},
        "path": _path(),
        "seconds": seconds,
        "most_seconds": max(seconds, most_seconds),
        "memory": memory,
        "most_memory": max(memory, MOST_MEMORY),
        "characters": characters,
        "size": len(data),
    }
    cause, answer = _answered(request, data, name)
    if cause == "time":
        raise DocumentError(f"Reading {name} took longer than {seconds} s.", hint="Save it again, or split it.")
    if cause:
        reason = f"its parser was ended by {cause} (limits: {seconds} s, {memory // 1024**2} MB)"
        raise DocumentError(f"Can't read {name}: {reason}.", hint="Save it again.")
    return _document(answer, name)


def _answered(request: Mapping[str, Any], data: bytes, name: str) -> tuple[str, bytes]:
    """Ask a warm process, and a new one if that had just left for want of work."""
    warm = _POOL.take()
    try:
        answer = warm.ask(request, data)
    except (OSError, ValueError) as error:
        left = warm.left
        warm.close()
        if left:
            return _answered(request, data, name)
        raise DocumentError(f"Can't read {name}: {error}.", hint="Try again.") from error
    except BaseException:
        warm.close()  # it still works on this document
        raise
    _POOL.give_back(warm)
    return answer


def _document(answer: bytes, name: str) -> ParsedDocument:
    try:
        told = json.loads(answer)
        if "document" in told:
            return from_json(told["document"])
        kind = EmptyError if told.get("empty") else DocumentError
        refused = kind(str(told["error"]), hint=str(told.get("hint", "")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DocumentError(
            f"Can't read {name}: its parser returned nothing readable.", hint="Save it again."
        ) from error
    raise refused


def _named(parser: Parser) -> tuple[str, str]:
    return type(parser).__module__, type(parser).__qualname__


def _path() -> list[str]:
    """Return where modules are found. A relative path would be another folder in the child."""
    return [path for path in sys.path if os.path.isabs(path)]  # noqa: PTH117 - entries are strings


def _environment() -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(_path()),
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": "1",
    }
