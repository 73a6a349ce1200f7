"""Tells what kind of document bytes are, whatever their name says."""

from __future__ import annotations

import io
import re
import zipfile

import puremagic

from bot.domain.errors import DocumentError
from retrieval.parse.kinds import KINDS, TEXT_SUFFIXES, in_words
from retrieval.parse.text import decode

_ZIP, _COMPOUND, _RICH_TEXT = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"{\\rtf"
_MESSAGE = "__properties_version1.0"
_OLD = {
    "EncryptedPackage": ("it is encrypted", "Save it without a password."),
    "WordDocument": ("it is an old Word file", "Save it as .docx."),
    "PowerPoint Document": ("it is an old PowerPoint file", "Save it as .pptx."),
    "Workbook": ("it is an old Excel file", "Save it as .xlsx."),
    "Book": ("it is an old Excel file", "Save it as .xlsx."),
}
"""Streams of compound files that we don't read, and what to say of them."""

_HTML = re.compile(r"<(?:!doctype\s{1,9}html|html)[\s>]", re.IGNORECASE)
_MAIL_HEADER = re.compile(rb"(?:\xef\xbb\xbf)?(?:From [^\r\n]{1,200}\r?\n)?\s{0,9}[!-9;-~]{1,80}:[ \t]?")
_HEAD = 2_000


def kind_of(data: bytes, name: str, suffix: str) -> str:
    """Return the suffix that stands for a document's kind. The name only decides between text formats.

    :raises DocumentError: it is of no known kind, or not of the kind that its name says.
    """
    if plain := _plain_kind(data):
        return plain
    if data.startswith(_ZIP):
        return _package_kind(data) or ".zip"
    if data.startswith(_COMPOUND):
        return _compound_kind(data, name)
    if suffix == ".eml" and _MAIL_HEADER.match(data):
        return suffix
    if suffix and suffix not in TEXT_SUFFIXES and any(suffix in kind.parser.suffixes for kind in KINDS):
        raise DocumentError(f"{name} is not a {suffix[1:].upper()} file: {describe(data)}.", hint="Save it again.")
    try:
        head = decode(data, name)[:_HEAD]
    except DocumentError:
        raise DocumentError(f"Can't read {name}: {describe(data)}.", hint=f"Supported: {in_words()}.") from None
    if _HTML.match(_after_comments(head)):
        return ".html"
    return suffix if suffix in TEXT_SUFFIXES else ".txt"


def describe(data: bytes) -> str:
    """Return a phrase that says what the bytes seem to be."""
    try:
        guess = puremagic.magic_string(data[:100_000])
    except (puremagic.PureError, ValueError):
        guess = []
    names = [item.name for item in guess if item.name]
    return f"it holds {names[0]}" if names else "its content is in no known format"


def _plain_kind(data: bytes) -> str:
    """Return the kind of a file that says at its beginning what it is; ``""`` for others."""
    if b"%PDF-" in data[:1024]:
        return ".pdf"
    return ".rtf" if data[:100].lstrip().startswith(_RICH_TEXT) else ""


def _package_kind(data: bytes) -> str:
    """Return the kind of an Office Open XML package; ``""`` for other archives."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            paths = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return ""
    mains = [kind for kind in KINDS if kind.main_part]
    return next((kind.suffix for kind in mains for path in paths if re.fullmatch(kind.main_part, path)), "")


def _compound_kind(data: bytes, name: str) -> str:
    """Return the kind of a compound file, the form of Office before 2007 and of encrypted files.

    :raises DocumentError: it is of a kind that we don't read.
    """
    if _named(data, _MESSAGE):
        return ".msg"
    for stream, (what, hint) in _OLD.items():
        if _named(data, f"{stream}\0"):
            raise DocumentError(f"Can't read {name}: {what}.", hint=hint)
    raise DocumentError(f"Can't read {name}: {describe(data)}.", hint=f"Supported: {in_words()}.")


def _named(data: bytes, stream: str) -> bool:
    """Return whether a compound file seems to have a stream."""
    return stream.encode("utf-16-le") in data


def _after_comments(head: str) -> str:
    """Return what follows an XML declaration and comments."""
    head = head.lstrip()
    while (end := {"<?xml": ">", "<!--": "-->"}.get(head[:5] if head[1:2] == "?" else head[:4])) and end in head:
        head = head.partition(end)[2].lstrip()
    return head
