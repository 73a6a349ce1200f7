from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.documents.blocks import paragraphs
from bot.domain.documents.parsed import ParsedDocument, ParsedSection
from retrieval import attachments
from retrieval.attachments import read_attachment, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from bot.domain.ports import Parser


class SeesParser:
    """Reads pictures."""

    name = "sees"
    suffixes: tuple[str, ...] = (".png",)

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        raise NotImplementedError


def test_a_document_is_read_in_pieces_under_their_headings(parsers: Mapping[str, Parser]) -> None:
    read = read_attachment(b"# Rooms\n\nRoom 7 is blue.\n\n# Doors\n\nDoor 8 is red.\n", "memo.md", parsers)
    assert read.pieces == (("Rooms", "Room 7 is blue."), ("Doors", "Door 8 is red."))
    assert read.problem == ""


def test_of_a_long_one_the_beginning_is_read_and_that_is_said(
    parsers: Mapping[str, Parser], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "CHARACTERS", 2_000)
    read = read_attachment(b"One more sentence stands here. " * 200, "long.txt", parsers)
    assert 0 < sum(len(text) for _, text in read.pieces) <= 2_000
    assert read.problem == "Of long.txt I read only the first 2,000 characters."


def test_pictures_are_refused_unless_a_plugin_sees(parsers: Mapping[str, Parser]) -> None:
    assert refusal("a.png", parsers) == "I can't read images (a.png)."
    assert refusal("a.png", {**parsers, ".png": SeesParser()}) == ""
    assert refusal("a.md", parsers) == ""


def test_what_no_parser_reads_says_why_and_names_the_file_once(parsers: Mapping[str, Parser]) -> None:
    read = read_attachment(b"PK\x03\x04 and so on", "plan.zip", parsers)
    assert read.pieces == ()
    assert read.problem.startswith("I can't read plan.zip: no parser reads it: ")
    assert read.problem.count("plan.zip") == 1


def test_pages_that_nobody_could_read_are_named(parsers: Mapping[str, Parser], monkeypatch: pytest.MonkeyPatch) -> None:
    half = ParsedDocument("T", (ParsedSection((), paragraphs("Typed.")),), ("not read: page 2 (it is a scan)",))
    monkeypatch.setattr(attachments, "parse", lambda *_, **__: half)
    read = read_attachment(b"%PDF-", "rules.pdf", parsers)
    assert read.pieces == (("", "Typed."),)
    assert read.problem == "I couldn't read page 2 of rules.pdf: there is only a picture."
