"""A mail, whatever file it came in, as sections: its head, its text, and what is attached to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Paragraph, Span
from bot.domain.documents.parsed import ParsedSection
from bot.domain.errors import DocumentError
from retrieval.parse.formats.html import from_html
from retrieval.parse.mail.quotes import quoted, text_blocks
from retrieval.parse.text import EmptyError, clean, document, title_from, without_controls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bot.domain.documents.parsed import ParsedDocument

    Read = Callable[[bytes, str], ParsedDocument]

HTML, TEXT = "text/html", "text/plain"
MAX_ATTACHMENTS = 100
"""Attachments of a mail that are read; the others are named."""

UNREAD_FLAG = "attachment not read: "
"""Begins a flag that names an attachment and says why it wasn't read."""

_UNNAMED = "attachment"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file attached to a mail.

    :param content: its bytes, or a mail that was forwarded with this one.
    """

    name: str
    content: bytes | Message


@dataclass(frozen=True, slots=True)
class Message:
    """A mail.

    :param head: from whom, to whom and when, as lines.
    :param body: its texts in their order, each with its media type.
    :param flags: what of it couldn't be read.
    """

    subject: str
    head: tuple[tuple[str, str], ...]
    body: tuple[tuple[str, str], ...]
    attachments: tuple[Attachment, ...] = ()
    flags: tuple[str, ...] = ()


def mail_document(message: Message, name: str, read: Read) -> ParsedDocument:
    """Return a mail as a document.

    :param read: reads an attachment by its bytes and name.
    :raises EmptyError: it says nothing, and neither does what is attached.
    """
    flags = dict.fromkeys(message.flags)
    body = [*_body(message, name, flags)]
    names = [each.name or _UNNAMED for each in message.attachments]
    head = [(label, said) for label, said in (*message.head, ("Attachments", ", ".join(names))) if said]
    lines = [span for label, said in head for span in (Span("\n"), Span(f"{label}: {_said(said, flags)}"))][1:]
    first = ParsedSection((), (Paragraph(tuple(lines)),)) if lines else None
    if first is not None and body and not body[0].headings:
        body[0] = replace(body[0], blocks=(*first.blocks, *body[0].blocks))
    elif first is not None:
        body.insert(0, first)
    for number, each in enumerate(message.attachments):
        body += _attached(each, names[number], read if number < MAX_ATTACHMENTS else _refused, flags)
    return document(_said(message.subject, flags) or title_from(name), body, tuple(flags), name)


def _body(message: Message, name: str, flags: dict[str, None]) -> Iterator[ParsedSection]:
    """Yield what the mail itself says, with what it quotes as quotations."""
    for kind, text in message.body:
        if kind == HTML:
            try:
                page = from_html(without_controls(text), "", (), name)
            except EmptyError:
                continue
            flags.update(dict.fromkeys(page.flags))
            for section in page.sections:
                yield replace(section, blocks=quoted(section.blocks))
        else:
            said, found = clean(text)
            flags.update(dict.fromkeys(found))
            if said.strip():
                yield ParsedSection((), quoted(text_blocks(said)))


def _attached(each: Attachment, name: str, read: Read, flags: dict[str, None]) -> Sequence[ParsedSection]:
    """Return the sections of an attachment below its name; one that can't be read is flagged."""
    try:
        inner = each.content
        found = mail_document(inner, name, read) if isinstance(inner, Message) else read(inner, name)
    except EmptyError:
        return []
    except DocumentError as error:
        flags[f"{UNREAD_FLAG}{error.text.rstrip('.')}"] = None
        return []
    except Exception as error:  # noqa: BLE001 - whatever a parser raises is the attachment's failure, not the mail's
        flags[f"{UNREAD_FLAG}its parser failed on {name} with {type(error).__name__}"] = None
        return []
    flags.update(dict.fromkeys(found.flags))
    title = [found.title] if isinstance(each.content, Message) else []
    return [replace(section, headings=(name, *title, *section.headings)) for section in found.sections]


def _refused(_: bytes, name: str) -> ParsedDocument:
    raise DocumentError(f"{name} comes after the first {MAX_ATTACHMENTS} attachments.")


def _said(text: str, flags: dict[str, None]) -> str:
    said, found = clean(text)
    flags.update(dict.fromkeys(found))
    return " ".join(said.split())
