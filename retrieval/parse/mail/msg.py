"""Outlook's mail files (.msg): a compound file whose streams are a message's properties."""

from __future__ import annotations

import struct
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import TYPE_CHECKING, Any

from bot.domain.errors import DocumentError
from retrieval.parse.formats.rtf import rtf_to_html
from retrieval.parse.mail.compressed_rtf import decompressed
from retrieval.parse.mail.eml import no_attachments
from retrieval.parse.mail.message import HTML, TEXT, Attachment, Message, mail_document
from retrieval.parse.text import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bot.domain.documents.parsed import ParsedDocument
    from retrieval.parse.mail.message import Read

RICH_TEXT_FLAG = "text in Outlook's rich text format not read"
MAX_NESTED = 5
"""Mails within mails at most; deeper ones are left out."""

_SUBJECT, _SENDER, _ADDRESS, _SMTP = "0037", "0C1A", "0C1F", "5D01"
_TO, _CC, _TEXT, _HTML, _RICH_TEXT = "0E04", "0E03", "1000", "1013", "1009"
_LONG_NAME, _SHORT_NAME, _SHOWN_NAME, _DATA, _CONTENT_ID = "3707", "3704", "3001", "3701", "3712"
_SENT, _DELIVERED, _CODE_PAGE, _INTERNET_CODE_PAGE = 0x0039, 0x0E06, 0x3FFD, 0x3FDE
_UNICODE, _ANSI, _BINARY, _STORAGE = "001F", "001E", "0102", "000D"
_PROPERTIES = "__properties_version1.0"
_ENTRY = struct.Struct("<HHIQ")
_TOP, _NESTED = 32, 24  # bytes before the entries
_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_UTF8 = 65_001


class MsgParser:
    """Outlook emails: subject, head, text with its quotations, and attachments by their own parsers."""

    name = "msg"
    suffixes: tuple[str, ...] = (".msg",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        return self.parse_with(data, name, no_attachments)

    def parse_with(self, data: bytes, name: str, read: Read) -> ParsedDocument:
        """Parse the mail, and what is attached by ``read``."""
        import olefile

        try:
            with olefile.OleFileIO(BytesIO(data)) as file:
                message = _Storage(file, ()).message(0)
        except (OSError, ValueError, IndexError, struct.error, AttributeError, TypeError) as error:
            raise DocumentError(f"{name} is not a readable Outlook email: {error}.", hint="Save it again.") from error
        return mail_document(message, name, read)


class _Storage:
    """A message or an attachment in a compound file.

    :param path: the names of the storages around its streams.
    """

    def __init__(self, file: Any, path: tuple[str, ...]) -> None:
        self._file = file
        self._path = path
        self._numbers = self._fixed()

    def message(self, depth: int) -> Message:
        sender = self.text(_SENDER)
        address = self.text(_SMTP) or self.text(_ADDRESS)
        if "@" in address and address != sender:
            sender = f"{sender} <{address}>".strip()
        sent = self._numbers.get(_SENT) or self._numbers.get(_DELIVERED)
        head = (("From", sender), ("To", self.text(_TO)), ("Cc", self.text(_CC)), ("Date", _date(sent)))
        page, text = self.text(_HTML) or self._html(), self.text(_TEXT)
        problem = ""
        if not page.strip():
            page, problem = self._rich_text()
        body = ((HTML, page),) if page.strip() else ((TEXT, text),)
        flags = (f"{RICH_TEXT_FLAG}: {problem}",) if problem and not text.strip() else ()
        return Message(self.text(_SUBJECT), head, body, tuple(self._attachments(depth)), flags)

    def text(self, number: str) -> str:
        """Return a property that is text, or ``""``."""
        unicode = self._stream(number, _UNICODE)
        if unicode is not None:
            return unicode.decode("utf-16-le", errors="replace").rstrip("\0")
        ansi = self._stream(number, _ANSI)
        return "" if ansi is None else self._decoded(ansi).rstrip("\0")

    def _html(self) -> str:
        data = self._stream(_HTML, _BINARY)
        return "" if not data else self._decoded(data)

    def _rich_text(self) -> tuple[str, str]:
        """Return the text that Outlook keeps in a format of its own as a page, and why it can't be read, if so."""
        data = self._stream(_RICH_TEXT, _BINARY)
        try:
            return (rtf_to_html(decompressed(data), "the text"), "") if data else ("", "")
        except (ValueError, DocumentError) as error:
            return "", error.text if isinstance(error, DocumentError) else str(error)

    def _decoded(self, data: bytes) -> str:
        page = self._numbers.get(_INTERNET_CODE_PAGE) or self._numbers.get(_CODE_PAGE) or 0
        with suppress(LookupError, UnicodeDecodeError):
            return data.decode("utf-8" if page == _UTF8 else f"cp{page}")
        return decode(data, "the mail") if data.strip() else ""

    def _attachments(self, depth: int) -> Iterator[Attachment]:
        names = dict.fromkeys(path[len(self._path)] for path in self._below() if len(path) > len(self._path) + 1)
        for name in sorted(each for each in names if each.startswith("__attach_version1.0_")):
            found = _Storage(self._file, (*self._path, name))
            title = found.text(_LONG_NAME) or found.text(_SHORT_NAME) or found.text(_SHOWN_NAME)
            data = found._stream(_DATA, _BINARY)
            inner = (*found._path, f"__substg1.0_{_DATA}{_STORAGE}")
            if data is not None and not (found.text(_CONTENT_ID) and _is_image(title)):
                yield Attachment(" ".join(title.split()).replace("/", "_"), data)
            elif self._file.exists([*inner, _PROPERTIES]) and depth < MAX_NESTED:
                message = _Storage(self._file, inner).message(depth + 1)
                yield Attachment(title or message.subject, message)

    def _below(self) -> Iterator[tuple[str, ...]]:
        for path in self._file.listdir():
            if tuple(path[: len(self._path)]) == self._path:
                yield tuple(path)

    def _stream(self, number: str, kind: str) -> bytes | None:
        path = [*self._path, f"__substg1.0_{number}{kind}"]
        if not self._file.exists(path) or self._file.get_type(path) != _STREAM:
            return None
        data: bytes = self._file.openstream(path).read()
        return data

    def _fixed(self) -> Mapping[int, int]:
        """Return the properties of a fixed size by their number."""
        path = [*self._path, _PROPERTIES]
        if not self._file.exists(path):
            return {}
        data = self._file.openstream(path).read()
        start = _NESTED if self._path else _TOP
        entries = (_ENTRY.unpack_from(data, at) for at in range(start, len(data) - _ENTRY.size + 1, _ENTRY.size))
        return {number: value for _, number, _, value in entries}


_STREAM = 2  # olefile.STGTY_STREAM


def _date(ticks: int | None) -> str:
    """Return a time that is counted in tenths of microseconds since 1601."""
    if not ticks:
        return ""
    try:
        return f"{_EPOCH + timedelta(microseconds=ticks // 10):%a, %d %b %Y %H:%M:%S +0000}"
    except OverflowError:
        return ""


def _is_image(name: str) -> bool:
    return name.lower().endswith((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".emz", ".wmz", ".svg"))
