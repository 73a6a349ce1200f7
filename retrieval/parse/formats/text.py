"""Plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.documents.blocks import paragraphs
from bot.domain.documents.parsed import ParsedSection
from retrieval.parse.text import clean, decode, document, tidy, title_from

if TYPE_CHECKING:
    from bot.domain.documents.parsed import ParsedDocument


class TextParser:
    """Plain text, with the file's name as the title."""

    name = "text"
    suffixes: tuple[str, ...] = (".txt", ".text", ".rst", ".log")

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        text, flags = clean(decode(data, name))
        return document(title_from(name), [ParsedSection((), paragraphs(tidy(text)))], flags, name)
