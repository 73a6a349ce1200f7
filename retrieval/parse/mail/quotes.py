"""Quotations in mails: lines after ``>``, and the message that a reply was written above."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Paragraph, Quote, paragraphs, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.domain.documents.blocks import Block

MAX_DEPTH = 10
"""Quotations within quotations at most; further marks stay as they are."""

_MARK = re.compile(r">[ \t]?")
_ORIGINAL = re.compile(
    r"[-_]{3,}\s*(?:original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht"
    r"|message d'origine|message transféré|mensaje original|messaggio originale)\s*[-_]{3,}|_{20,}",
    re.IGNORECASE,
)
_REPLY_HEAD = re.compile(
    r"(?:from|von|de|da|van)\s*:[^\n]{0,300}\S\s+(?:sent|date|gesendet|datum|envoyé|enviado|fecha|inviato|verzonden)\s*:",
    re.IGNORECASE,
)


def text_blocks(text: str, depth: int = 0) -> tuple[Block, ...]:
    """Return plain text as paragraphs, and lines after ``>`` as quotations."""
    return tuple(_blocks(text, depth))


def _blocks(text: str, depth: int) -> Iterator[Block]:
    held: list[str] = []
    quoting = False
    for line in (*text.split("\n"), None):
        marked = line is not None and depth < MAX_DEPTH and line.startswith(">")
        if held and (line is None or marked != quoting):
            if not quoting:
                yield from paragraphs("\n".join(line.rstrip(" \t") for line in held))
            elif found := text_blocks("\n".join(held), depth + 1):
                yield Quote(found)
            held = []
        quoting = marked
        if line is not None:
            held.append(_MARK.sub("", line, count=1) if marked else line)


def quoted(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Return blocks with the message that a reply was written above, if it stands below, as a quotation."""
    for number, block in enumerate(blocks):
        if not isinstance(block, Paragraph):
            continue
        said = words(block.line).strip()
        if _ORIGINAL.match(said) or (number and _REPLY_HEAD.match(said)):
            return (*blocks[:number], Quote(tuple(blocks[number:])))
    return tuple(blocks)
