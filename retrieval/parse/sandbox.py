"""Parsing in a child process with limits, so that a hostile document costs a child and not the bot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from bot.errors import DocumentError
from bot.protocols import ParsedDocument, ParsedSection

if TYPE_CHECKING:
    from bot.protocols import Parser

SECONDS = 30
MEMORY = 512 * 1024 * 1024
_MAX_ANSWER = 200_000_000


def parse_in_child(
    parser: Parser, data: bytes, name: str, *, seconds: int = SECONDS, memory: int = MEMORY
) -> ParsedDocument:
    """Parse in a fresh Python process that knows no secret of this one's environment.

    :param seconds: wall clock limit, and CPU limit.
    :param memory: address space limit in bytes.
    :raises DocumentError: the parser refused the document, or died, or ran over a limit.
    """
    kind = type(parser)
    command = [sys.executable, "-m", "retrieval.parse.child", kind.__module__, kind.__qualname__, name]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONIOENCODING": "utf-8",
        "OMP_NUM_THREADS": "1",
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own module; the document's name is one argument, no shell
            [*command, str(seconds), str(memory)],
            input=data,
            capture_output=True,
            timeout=seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DocumentError(
            f"{name} could not be read within {seconds} s.", hint="Save it anew, or split it."
        ) from None
    if done.returncode or len(done.stdout) > _MAX_ANSWER:
        raise DocumentError(f"{name} could not be read: {_cause(done, seconds, memory)}.", hint="Save it anew.")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise DocumentError(answer["error"], hint=answer.get("hint", ""))
    return from_json(answer["document"])


def from_json(value: dict[str, object]) -> ParsedDocument:
    """Return a parsed document from its JSON form, as :func:`dataclasses.asdict` makes it."""
    sections: list[dict[str, object]] = value["sections"]  # type: ignore[assignment]
    flags: list[str] = value.get("flags", [])  # type: ignore[assignment]
    return ParsedDocument(
        str(value["title"]),
        tuple(ParsedSection(tuple(item["headings"]), str(item["text"])) for item in sections),  # type: ignore[arg-type]
        tuple(flags),
    )


def _cause(done: subprocess.CompletedProcess[bytes], seconds: int, memory: int) -> str:
    if done.returncode < 0:
        return f"its parser was ended by signal {-done.returncode} (limits: {seconds} s, {memory // 1024**2} MB)"
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
    if "MemoryError" in last[0]:
        return f"it needs more than {memory // 1024**2} MB"
    return f"its parser failed with {last[0][:200]}"
