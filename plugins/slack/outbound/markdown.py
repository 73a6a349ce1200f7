"""Answers as Slack shows them: Markdown made safe, and cut where a reader would cut it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from bot.domain.documents.rendering import with_plain_numbers

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})(.*)$")
IMAGE = re.compile(r"!\[([^\]]{0,1000}+)\](?:\([^)]{0,2000}+\)|\[[^\]]{0,1000}+\])")
LINK = re.compile(r"\[([^\[\]]++)\]\((https?://[^\s)\[]++)(?:\s{1,9}\"[^\"]{0,1000}+\")?\)")
SLACK_MARKUP = re.compile(r"<(?=[!@#])")
ZERO_WIDTH_SPACE = "\u200b"
RESERVE = 16
"""Characters kept free in each piece for the fence that may have to be closed there."""


def safe(text: str) -> str:
    """Return the answer without what could act: no images, no mentions, links with their host.

    A rendered image or a link with a hidden target is how answers leaked data elsewhere (CVE-2025-32711).
    """
    text = IMAGE.sub(lambda match: match[1], with_plain_numbers(text))
    text = LINK.sub(_with_host, text)
    return SLACK_MARKUP.sub(f"<{ZERO_WIDTH_SPACE}", text)


def split(text: str, limit: int) -> list[str]:
    """Cut a Markdown text into pieces of at most ``limit`` characters, at paragraphs where possible.

    A code fence over a cut is closed before it and opened again after it, so that each piece stands alone.
    """
    room = limit - RESERVE
    pieces: list[str] = []
    lines: list[str] = []
    fence, opened = "", 0
    for line in _short_lines(text.split("\n"), room // 2 - 1):
        if lines and _length(lines) + len(line) > room:
            done, lines = _cut(lines, fence, opened)
            pieces.append(done)
            opened = 0
        lines.append(line)
        before, fence = fence, _fence_after(line, fence)
        if fence and not before:
            opened = len(lines) - 1
    pieces.append("\n".join(lines))
    return [piece for piece in (piece.strip("\n") for piece in pieces) if piece.strip()]


def _cut(lines: list[str], fence: str, opened: int) -> tuple[str, list[str]]:
    """End a piece: return it and the lines the next one begins with.

    :param fence: the fence line open at the end, empty when none is.
    :param opened: its index in ``lines``.
    """
    if fence and 0 < opened == len(lines) - 1:
        return "\n".join(lines[:-1]), [fence]
    if fence:
        return "\n".join([*lines, _closing(fence)]), [fence]
    paragraph = _last_paragraph(lines)
    return "\n".join(lines[:paragraph]), lines[paragraph:]


def _last_paragraph(lines: list[str]) -> int:
    """Return where the last paragraph begins if that leaves most of the piece, else the end."""
    fence = ""
    best = len(lines)
    for index, line in enumerate(lines):
        fence = _fence_after(line, fence)
        if not fence and not line.strip() and _length(lines[:index]) * 2 > _length(lines):
            best = index
    return best


def _fence_after(line: str, fence: str) -> str:
    """Return the fence line that is open after ``line``, empty when none is."""
    match = FENCE.match(line)
    if match is None:
        return fence
    if not fence:
        return line if "`" not in match[2] else ""
    opened = FENCE.match(fence)
    assert opened is not None
    closes = match[1].startswith(opened[1]) and not match[2].strip()
    return "" if closes else fence


def _closing(fence: str) -> str:
    match = FENCE.match(fence)
    return match[1] if match else ""


def _short_lines(lines: list[str], limit: int) -> list[str]:
    """Break lines that no piece could hold, at a space where there is one."""
    short: list[str] = []
    for line in lines:
        rest = line
        while len(rest) > limit:
            space = rest.rfind(" ", limit // 2, limit)
            end = space if space > 0 else limit
            short.append(rest[:end])
            rest = rest[end:].removeprefix(" ") if space > 0 else rest[end:]
        short.append(rest)
    return short


def _length(lines: list[str]) -> int:
    return sum(len(line) + 1 for line in lines)


def _with_host(match: re.Match[str]) -> str:
    host = urlsplit(match[2]).hostname or ""
    return match[0] if host in match[1] else f"{match[0]} ({host})"
