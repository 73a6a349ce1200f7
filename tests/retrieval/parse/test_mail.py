"""A mail is read with its head, its text with quotations, and what is attached to it."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING

import pytest

from bot.domain.documents.blocks import Quote
from bot.domain.documents.rendering import rendered
from bot.domain.errors import DocumentError
from retrieval.parse.dispatch import MAX_DEPTH, parse
from retrieval.parse.mail.message import MAX_ATTACHMENTS, UNREAD_FLAG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.domain.documents.parsed import ParsedDocument
    from bot.domain.ports import Parser

    Read = Callable[[bytes, str], ParsedDocument]


@pytest.fixture
def read(parsers: Mapping[str, Parser]) -> Read:
    return lambda data, name: parse(data, name, parsers)


def mail(text: str = "Rooms are booked in Concur.", subject: str = "Hotel rates") -> EmailMessage:
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message["From"] = "Ada Lovelace <ada@example.com>"
    message["To"] = "travel@example.com"
    message["Date"] = "Mon, 05 Jan 2026 09:30:00 +0100"
    message.set_content(text)
    return message


HEAD = "From: Ada Lovelace <ada@example.com>\nTo: travel@example.com\nDate: Mon, 05 Jan 2026 09:30:00 +0100"


def texts(document: ParsedDocument) -> dict[tuple[str, ...], str]:
    return {section.headings: section.text for section in document.sections}


def test_the_subject_is_the_title_and_the_head_stands_above_the_text(read: Read) -> None:
    document = read(mail("Größe: 5 m²\n\n-- \nAda", "Zimmer für Köln").as_bytes(), "a.eml")
    assert document.title == "Zimmer für Köln"
    assert texts(document) == {(): f"{HEAD}\n\nGröße: 5 m²\n\n--\nAda"}


def test_a_mails_page_is_read_as_any_page(read: Read) -> None:
    message = mail("plain")
    table = "<table><tr><th>City</th><th>Rate</th></tr><tr><td>Vienna</td><td>190</td></tr></table>"
    hidden = '<img src="cid:x" alt="Map"><p style="color:white">SECRET</p>'
    message.add_alternative(table + hidden, subtype="html")
    document = read(message.as_bytes(), "a.eml")
    assert texts(document) == {(): f"{HEAD}\n\nVienna: Rate 190\n\nMap"}
    assert document.flags == ("hidden text removed",)


ORIGINAL = "-----Original Message-----\nFrom: Ann\n\nIs it 190?"
GERMAN = "Von: Ann\nGesendet: Montag\nAn: Ada\n\nIst es 190?"


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("Yes.\n\nAnn wrote:\n> Is it 190?\n> > It was 150.\n", "Is it 190?\n\nIt was 150."),
        (f"Yes.\n\n{ORIGINAL}", ORIGINAL),
        (f"Yes.\n\n{GERMAN}", GERMAN),
    ],
)
def test_what_a_reply_quotes_is_a_quotation(read: Read, text: str, quote: str) -> None:
    (section,) = read(mail(text).as_bytes(), "a.eml").sections
    assert [rendered(block.blocks).text for block in section.blocks if isinstance(block, Quote)] == [quote]


def test_quotations_of_a_page_are_quotations(read: Read) -> None:
    message = mail()
    message.set_content(
        "<p>Yes.</p><div><p><b>From:</b> Ann<br><b>Sent:</b> Monday<br></p><p>Is it 190?</p></div>", subtype="html"
    )
    (section,) = read(message.as_bytes(), "a.eml").sections
    assert isinstance(section.blocks[-1], Quote)
    assert rendered(section.blocks[-1].blocks).text == "From: Ann\nSent: Monday\n\nIs it 190?"


def test_attachments_are_read_by_their_own_parsers(read: Read, word: Callable[..., bytes]) -> None:
    message = mail()
    message.add_attachment(b"city;rate\nVienna;190\n", maintype="text", subtype="csv", filename="rates.csv")
    body = '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Rules</w:t></w:r></w:p>'
    data = word(f"{body}<w:p><w:r><w:t>Book early.</w:t></w:r></w:p>")
    message.add_attachment(data, maintype="application", subtype="octet-stream", filename="Straße.docx")
    message.add_attachment(mail("Is it 190?", "Question"))
    message.add_attachment(b"\x89PNG\r\n\x1a\n\0\0", maintype="image", subtype="png", filename="photo.png")
    document = read(message.as_bytes(), "a.eml")
    assert texts(document) == {
        (): f"{HEAD}\nAttachments: rates.csv, Straße.docx, Question.eml, photo.png\n\nRooms are booked in Concur.",
        ("rates.csv",): "Vienna: rate 190",
        ("Straße.docx", "Rules"): "Book early.",
        ("Question.eml",): f"{HEAD}\n\nIs it 190?",
    }
    (flag,) = document.flags
    assert flag.startswith(f"{UNREAD_FLAG}Can't read photo.png")


def test_pictures_within_the_text_are_no_attachments(read: Read) -> None:
    message = mail()
    message.set_content("<p>See <img src='cid:a' alt='the map'></p>", subtype="html")
    message.add_related(b"\x89PNG\r\n\x1a\n", maintype="image", subtype="png", cid="<a>")
    document = read(message.as_bytes(), "a.eml")
    assert texts(document) == {(): f"{HEAD}\n\nSee the map"}
    assert document.flags == ()


def test_a_mailing_lists_footer_below_a_page_is_kept_and_signatures_are_not_attached(read: Read) -> None:
    message = mail("plain")
    message.add_alternative("<p>page</p>", subtype="html")
    message.make_mixed()
    footer = EmailMessage()
    footer.set_content("Unsubscribe here.")
    message.attach(footer)
    message.add_attachment(b"x", maintype="application", subtype="pkcs7-signature", filename="smime.p7s")
    document = read(message.as_bytes(), "a.eml")
    assert [section.text for section in document.sections] == [f"{HEAD}\n\npage", "Unsubscribe here."]
    assert document.flags == ()


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Type: text/plain; charset=x-unknown", "Größe".encode("cp1252")),
        (b"Content-Type: text/plain; charset=utf-8", "Größe".encode("cp1252")),
        (b"Content-Type: text/plain; charset=iso-8859-1", "Größe".encode("latin-1")),
        (b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64", b"R3LDtsOfZQ=="),
        (b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable", b"Gr=C3=B6=C3=9Fe"),
    ],
)
def test_text_of_any_encoding_is_read(read: Read, head: bytes, body: bytes) -> None:
    document = read(b"Subject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\n" + head + b"\n\n" + body, "a.eml")
    assert document.title == "Größe"
    assert texts(document) == {(): "Größe"}


def test_flowed_lines_are_one(read: Read) -> None:
    head = b"Subject: x\nContent-Type: text/plain; format=flowed\n\n"
    assert texts(read(head + b"Rooms are \nbooked \nearly.\nAlways.\n", "a.eml")) == {
        (): "Rooms are booked early.\nAlways."
    }


def forwarded(depth: int) -> EmailMessage:
    message = mail("innermost")
    for level in range(depth):
        outer = mail(f"level {level}")
        outer.add_attachment(message)
        message = outer
    return message


def test_mails_in_mails_are_read_up_to_a_depth(read: Read) -> None:
    assert "innermost" in read(forwarded(MAX_DEPTH).as_bytes(), "a.eml").sections[-1].text
    document = read(forwarded(MAX_DEPTH + 3).as_bytes(), "a.eml")
    assert "innermost" not in document.sections[-1].text
    assert any("nested in more than" in flag for flag in document.flags)


def test_what_is_attached_cannot_bring_the_mail_down(read: Read, word: Callable[..., bytes]) -> None:
    message = mail()
    deep = "<w:sdt>" * 20_000 + "</w:sdt>" * 20_000
    for name, data in (("deep.docx", word(deep)), ("rest.csv", b"a,b\n" + b"1,2\n" * 300_000), ("x.pdf", b"%PDF-")):
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    document = read(message.as_bytes(), "a.eml")
    assert list(texts(document)) == [()]
    assert [flag.removeprefix(UNREAD_FLAG).split()[0] for flag in document.flags] == ["its", "rest.csv", "x.pdf"]


def test_of_many_attachments_the_first_are_read(read: Read) -> None:
    message = mail()
    for number in range(MAX_ATTACHMENTS + 2):
        message.add_attachment(b"text", maintype="text", subtype="plain", filename=f"{number}.txt")
    document = read(message.as_bytes(), "a.eml")
    assert len(document.sections) == MAX_ATTACHMENTS + 1
    assert len(document.flags) == 2


@pytest.mark.parametrize("data", [b"\x00\x01\x02" * 100, b"just some words"])
def test_a_file_that_is_no_mail_is_refused_by_name(read: Read, data: bytes) -> None:
    with pytest.raises(DocumentError, match=r"a\.eml is not a EML file"):
        read(data, "a.eml")


def test_parts_in_parts_without_end_are_refused_by_name(read: Read) -> None:
    heads = b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (number, number) for number in range(3_000)
    )
    with pytest.raises(DocumentError, match=r"a\.eml"):
        read(b"Subject: x\n" + heads + b"Content-Type: text/plain\n\nx", "a.eml")
