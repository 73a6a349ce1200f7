"""What all parsers share: decoding, removing invisible characters, limits."""

from __future__ import annotations

import codecs
import re
import unicodedata
from contextlib import suppress
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from charset_normalizer import from_bytes

from bot.domain.documents.blocks import Paragraph, plain
from bot.domain.documents.parsed import ParsedDocument
from bot.domain.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.documents.parsed import ParsedSection

INVISIBLE_FLAG = "invisible characters removed"
HIDDEN_FLAG = "hidden text removed"
UNREAD = "not read: "
"""Begins a flag that names what a parser could not read, such as the pages of a scan, with the reason in brackets."""

MAX_CHARACTERS = 20_000_000
DETECTED_BYTES = 100_000
"""Bytes at the beginning of a file by which its encoding is told."""

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u180e\u200b\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a"
    "\U000e0000-\U000e01ef]"
    # Joiners and marks of direction belong to Arabic, Persian and Indic words, and joiners and selectors to emoji.
    "|(?<=[A-Za-z0-9])[\u200c-\u200f]++(?=[A-Za-z0-9])|(?<![\u200c-\u200f])[\u200c-\u200f]{2,}+"
    "|(?<![\ufe00-\ufe0f])[\ufe00-\ufe0f]{2,}+"
)
_DECLARED = re.compile(
    rb"<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s{0,9}=\s{0,9}[\"']?([\w.:-]{2,40})", re.IGNORECASE
)
_QUESTION = ("?", "\uff1f", "\u061f")
_ENCODINGS = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp850", "cp866"),
    *("iso8859_2", "iso8859_5", "iso8859_7", "koi8_r", "koi8_u", "mac_roman", "mac_cyrillic"),
    *("gb18030", "big5", "euc_jp", "cp932", "cp949", "cp874"),
)
"""Encodings that are detected: those in which people have saved texts before UTF-8."""

_MEANT = {
    **dict.fromkeys(("ascii", "iso8859-1"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    **dict.fromkeys(("iso8859-11", "tis-620"), "cp874"),
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso8859-9": "cp1254",
    **dict.fromkeys(("utf-16", "utf-16-le", "utf-16-be", "utf-32"), "utf-8"),  # else the name couldn't be read
}
"""Encodings that browsers take others for, most of them larger."""

_REAL = (
    "cp",
    "iso",
    "koi8",
    "mac-",
    "big5",
    "euc_",
    "gb",
    "utf-8",
    "johab",
    "kz1048",
    "ptcp",
    "shift_jis",
    "hp-roman8",
)
_DOUBLE = frozenset(("gb18030", "big5", "euc_jp", "cp932", "cp949"))
_ADJACENT = re.compile(rb"[\x80-\xff]{2}")
_NO_1250 = re.compile("[a-z\u0105-\u017e][\u00b1\u00b6\u00a6\u00ac\u02c7]|[\u00b1\u00b6\u00a6][a-z]")
"""Signs beside letters, which ISO 8859-2 has where Windows-1250 has letters."""

_JAPANESE = re.compile(rb"\x1b\$[@B]")
_FEW_BROKEN = 20
_LOOKED_AT = 10_000
_SOFT_HYPHEN = "\u00ad"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LINE_BREAK = re.compile("\r\n?|[\u0085\u2028\u2029]")
_MAX_CONTROL_SHARE = 0.01


class EmptyError(DocumentError):
    """A document without text, such as a redirect or a scan without OCR."""


def decode(data: bytes, name: str) -> str:
    """Return text in the encoding that its byte order mark or its HTML or XML declares, or that it looks like.

    :raises DocumentError: the bytes are not text, or nobody can tell in which encoding.
    """
    for mark, encoding in ((b"\xff\xfe\x00\x00", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _decode_as(data, encoding, name)
    try:
        text = data.decode("iso2022_jp" if _JAPANESE.search(data, 0, DETECTED_BYTES) else "utf-8-sig")
    except UnicodeDecodeError:
        text = _told(data, name)
    if "\x00" in text:
        text = _wide(data) or text
    strange = len(_CONTROL.findall(text)) + text.count("\ufffd")
    if "\x00" in text or strange > _MAX_CONTROL_SHARE * len(text):
        raise DocumentError(f"{name} is not text: it contains binary data.", hint="Add the file that it was made from.")
    return text


def _told(data: bytes, name: str) -> str:
    """Return text in the encoding that it declares, if that fits, or else in the one that it looks like."""
    declared = _declared(data)
    with suppress(UnicodeError, LookupError):  # some of Python's codecs are no encodings
        return data.decode(declared or "utf-8")
    text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    if _FEW_BROKEN * broken < sum(not each.isascii() for each in text) - broken:
        return text  # UTF-8 in which something is damaged
    return data.decode(_detected(data, name), errors="replace")


def _declared(data: bytes) -> str:
    """Return the encoding that a page or an XML file declares; ``""`` if none."""
    found = _DECLARED.search(data, 0, 2_048)
    return encoding_named(found[1].decode("ascii")) if found else ""


def encoding_named(label: str) -> str:
    """Return the encoding that browsers take a name for; ``""`` if it names none."""
    try:
        name = codecs.lookup(label.strip("\"' ").lower().removeprefix("x-")).name
    except LookupError:
        return ""
    return _MEANT.get(name, name if name.startswith(_REAL) else "")


def recoded(data: bytes, media_type: str) -> bytes:
    """Return text in UTF-8 if its media type names another encoding, such as ``text/html; charset=koi8-r``."""
    kind, _, parameters = media_type.lower().partition(";")
    label = parameters.partition("charset=")[2].partition(";")[0]
    if label and kind.strip().startswith(("text/", "application/xhtml")):
        with suppress(UnicodeDecodeError):
            data.decode("utf-8")
            return data
        with suppress(UnicodeError):
            return data.decode(encoding_named(label) or "utf-8").encode()
    return data


def _wide(data: bytes) -> str:
    """Return text in UTF-16 or UTF-32 without a byte order mark; ``""`` if it is none."""
    for encoding in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        western = sum(each <= "\xff" for each in text)  # one of the two bytes of these is NUL in UTF-16
        fits = encoding.startswith("utf-32") or data.count(0) <= western + 2 + len(text) // _FEW_BROKEN
        strange = ("Cn", "Co", "Cs")
        if fits and "\0" not in text and not any(unicodedata.category(each) in strange for each in text[:_LOOKED_AT]):
            return text
    return ""


def _detected(data: bytes, name: str) -> str:
    """Return the encoding that the bytes look like. Windows-1252, the commonest, is taken where it fits as well."""
    if b"\x00" in data:
        return "cp1252"  # binary, and refused as such
    matches = [*from_bytes(data[:DETECTED_BYTES], cp_isolation=[*_ENCODINGS])]
    if not matches:
        raise DocumentError(f"{name} is text in an unknown encoding.", hint="Save it as UTF-8.")
    best = matches[0]
    western = any(
        each.chaos <= best.chaos
        and each.coherence >= best.coherence
        and "cp1252" in (each.encoding, *each.could_be_from_charset)
        for each in matches
    )
    if western or (best.encoding in _DOUBLE and not _ADJACENT.search(data)):
        return "cp1252"
    return "iso8859_2" if best.encoding == "cp1250" and _NO_1250.search(str(best)) else best.encoding


def clean(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the text without invisible characters, and a flag if there were any. Not for code, which may need them."""
    if text.isascii() and text.isprintable():  # most cells of a sheet
        return text, ()
    seen, removed = _INVISIBLE.subn("", text)
    return without_controls(seen.replace(_SOFT_HYPHEN, "")), (INVISIBLE_FLAG,) if removed else ()


def without_controls(text: str) -> str:
    """Return the text with plain line breaks and without other control characters."""
    return _CONTROL.sub("", _LINE_BREAK.sub("\n", text))


def title_from(name: str) -> str:
    """Return a readable title made from a file's name or an address."""
    stem = PurePosixPath(name.partition("?")[0].rstrip("/")).stem
    return re.sub(r"[-_]+", " ", stem).strip() or name


def document(title: str, sections: Sequence[ParsedSection], flags: Sequence[str], name: str) -> ParsedDocument:
    """Return a parsed document without empty sections.

    :raises EmptyError: there is no text.
    :raises DocumentError: there is too much text.
    """
    lengths = [len(section.text.strip()) for section in sections]
    kept = [section for section, length in zip(sections, lengths, strict=True) if length]
    if not kept:
        raise EmptyError(f"{name} contains no text.", hint="A scanned document needs text recognition (OCR) first.")
    if sum(lengths) > MAX_CHARACTERS:
        raise DocumentError(f"{name} has more than {MAX_CHARACTERS:,} characters.", hint="Split it.")
    return ParsedDocument(" ".join(title.split())[:500], tuple(kept), tuple(dict.fromkeys(flags)))


def with_bare_headings(sections: Sequence[ParsedSection]) -> list[ParsedSection]:
    """Return sections with headings that nothing stands below, such as "The cafeteria closes at 3 pm", as their text.

    Questions are left out: they would be found instead of their answers.
    """
    found = []
    for section, after in zip(sections, [*sections[1:], None], strict=True):
        path = section.headings
        alone = after is None or after.headings[: len(path)] != path
        if path and alone and not path[-1].endswith(_QUESTION) and not section.text.strip():
            found.append(replace(section, blocks=(Paragraph(plain(path[-1])),)))
        else:
            found.append(section)
    return found


def tidy(text: str) -> str:
    """Return the text without trailing blanks and with at most one empty line in a row."""
    lines = "\n".join(line.rstrip(" \t") for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


def _decode_as(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name} is not text: it begins like {encoding} but {error.reason}.") from error
