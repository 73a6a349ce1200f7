"""From bytes to a parsed document: what kind it really is, which parser reads it, and in which process."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import puremagic

from bot.errors import DocumentError
from retrieval.parse.docx import MAIN_PART, DocxParser
from retrieval.parse.html import HtmlParser
from retrieval.parse.markdown import MarkdownParser
from retrieval.parse.pdf import PdfParser
from retrieval.parse.sandbox import parse_in_child
from retrieval.parse.text import EmptyError, TextParser, decode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.hooks import Plugins
    from bot.protocols import ParsedDocument, Parser

__all__ = [
    "EmptyError",
    "UnreadableError",
    "built_in_parsers",
    "by_suffix",
    "is_document",
    "parse",
    "parsers_of",
    "suffix_of",
]
MAX_BYTES = 64_000_000
TRUSTED = (TextParser, MarkdownParser, HtmlParser)
"""Parsers that read text only and run in this process; any other runs in a child with limits."""

_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE | re.DOTALL
)
_HEAD = 2_000


class UnreadableError(DocumentError):
    """One document of several that its source cannot hand over; ``address`` says which."""

    def __init__(self, address: str, text: str, *, hint: str = "") -> None:
        super().__init__(text, hint=hint)
        self.address = address


def built_in_parsers() -> tuple[Parser, ...]:
    """Return the parsers that come with Mentee."""
    parsers: tuple[Parser, ...] = (TextParser(), MarkdownParser(), HtmlParser(), PdfParser(), DocxParser())
    return parsers


def parsers_of(plugins: Plugins) -> dict[str, Parser]:
    """Return the parsers that an instance's plugins offer, by suffix."""
    offers = reversed(list(plugins.values("register_parsers")))
    return by_suffix([parser for _, offered in offers for parser in offered])


def by_suffix(parsers: Sequence[Parser]) -> dict[str, Parser]:
    """Return the parser of each suffix; a later parser wins."""
    return {suffix.lower(): parser for parser in parsers for suffix in parser.suffixes}


def is_document(name: str, parsers: Mapping[str, Parser]) -> bool:
    """Return whether a file of a folder looks like a document: its suffix has a parser."""
    return suffix_of(name) in parsers


def suffix_of(name: str) -> str:
    """Return the lower-case suffix of a path or web address."""
    return PurePosixPath(re.split(r"[?#]", name)[0]).suffix.lower()


def parse(data: bytes, name: str, parsers: Mapping[str, Parser]) -> ParsedDocument:
    """Parse a document by what it holds; its name only decides between kinds of text.

    :param name: path or address, for the kind and for messages.
    :raises DocumentError: it is empty, too large, of no known kind, or damaged.
    """
    if not data.strip():
        raise EmptyError(f"{name} is empty.")
    if len(data) > MAX_BYTES:
        raise DocumentError(
            f"{name} has {len(data) / 1e6:.0f} MB, more than {MAX_BYTES // 1_000_000} MB.", hint="Split it."
        )
    parser = _parser_for(data, name, parsers)
    if isinstance(parser, TRUSTED):
        return parser.parse(data, name)
    return parse_in_child(parser, data, name)


def _parser_for(data: bytes, name: str, parsers: Mapping[str, Parser]) -> Parser:
    suffix = suffix_of(name)
    own = parsers.get(suffix)
    if own is not None and own not in _built_in(parsers):
        return own  # a plugin's parser knows its own kind
    kind = _kind(data, name, suffix)
    parser = parsers.get(kind)
    if parser is None:
        known = ", ".join(sorted(parsers))
        raise DocumentError(f"No parser reads {name}: {describe(data)}.", hint=f"Kinds that can be read: {known}.")
    return parser


def _built_in(parsers: Mapping[str, Parser]) -> list[Parser]:
    return [parser for parser in parsers.values() if type(parser).__module__.startswith("retrieval.parse.")]


def _kind(data: bytes, name: str, suffix: str) -> str:
    if b"%PDF-" in data[:1024]:
        return ".pdf"
    if data.startswith(b"PK\x03\x04"):
        return ".docx" if _is_docx(data) else ".zip"
    if suffix in (".pdf", ".docx"):
        raise DocumentError(f"{name} is not a {suffix[1:].upper()} file: {describe(data)}.", hint="Save it anew.")
    try:
        head = decode(data, name)[:_HEAD]
    except DocumentError:
        raise DocumentError(
            f"{name} cannot be read: {describe(data)}.", hint="Give text, Markdown, HTML, PDF or DOCX."
        ) from None
    if _HTML.match(head):
        return ".html"
    return suffix if suffix in (*MarkdownParser.suffixes, *HtmlParser.suffixes) else ".txt"


def _is_docx(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return MAIN_PART in archive.namelist()
    except zipfile.BadZipFile:
        return False


def describe(data: bytes) -> str:
    """Say in words what bytes seem to hold."""
    try:
        guess = puremagic.magic_string(data[:100_000])
    except (puremagic.PureError, ValueError):
        guess = []
    names = [item.name for item in guess if item.name]
    return f"it holds {names[0]}" if names else "its content is of no known kind"
