"""Plain text, and what every parser shares: decoding, cleaning of invisible characters, limits."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from bot.errors import DocumentError
from bot.protocols import ParsedDocument, ParsedSection

if TYPE_CHECKING:
    from collections.abc import Sequence

INVISIBLE_FLAG = "invisible characters removed"
HIDDEN_FLAG = "hidden text removed"
MAX_CHARACTERS = 20_000_000

_INVISIBLE = re.compile("[\u200b\u2060-\u2064\ufeff\u180e\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]")
_SOFT_HYPHEN = "\u00ad"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MAX_CONTROL_SHARE = 0.01


class EmptyError(DocumentError):
    """A document without any text: a redirect, say, or a scan without text recognition."""


class TextParser:
    """Plain text: paragraphs as they stand, the file's name as the title."""

    name = "text"
    suffixes: tuple[str, ...] = (".txt", ".text", ".rst", ".log")

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Parse, or raise :class:`bot.errors.DocumentError`."""
        text, flags = clean(decode(data, name))
        return document(title_from(name), [ParsedSection((), text)], flags, name)


def decode(data: bytes, name: str) -> str:
    """Return text from UTF-8, UTF-16 or UTF-32 with a byte order mark, or Windows-1252.

    :raises DocumentError: the bytes are not text.
    """
    for mark, encoding in ((b"\xff\xfe\x00\x00", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _decode_as(data, encoding, name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    strange = len(_CONTROL.findall(text)) + text.count("\ufffd")
    if "\x00" in text or strange > _MAX_CONTROL_SHARE * len(text):
        raise DocumentError(f"{name} is not text: it holds binary data.", hint="Give a text, HTML, PDF or DOCX file.")
    return text


def clean(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the text without characters that nobody sees, and the flags that say so."""
    seen, removed = _INVISIBLE.subn("", text)
    seen = _CONTROL.sub("", seen.replace(_SOFT_HYPHEN, "").replace("\r\n", "\n").replace("\r", "\n"))
    return seen, (INVISIBLE_FLAG,) if removed else ()


def title_from(name: str) -> str:
    """Return a readable title made from a file's name or an address."""
    stem = PurePosixPath(name.partition("?")[0].rstrip("/")).stem
    return re.sub(r"[-_]+", " ", stem).strip() or name


def document(title: str, sections: Sequence[ParsedSection], flags: Sequence[str], name: str) -> ParsedDocument:
    """Put a parsed document together, leaving out empty sections.

    :raises EmptyError: nothing is left.
    :raises DocumentError: there is far too much.
    """
    kept = [ParsedSection(section.headings, tidy(section.text)) for section in sections]
    kept = [section for section in kept if section.text]
    if not kept:
        raise EmptyError(f"{name} holds no text.", hint="A scanned document needs text recognition (OCR) first.")
    if sum(len(section.text) for section in kept) > MAX_CHARACTERS:
        raise DocumentError(f"{name} holds more than {MAX_CHARACTERS:,} characters.", hint="Split it.")
    return ParsedDocument(" ".join(title.split())[:500], tuple(kept), tuple(dict.fromkeys(flags)))


def tidy(text: str) -> str:
    """Return the text without trailing blanks and with at most one empty line in a row."""
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", text)).strip()


def _decode_as(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name} is not text: it begins like {encoding} but {error.reason}.") from error
