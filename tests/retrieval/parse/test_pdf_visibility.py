"""Hidden is what nobody sees, whatever its colour."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from reportlab.lib.utils import ImageReader

from bot.domain.documents.blocks import Table, words
from tests.retrieval.parse.pdfs import SIZE, blocks, cells, grid, lines, read, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from reportlab.pdfgen.canvas import Canvas

BLUE = (0.0, 0.2, 0.4)
HIDDEN = "hidden text removed"


def text(canvas: Canvas, mode: int = 0) -> None:
    drawing = canvas.beginText(72, 600)
    drawing.setTextRenderMode(mode)
    drawing.textOut("Pay 99 dollars")
    canvas.drawText(drawing)


def white(canvas: Canvas) -> None:
    canvas.setFillGray(1)
    text(canvas)


def nearly_white(canvas: Canvas) -> None:
    canvas.setFillGray(0.97)
    text(canvas)


def blue_on_blue(canvas: Canvas) -> None:
    canvas.setFillColorRGB(*BLUE)
    canvas.rect(60, 580, 300, 50, stroke=0, fill=1)
    text(canvas)


def without_ink(canvas: Canvas) -> None:
    text(canvas, mode=3)


def covered(canvas: Canvas) -> None:
    text(canvas)
    canvas.rect(60, 580, 300, 50, stroke=0, fill=1)


def under_the_words(canvas: Canvas) -> None:
    canvas.setFillGray(1)
    text(canvas)
    canvas.setFillGray(0)
    canvas.drawString(72, 600, "Rules of work")


def tiny(canvas: Canvas) -> None:
    canvas.setFont("Helvetica", 0.8)
    text(canvas)


def scaled_to_nothing(canvas: Canvas) -> None:
    canvas.scale(0.05, 0.05)
    text(canvas)


def off_the_page(canvas: Canvas) -> None:
    canvas.drawString(SIZE[0] + 40, 600, "Pay 99 dollars")


def cropped(canvas: Canvas) -> None:
    canvas.setCropBox((0, 620, *SIZE))
    text(canvas)


def clipped(canvas: Canvas) -> None:
    path = canvas.beginPath()
    path.rect(60, 100, 300, 50)
    canvas.clipPath(path, stroke=0)
    text(canvas)


def see_through(canvas: Canvas) -> None:
    canvas.setFillAlpha(0)
    text(canvas)


@pytest.mark.parametrize(
    "hide",
    [
        *(white, nearly_white, blue_on_blue, without_ink, covered, under_the_words, tiny, scaled_to_nothing),
        *(off_the_page, cropped, clipped, see_through),
    ],
)
def test_what_nobody_sees_is_left_out_and_flagged(hide: Callable[[Canvas], None]) -> None:
    def page(canvas: Canvas) -> None:
        lines(canvas, 780, "Seen by all.")
        canvas.saveState()
        hide(canvas)
        canvas.restoreState()

    document = read(page)
    assert "Seen by all." in said(document)
    assert "99" not in said(document)
    assert HIDDEN in document.flags


def white_on_blue(canvas: Canvas) -> None:
    canvas.setFillColorRGB(*BLUE)
    canvas.rect(60, 580, 300, 50, stroke=0, fill=1)
    canvas.setFillGray(1)
    text(canvas)


def white_on_a_dark_page(canvas: Canvas) -> None:
    canvas.setFillGray(0)
    canvas.rect(0, 0, *SIZE, stroke=0, fill=1)
    canvas.setFillGray(1)
    lines(canvas, 740, "Seen by all.")
    text(canvas)


def white_on_a_picture(canvas: Canvas) -> None:
    out = io.BytesIO()
    Image.linear_gradient("L").point([value // 3 for value in range(256)]).save(out, "PNG")
    canvas.drawImage(ImageReader(out), 60, 560, 300, 80)
    canvas.setFillGray(1)
    text(canvas)


def white_in_a_form(canvas: Canvas) -> None:
    canvas.beginForm("box")
    white_on_blue(canvas)
    canvas.endForm()
    canvas.doForm("box")


def dark_on_a_white_page(canvas: Canvas) -> None:
    canvas.setFillGray(1)
    canvas.rect(0, 560, SIZE[0], 80, stroke=0, fill=1)
    canvas.setFillGray(0)
    text(canvas)


def as_outlines(canvas: Canvas) -> None:
    text(canvas, mode=1)


def half_transparent(canvas: Canvas) -> None:
    canvas.setFillAlpha(0.5)
    text(canvas)


def pale(canvas: Canvas) -> None:
    canvas.setFillGray(0.7)
    text(canvas)


@pytest.mark.parametrize(
    "show",
    [
        *(white_on_blue, white_on_a_dark_page, white_on_a_picture, white_in_a_form, dark_on_a_white_page),
        *(as_outlines, half_transparent, pale),
    ],
)
def test_what_people_see_is_read(show: Callable[[Canvas], None]) -> None:
    def page(canvas: Canvas) -> None:
        lines(canvas, 780, "Seen by all.")
        canvas.saveState()
        show(canvas)
        canvas.restoreState()

    document = read(page)
    assert "Seen by all." in said(document)
    assert "Pay 99 dollars" in said(document)


def test_a_white_header_on_a_coloured_row_names_its_columns() -> None:
    lefts = (72, 200, 330, 460)

    def page(canvas: Canvas) -> None:
        canvas.setFillColorRGB(*BLUE)
        canvas.rect(72, 680, 388, 20, stroke=0, fill=1)
        canvas.setFillGray(1)
        cells(canvas, 700, [("City", "Hotel", "Code")], lefts[:3])
        canvas.setFillGray(0)
        cells(canvas, 680, [("Vienna", "190", "A 7"), ("Rome", "170", "B 2")], lefts[:3])
        grid(canvas, lefts, 700, 3)

    (table,) = blocks(read(page))
    assert isinstance(table, Table)
    assert [words(cell) for cell in table.header] == ["City", "Hotel", "Code"]
    assert said(read(page)) == "Vienna: Hotel 190, Code A 7\nRome: Hotel 170, Code B 2"


def test_the_text_layer_of_a_scan_is_read_and_flagged() -> None:
    def page(canvas: Canvas) -> None:
        picture = Image.new("L", (1190, 1684), 250)
        for left in range(150, 420, 14):  # strokes where the letters are
            picture.paste(20, (left, 460, left + 6, 486))
        canvas.drawImage(ImageReader(picture), 0, 0, *SIZE)
        text(canvas, mode=3)

    document = read(page)
    assert said(document) == "Pay 99 dollars"
    assert document.flags == ("text layer of a scan",)
