"""Outlook's mail files are read as any mail; old and encrypted Office files, which look alike, say what to do."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import DocumentError
from retrieval.parse.dispatch import parse
from retrieval.parse.mail.msg import RICH_TEXT_FLAG

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.domain.documents.parsed import ParsedDocument
    from bot.domain.ports import Parser

    Read = Callable[[bytes, str], ParsedDocument]

Path = tuple[str, ...]
Streams = Mapping[Path, bytes]


@pytest.fixture
def read(parsers: Mapping[str, Parser]) -> Read:
    return lambda data, name: parse(data, name, parsers)


def texts(document: ParsedDocument) -> dict[tuple[str, ...], str]:
    return {section.headings: section.text for section in document.sections}


END, FREE, FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD


class Compound:
    """Writes a compound file of streams by path."""

    def __init__(self, streams: Streams) -> None:
        self.sectors, self.fat = b"", list[int]()
        self.mini, self.minifat = b"", list[int]()
        paths = {path[:length] for path in streams for length in range(1, len(path) + 1)}
        self.nodes = [(), *sorted(paths)]
        starts = {path: self.add_small(data) if len(data) < 4096 else self.add(data) for path, data in streams.items()}
        starts[()] = self.add(self.mini)
        minifat = self.add(struct.pack(f"<{len(self.minifat)}I", *self.minifat))
        entries = b"".join(self.entry(path, streams, starts) for path in self.nodes)
        directory = self.add(entries + b"\0" * (-len(entries) % 512))
        count = -(-(len(self.fat) + 2) // 126)
        first = len(self.fat)
        table = [*self.fat, *[FAT] * count]
        table += [FREE] * (128 * count - len(table))
        self.sectors += struct.pack(f"<{len(table)}I", *table)
        difat = [*range(first, first + count), *[FREE] * (109 - count)]
        self.data = (
            struct.pack(
                "<8s16sHHHHH6x9I109I",
                *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"", 0x3E, 3, 0xFFFE, 9, 6),
                *(0, count, directory, 0, 4096, minifat, -(-len(self.minifat) // 128), END, 0),
                *difat,
            )
            + self.sectors
        )

    def add(self, data: bytes) -> int:
        start, count = len(self.fat), -(-len(data) // 512)
        self.sectors += data + b"\0" * (-len(data) % 512)
        self.fat += [*range(start + 1, start + count), END][:count]
        return start if count else END

    def add_small(self, data: bytes) -> int:
        start, count = len(self.minifat), -(-len(data) // 64)
        self.mini += data + b"\0" * (-len(data) % 64)
        self.minifat += [*range(start + 1, start + count), END][:count]
        return start if count else END

    def entry(self, path: Path, streams: Streams, starts: Mapping[Path, int]) -> bytes:
        """Return a directory's entry; those of a storage are linked one after the other."""
        siblings = self.inside(path[:-1]) if path else []
        after = siblings[siblings.index(path) + 1 :] if path else []
        name = ((path[-1] if path else "Root Entry") + "\0").encode("utf-16-le")
        kind = 5 if not path else 2 if path in streams else 1
        size = len(self.mini) if not path else len(streams.get(path, b""))
        links = (FREE, *(self.nodes.index(each[0]) if each else FREE for each in (after, self.inside(path))))
        head = struct.pack("<64sHBB3I", name, len(name), kind, 1, *links)
        return head + bytes(36) + struct.pack("<IQ", starts.get(path, 0), size)

    def inside(self, path: Path) -> list[Path]:
        found = (each for each in self.nodes if each and each[:-1] == path)
        return sorted(found, key=lambda each: (len(each[-1]), each[-1].upper()))


def properties(start: int, **values: int) -> bytes:
    """Return fixed properties by ``p`` and their number in hexadecimal."""
    entries = (struct.pack("<HHIQ", 3, int(key[1:], 16), 0, value) for key, value in values.items())
    return bytes(start) + b"".join(entries)


SENT = 134120790000000000
"""Half past nine on the 5th of January 2026, in tenths of microseconds since 1601."""


def outlook(text: str, *, top: bool = True) -> dict[Path, bytes]:
    texts = {"0037": "Zimmer", "0C1A": "Ada", "5D01": "ada@example.com", "0E04": "Travel", "1000": text}
    return {
        ("__properties_version1.0",): properties(32 if top else 24, p0039=SENT, p3FDE=65001),
        **{(f"__substg1.0_{key}001F",): value.encode("utf-16-le") for key, value in texts.items()},
    }


def below(path: str, streams: Streams) -> dict[Path, bytes]:
    return {(path, *inner): data for inner, data in streams.items()}


def attached(number: int, name: str, **streams: bytes) -> dict[Path, bytes]:
    own: dict[Path, bytes] = {(f"__substg1.0_{key[1:]}",): data for key, data in streams.items()}
    named: dict[Path, bytes] = {
        ("__substg1.0_3707001F",): name.encode("utf-16-le"),
        ("__properties_version1.0",): properties(8),
    }
    return below(f"__attach_version1.0_#{number:08X}", {**named, **own})


OUTLOOK_HEAD = "From: Ada <ada@example.com>\nTo: Travel\nDate: Mon, 05 Jan 2026 09:30:00 +0000"


def test_an_outlook_mail_is_read_as_any_mail(read: Read) -> None:
    long = "Rooms are booked in Concur. " * 200
    inner = below("__substg1.0_3701000D", outlook("Is it 190?", top=False))
    data = Compound(
        {
            **outlook(f"{long}\r\n\r\n> old"),
            **attached(0, "rates.csv", p37010102=b"city;rate\nVienna;190\n"),
            **attached(1, "logo.png", p37010102=b"\x89PNG", p3712001F="logo".encode("utf-16-le")),
            **attached(2, "Question"),
            **below("__attach_version1.0_#00000002", inner),
        }
    ).data
    document = read(data, "a.msg")
    assert document.title == "Zimmer"
    assert texts(document) == {
        (): f"{OUTLOOK_HEAD}\nAttachments: rates.csv, Question\n\n{long.strip()}\n\nold",
        ("rates.csv",): "Vienna: rate 190",
        ("Question", "Zimmer"): f"{OUTLOOK_HEAD}\n\nIs it 190?",
    }
    assert document.flags == ()


def test_an_outlook_mail_may_be_a_page(read: Read) -> None:
    page: dict[Path, bytes] = {("__substg1.0_10130102",): "<p>Größe <b>5</b></p>".encode()}
    assert texts(read(Compound({**outlook("plain"), **page}).data, "a.msg")) == {(): f"{OUTLOOK_HEAD}\n\nGröße 5"}


def test_an_outlook_mail_in_rich_text_only_is_read(read: Read) -> None:
    text = rb"{\rtf1\ansi\ansicpg1252 The fee is {\strike 40} 45 \'80.}"
    stored = struct.pack("<IIII", len(text) + 12, len(text), 0x414C454D, 0) + text
    for plain in ("", "The fee is 40 45."):
        rich: dict[Path, bytes] = {("__substg1.0_10090102",): stored}
        document = read(Compound({**outlook(plain), **rich}).data, "a.msg")
        assert texts(document) == {(): f"{OUTLOOK_HEAD}\n\nThe fee is 45 \u20ac."}
        assert document.flags == ()


def test_an_outlook_mail_whose_rich_text_is_damaged_is_flagged(read: Read) -> None:
    rich: dict[Path, bytes] = {("__substg1.0_10090102",): b"x" * 100}
    assert read(Compound({**outlook(""), **rich}).data, "a.msg").flags == (
        f"{RICH_TEXT_FLAG}: its rich text has more than 64 MB",
    )
    assert texts(read(Compound({**outlook("Plain."), **rich}).data, "a.msg")) == {(): f"{OUTLOOK_HEAD}\n\nPlain."}


@pytest.mark.parametrize("size", [100, 600, 2_000])
def test_a_damaged_outlook_mail_is_refused_by_name(read: Read, size: int) -> None:
    data = Compound(outlook("x" * 5_000)).data
    with pytest.raises(DocumentError, match=r"a\.msg"):
        read(data[:size] + b"\xff" * 64, "a.msg")


@pytest.mark.parametrize(
    ("stream", "said"),
    [("EncryptedPackage", "it is encrypted"), ("WordDocument", "old Word file"), ("Workbook", "old Excel file")],
)
def test_old_and_encrypted_office_files_say_what_to_do(read: Read, stream: str, said: str) -> None:
    with pytest.raises(DocumentError, match=said) as caught:
        read(Compound({(stream,): b"x" * 5_000}).data, "a.docx")
    assert "Save it" in caught.value.hint
