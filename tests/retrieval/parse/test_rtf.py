"""Rich Text Format is read as its writer meant it: by itself, in Outlook's mails, and with a web page in it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from bot.domain.documents.rendering import rendered
from bot.domain.errors import DocumentError
from retrieval.parse.dispatch import parse
from retrieval.parse.formats.rtf import MAX_GROUPS, RtfParser, rtf_to_html
from retrieval.parse.mail.compressed_rtf import decompressed
from retrieval.parse.text import HIDDEN_FLAG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.domain.ports import Parser


def shown(text: str) -> str:
    document = RtfParser().parse(rf"{{\rtf1\ansi\ansicpg1252 {text}}}".encode("ascii"), "a.rtf")
    return rendered([block for section in document.sections for block in section.blocks]).markdown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        (r"One.\par Two.\line Three.", "One.\n\nTwo.  \nThree."),
        (r"The fee is {\strike 40} \b 45\b0  \'80.", "The fee is ~~40~~ **45** €."),
        (r"10{\super 3} H{\sub 2}O", "10³ H₂O"),
        (r"\u8364? \u-10179?\u-8704? {\uc2 \u8364ab!}", "€ 😀 €!"),
        (r"{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}\f1\'ce\'f2\'ef\'f3\'f1\'ea", "Отпуск"),
        (r"{\fonttbl{\f0\fcharset134 A;}}\f0\'c7\'eb\'bc\'d9", "请假"),
        (
            r'{\field{\*\fldinst{HYPERLINK "https://f.example.com/p"}}{\fldrslt{\ul form}}} here',
            "[form](https://f.example.com/p) here",
        ),
        (
            r"\trowd\pard\intbl City\cell Days\cell\row\trowd\pard\intbl Rome\cell 5\cell\row\pard Next.",
            "|  |  |\n| --- | --- |\n| City | Days |\n| Rome | 5 |\n\nNext.",
        ),
        (r"{\*\generator X;}{\info{\title Y}}{\pict 0102}{\deleted Z}Seen.", "~~Z~~Seen."),
        (r"5 < 6 & \{7\}", r"5 \< 6 & {7}"),
    ],
)
def test_rich_text_is_read_as_it_is_shown(text: str, markdown: str) -> None:
    assert shown(text) == markdown


@pytest.mark.parametrize("hidden", [r"{\v SECRET}", r"{\colortbl;\red255\green255\blue255;}{\cf1 SECRET}"])
def test_text_that_nobody_sees_is_left_out(hidden: str) -> None:
    document = RtfParser().parse(rf"{{\rtf1 Seen. {hidden}}}".encode(), "a.rtf")
    assert document.sections[0].text == "Seen."
    assert (HIDDEN_FLAG in document.flags) == ("cf1" in hidden)


def test_a_web_page_in_rich_text_comes_out_as_it_was() -> None:
    data = (
        rb"{\rtf1\ansi\ansicpg1252\fromhtml1 {\fonttbl{\f0 Arial;}}{\*\htmltag19 <html>}{\*\htmltag64 <p>}\htmlrtf {"
        rb"\htmlrtf0 The fee is {\*\htmltag84 <s>}40{\*\htmltag92 </s>} 45 \'80 < 50\htmlrtf\par}\htmlrtf0"
        rb'{\*\htmltag72 </p>}{\*\htmltag84 <a href="https://f.example.com/p">}form{\*\htmltag92 </a>}}'
    )
    assert rtf_to_html(data, "a.msg") == (
        '<html><p>The fee is <s>40</s> 45 € &lt; 50</p><a href="https://f.example.com/p">form</a>'
    )


def test_compressed_text_is_expanded() -> None:
    """The data is the example of Microsoft's specification, MS-OXRTFCP."""
    data = "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232 0af32068656c090020627705b06c647d0a800fa0"
    assert decompressed(bytes.fromhex(data)) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


@pytest.mark.parametrize("data", [b"", b"x" * 16, b"\0" * 16, b"\xff" * 64])
def test_damaged_compressed_text_is_named(data: bytes) -> None:
    with pytest.raises(ValueError, match="its rich text"):
        decompressed(data)


def test_rich_text_is_known_by_its_beginning(parsers: Mapping[str, Parser]) -> None:
    assert parse(rb"{\rtf1 Hello.}", "notes.txt", parsers).sections[0].text == "Hello."
    with pytest.raises(DocumentError, match=r"notes\.rtf is not a RTF file"):
        parse(b"Hello.", "notes.rtf", parsers)


def test_groups_within_groups_are_limited() -> None:
    with pytest.raises(DocumentError, match="nests groups"):
        rtf_to_html(rb"{\rtf1" + b"{" * (MAX_GROUPS + 2), "a.rtf")


@pytest.mark.parametrize("unit", [rb"\par a", b"}", rb"\trowd\intbl a\cell\row", rb"\'e4", rb"{\*\a b}"])
def test_rich_text_takes_time_by_its_length(unit: bytes) -> None:
    def taken(times: int) -> float:
        start = time.process_time()
        rtf_to_html(rb"{\rtf1 " + unit * times, "a.rtf")
        return time.process_time() - start

    assert taken(50_000) < 15 * max(taken(10_000), 0.05)
