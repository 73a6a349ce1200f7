"""The kinds of documents that Mentee reads: their parsers, suffixes and media types, and how people call them.

Everything that lists formats takes them from here: parsers by suffix, media types of web pages, and error messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.parse.formats.html import HtmlParser
from retrieval.parse.formats.markdown import MarkdownParser
from retrieval.parse.formats.rtf import RtfParser
from retrieval.parse.formats.text import TextParser
from retrieval.parse.mail.eml import EmlParser
from retrieval.parse.mail.msg import MsgParser
from retrieval.parse.pdf.parser import PdfParser
from retrieval.parse.sheets.delimited import CsvParser
from retrieval.parse.sheets.parser import XlsxParser
from retrieval.parse.slides.parser import PptxParser
from retrieval.parse.word.parser import DocxParser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.ports import Parser

_OFFICE = "application/vnd.openxmlformats-officedocument"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of documents.

    :param called: what people call it, such as ``Word (.docx)``.
    :param parser: the class that reads it, which tells its suffixes.
    :param media_types: what web servers call it.
    :param text: whether it is told from other text by its name alone.
    :param main_part: a pattern of its main part's path, if it is a package of Office Open XML.
    """

    called: str
    parser: type[Parser]
    media_types: tuple[str, ...]
    text: bool = False
    main_part: str = ""

    @property
    def suffix(self) -> str:
        """The suffix that stands for the kind."""
        return self.parser.suffixes[0]


KINDS = (
    Kind("plain text", TextParser, ("text/plain",), text=True),
    Kind("Markdown", MarkdownParser, ("text/markdown", "text/x-markdown"), text=True),
    Kind("HTML", HtmlParser, ("text/html", "application/xhtml+xml"), text=True),
    Kind("Rich Text (.rtf)", RtfParser, ("application/rtf", "text/rtf")),
    Kind("PDF", PdfParser, ("application/pdf",)),
    Kind("CSV", CsvParser, ("text/csv", "text/tab-separated-values"), text=True),
    Kind("Word (.docx)", DocxParser, (f"{_OFFICE}.wordprocessingml.document",), main_part=r"word/document\d*\.xml"),
    Kind(
        "PowerPoint (.pptx)",
        PptxParser,
        (f"{_OFFICE}.presentationml.presentation", f"{_OFFICE}.presentationml.slideshow"),
        main_part=r"ppt/presentation\d*\.xml",
    ),
    Kind("Excel (.xlsx)", XlsxParser, (f"{_OFFICE}.spreadsheetml.sheet",), main_part=r"xl/workbook\d*\.xml"),
    Kind("email (.eml)", EmlParser, ("message/rfc822",)),
    Kind("Outlook email (.msg)", MsgParser, ("application/vnd.ms-outlook",)),
)
SUFFIXES = {media_type: kind.suffix for kind in KINDS for media_type in kind.media_types}
"""The suffix that stands for a media type."""

TEXT_SUFFIXES = frozenset(suffix for kind in KINDS if kind.text for suffix in kind.parser.suffixes)
"""Suffixes that tell how a text is read."""


def in_words(kinds: Sequence[Kind] = KINDS) -> str:
    """Return the kinds as a sentence lists them."""
    *others, last = (kind.called for kind in kinds)
    return f"{', '.join(others)} and {last}"
