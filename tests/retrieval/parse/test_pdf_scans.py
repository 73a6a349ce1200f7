"""Scans are read where text recognition is installed, in the child with its limits, and named where it isn't."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pypdfium2.raw
import pytest
from reportlab.lib.utils import ImageReader

from benchmarks.documents.pdf import to_pdf
from benchmarks.documents.tables import table_set
from bot.domain.documents.blocks import Table, words
from retrieval.parse.pdf import scans
from retrieval.parse.pdf.geometry import Box, Type, Word
from retrieval.parse.pdf.page.ocr import Recognised
from retrieval.parse.pdf.parser import PdfParser
from retrieval.parse.sandbox import parse_in_child
from retrieval.parse.text import EmptyError
from tests.retrieval.parse.pdfs import SIZE, blocks, drawn, lines, said

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from reportlab.pdfgen.canvas import Canvas

    from bot.domain.documents.parsed import ParsedDocument
    from bot.domain.ports import Parser

CASES = {case.name: case for case in table_set() if case.scanned}


def scan(canvas: Canvas) -> None:
    """Draw a picture that covers the page."""
    from PIL import Image, ImageDraw

    picture = Image.new("L", (1190, 1684), 250)
    ImageDraw.Draw(picture).text((200, 300), "Pay 99 dollars", font_size=48, fill=20)
    canvas.drawImage(ImageReader(picture), 0, 0, *SIZE)


def typed(canvas: Canvas) -> None:
    lines(canvas, 700, "The first page is typed.")


def patiently(data: bytes, name: str, parsers: Mapping[str, Parser]) -> ParsedDocument:
    """Parse as documents are, but leave a busy machine time: recognizing text computes for seconds."""
    return parse_in_child(data, name, parsers, seconds=100)


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "is_installed", lambda: False)


@pytest.mark.parametrize("name", ["scan-ruled-1", "scan-merged-1"])
def test_a_scanned_table_is_read_with_its_header_and_merged_cells(parsers: Mapping[str, Parser], name: str) -> None:
    case = CASES[name]
    document = patiently(to_pdf(case), "scan.pdf", parsers)
    assert document.flags == ()
    (table,) = (block for block in blocks(document) if isinstance(block, Table))
    assert [[words(cell) for cell in row] for row in table.rows] == [[*row] for row in case.seen[case.heads :]]
    assert [words(cell) for cell in table.header] == [
        " ".join(dict.fromkeys(row[column] for row in case.seen[: case.heads])) for column in range(len(case.grid[0]))
    ]
    read = " ".join(said(document).split())
    assert all(prose in read for prose in case.prose)


def test_a_picture_of_text_among_text_is_read(parsers: Mapping[str, Parser]) -> None:
    document = patiently(drawn(typed, scan), "mixed.pdf", parsers)
    assert said(document) == "The first page is typed.\n\nPay 99 dollars"
    assert [block.page for block in blocks(document)] == [1, 2]


@pytest.mark.parametrize(
    ("sure", "upright", "turn"),
    [(0.99, 0.0, 0), (0.72, 0.0, 180), (0.99, 1.0, 270), (0.71, 0.98, 90), (0.96, 0.3, 0)],
)
def test_a_scan_on_its_side_or_its_head_is_read_upright(
    monkeypatch: pytest.MonkeyPatch, sure: float, upright: float, turn: int
) -> None:
    """The figures are those of RapidOCR for pages turned by a quarter, a half and three quarters."""
    shapes: list[tuple[int, ...]] = []

    def recognise(pixels: NDArray[np.uint8], *_: object) -> Recognised:
        shapes.append(pixels.shape)
        word = Word("Hotels" if shapes[1:] or not turn else "slotH", Box(72, 80, 120, 92), Type(10))
        return Recognised((word,), (), (), *((0.99, 0.0) if shapes[1:] else (sure, upright)))

    monkeypatch.setattr(scans, "recognise", recognise)
    assert said(PdfParser().parse(drawn(scan), "x.pdf")) == "Hotels"
    assert len(shapes) == (2 if turn else 1)
    assert (shapes[0] == shapes[-1]) == (turn % 180 == 0)


def test_a_scan_that_no_turn_makes_clearer_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    read = iter(("faint", "tniaf"))
    box = Box(72, 80, 120, 92)
    monkeypatch.setattr(scans, "recognise", lambda *_: Recognised((Word(next(read), box, Type(10)),), (), (), 0.7, 0.0))
    assert said(PdfParser().parse(drawn(scan), "x.pdf")) == "faint"


def test_a_scan_on_its_head_is_read_by_the_recogniser(parsers: Mapping[str, Parser]) -> None:
    def page(canvas: Canvas) -> None:
        canvas.translate(*SIZE)
        canvas.rotate(180)
        scan(canvas)

    assert said(patiently(drawn(page), "x.pdf", parsers)) == "Pay 99 dollars"


@pytest.mark.usefixtures("nothing_installed")
def test_a_scan_is_refused_by_its_pages_without_text_recognition() -> None:
    with pytest.raises(EmptyError, match=r"rules\.pdf is a scan: pages 1–3 can't be read") as refused:
        PdfParser().parse(drawn(scan, scan, scan), "rules.pdf")
    assert "pip install 'mentee[ocr]'" in refused.value.hint


@pytest.mark.usefixtures("nothing_installed")
def test_a_scanned_page_among_others_is_named() -> None:
    document = PdfParser().parse(drawn(typed, scan, typed, scan, scan), "rules.pdf")
    assert "The first page is typed." in said(document)
    assert document.flags == ("not read: pages 2 and 4–5 (`pip install 'mentee[ocr]'` reads scans)",)


def test_pages_for_which_no_time_is_left_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "get_on", lambda _: 1.0)
    document = PdfParser().parse(drawn(typed, scan), "rules.pdf")
    assert document.flags == ("not read: page 2 (text recognition failed or took too long)",)


def test_a_scanned_page_that_stands_twice_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    word = Word("Twice.", Box(72, 400, 120, 412), Type(10))
    read: list[int] = []

    def recognise(*_: object) -> Recognised:
        read.append(1)
        return Recognised((word,), (), ())

    monkeypatch.setattr(scans, "recognise", recognise)
    document = PdfParser().parse(drawn(scan, scan), "x.pdf")
    assert (said(document), document.flags, len(read)) == ("Twice.\n\nTwice.", (), 1)


def test_pictures_without_text_are_no_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scans, "recognise", lambda *_: None)
    document = PdfParser().parse(drawn(typed, scan), "x.pdf")
    assert (said(document), document.flags) == ("The first page is typed.", ())
    with pytest.raises(EmptyError, match=r"x\.pdf contains no text"):
        PdfParser().parse(drawn(scan), "x.pdf")


def test_a_photograph_is_not_taken_for_a_page_of_text(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setattr(scans, "recognise", lambda *_: pytest.fail("read a photograph"))

    def page(canvas: Canvas) -> None:
        lines(canvas, 780, "Our garden in May.")
        canvas.drawImage(ImageReader(Image.effect_noise((600, 400), 90)), 72, 300, 400, 300)

    assert said(PdfParser().parse(drawn(page), "x.pdf")) == "Our garden in May."


def test_a_page_on_which_the_recogniser_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("bad allocation")

    monkeypatch.setattr(scans, "recognise", fail)
    assert PdfParser().parse(drawn(typed, scan), "rules.pdf").flags[0].startswith("not read: page 2 ")


def test_a_scan_with_a_point_for_each_pixel_is_read(parsers: Mapping[str, Parser]) -> None:
    from PIL import Image, ImageDraw

    def page(canvas: Canvas) -> None:
        picture = Image.new("L", (2480, 3508), 250)
        ImageDraw.Draw(picture).text((300, 500), "Pay 99 dollars", font_size=60, fill=20)
        canvas.drawImage(ImageReader(picture), 0, 0, 2480, 3508)

    assert said(patiently(drawn(page, size=(2480, 3508)), "large.pdf", parsers)) == "Pay 99 dollars"


@pytest.mark.usefixtures("nothing_installed")
def test_a_page_whose_fonts_have_no_alphabet_is_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pypdfium2.raw, "FPDFText_HasUnicodeMapError", lambda *_: 1)
    with pytest.raises(EmptyError, match="page 1 can't be read"):
        PdfParser().parse(drawn(typed), "x.pdf")
