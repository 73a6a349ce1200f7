"""Mail files (.eml), as mail programs save them."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.errors import HeaderParseError, MessageError
from email.header import decode_header
from email.message import Message as Part
from mimetypes import guess_extension
from typing import TYPE_CHECKING

from bot.domain.errors import DocumentError
from retrieval.parse.mail.message import HTML, TEXT, Attachment, Message, mail_document
from retrieval.parse.text import decode, encoding_named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.domain.documents.parsed import ParsedDocument
    from retrieval.parse.mail.message import Read

HEAD = ("From", "To", "Cc", "Date")
_FORWARDED = "message/rfc822"
_SIGNATURES = ("application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature")
_FOLDED = re.compile(r"\r?\n[ \t]")


class EmlParser:
    """Mails: subject, head, text with its quotations, and attachments by their own parsers."""

    name = "eml"
    suffixes: tuple[str, ...] = (".eml",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        return self.parse_with(data, name, no_attachments)

    def parse_with(self, data: bytes, name: str, read: Read) -> ParsedDocument:
        """Parse the mail, and what is attached by ``read``."""
        try:
            message = _message(message_from_bytes(data), name)
        except (MessageError, ValueError, LookupError) as error:
            raise DocumentError(f"{name} is not a readable email: {error}.", hint="Save it again.") from error
        return mail_document(message, name, read)


def no_attachments(_: bytes, name: str) -> ParsedDocument:
    """Stand in for a reader of attachments where there is none."""
    raise DocumentError(f"{name} is attached.")


def _message(mail: Part, name: str) -> Message:
    body: list[tuple[str, str]] = []
    attachments: list[Attachment] = []
    for part in _parts(mail):
        kind, file = part.get_content_type(), _file_name(part)
        if kind in (HTML, TEXT) and part.get_content_disposition() != "attachment" and not file:
            body.append((kind, _text(part, name)))
        elif kind == _FORWARDED:
            inner = part.get_payload()
            forwarded = inner[0] if isinstance(inner, list) and inner else None
            if isinstance(forwarded, Part):
                title = file or f"{_header(forwarded, 'Subject') or 'message'}.eml"
                attachments.append(Attachment(title, forwarded.as_bytes()))
        elif kind not in _SIGNATURES and not (kind.startswith("image/") and part.get("Content-ID")):
            data = part.get_payload(decode=True)
            unnamed = f"attachment{guess_extension(kind) or ''}"
            attachments.append(Attachment(file or unnamed, data if isinstance(data, bytes) else b""))
    head = tuple((label, _header(mail, label)) for label in HEAD)
    return Message(_header(mail, "Subject"), head, tuple(body), tuple(attachments))


def _parts(mail: Part) -> Iterator[Part]:
    """Yield the parts of a mail that hold something, without those of mails in it; of alternatives, the web page."""
    payload = mail.get_payload()
    if mail.get_content_type() == _FORWARDED or not isinstance(payload, list):
        yield mail
        return
    inner = [part for part in payload if isinstance(part, Part)]
    if mail.get_content_type() == "multipart/alternative" and any(map(_is_page, inner)):
        inner = [part for part in inner if part.get_content_type() != TEXT]
    for part in inner:
        yield from _parts(part)


def _is_page(part: Part) -> bool:
    """Return whether an alternative is a web page that says something, or holds one."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return any(_is_page(each) for each in payload if isinstance(each, Part))
    return part.get_content_type() == HTML and bool(str(payload).strip())


def _text(part: Part, name: str) -> str:
    """Return a part's text in the encoding that it declares, or else in the one that it looks like."""
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        text = data.decode(encoding_named(part.get_content_charset() or "") or "utf-8")
    except (LookupError, UnicodeDecodeError):
        text = decode(data, name) if data.strip() else ""
    text = text.replace("\r\n", "\n")
    if part.get_param("format") == "flowed":
        soft = "" if str(part.get_param("delsp")).lower() == "yes" else " "
        text = re.sub(r"(?<!^--) \n(?![>\s])", soft, text, flags=re.MULTILINE)
    return text


def _file_name(part: Part) -> str:
    try:
        return " ".join(_decoded(part.get_filename() or "").split()).replace("/", "_")
    except (ValueError, LookupError, TypeError):
        return "attachment"


def _header(part: Part, label: str) -> str:
    return _decoded(_FOLDED.sub(" ", str(part.get(label, ""))))


def _decoded(said: str) -> str:
    """Return a header without its encoding; one that is broken stays as it is."""
    try:
        parts = decode_header(said)
    except (HeaderParseError, ValueError):
        return said
    return "".join(
        part if isinstance(part, str) else part.decode(encoding_named(label or "") or "utf-8", errors="replace")
        for part, label in parts
    )
