"""The blocks of a parsed document: paragraphs, list items, tables, code, quotes and images, as a reader sees them.

Every parser makes these, the index keeps them, and :mod:`bot.domain.documents.rendering` turns them into text for the
model and into Markdown for people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

Style = Literal["", "strong", "emphasis", "code", "struck", "inserted"]


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text in a line.

    :param style: how it is set. ``struck`` text is crossed out: readers see it, and it no longer holds.
    :param link: the address it links to, or ``""``.
    """

    text: str
    style: Style = ""
    link: str = ""


Line = tuple[Span, ...]
"""Text with links and styles. A line break in it is ``"\\n"``."""


@dataclass(frozen=True, slots=True)
class OnPage:
    """What every block has.

    :param page: the page or slide where it begins, from 1; 0 in documents without pages.
    """

    page: int = field(default=0, kw_only=True)


@dataclass(frozen=True, slots=True)
class Paragraph(OnPage):
    """A paragraph."""

    line: Line
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True, slots=True)
class Item(OnPage):
    """One item of a list.

    :param marker: ``-``, or its number as the reader sees it, such as ``3.`` or ``b)``.
    :param level: how deep it is nested; 0 is the outermost list.
    :param blocks: what stands in it besides its first line, such as code or a further paragraph.
    """

    marker: str
    line: Line
    level: int = 0
    blocks: tuple[Block, ...] = ()
    kind: Literal["item"] = "item"


@dataclass(frozen=True, slots=True)
class Table(OnPage):
    """A table. A cell that spans several rows or columns is repeated in each.

    :param header: the header's cells, or nothing if the table has no header.
    :param rows: the other rows.
    :param caption: the text above or below it.
    """

    header: tuple[Line, ...]
    rows: tuple[tuple[Line, ...], ...]
    caption: str = ""
    kind: Literal["table"] = "table"


@dataclass(frozen=True, slots=True)
class Code(OnPage):
    """Code, with its white space.

    :param language: as the author named it, or ``""``.
    """

    text: str
    language: str = ""
    kind: Literal["code"] = "code"


@dataclass(frozen=True, slots=True)
class Quote(OnPage):
    """A quotation."""

    blocks: tuple[Block, ...]
    kind: Literal["quote"] = "quote"


@dataclass(frozen=True, slots=True)
class Image(OnPage):
    """An image, of which only the words are kept: its alternative text and its caption."""

    alt: str
    caption: str = ""
    kind: Literal["image"] = "image"


Block = Paragraph | Item | Table | Code | Quote | Image
"""A block of a document."""

_PARAGRAPHS = re.compile(r"\n{2,}")


def plain(text: str) -> Line:
    """Return a line without styles and links."""
    return (Span(text),) if text else ()


def paragraphs(text: str) -> tuple[Block, ...]:
    """Return plain text as paragraphs, which empty lines separate."""
    return tuple(Paragraph(plain(part)) for part in _PARAGRAPHS.split(text.strip()) if part.strip())


def words(line: Line) -> str:
    """Return what a line says, without what is crossed out."""
    return "".join(span.text for span in line if span.style != "struck")
