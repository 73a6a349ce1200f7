"""A presentation is read slide by slide, as the audience sees it, with the speaker's notes marked as such."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING

import pytest
from pptx import Presentation
from pptx.chart.data import CategoryChartData
from pptx.dml.color import RGBColor
from pptx.enum.chart import XL_CHART_TYPE
from pptx.enum.shapes import MSO_SHAPE
from pptx.util import Inches, Pt

from bot.domain.documents.blocks import Code, Paragraph, plain
from retrieval.parse.ooxml.package import A
from retrieval.parse.slides.parser import PptxParser
from retrieval.parse.text import HIDDEN_FLAG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pptx.presentation import Presentation as Deck
    from pptx.shapes.autoshape import Shape
    from pptx.slide import Slide

    from bot.domain.documents.parsed import ParsedDocument

TITLE_ONLY, TITLE_AND_CONTENT, TWO_CONTENT, BLANK = 5, 1, 3, 6
WHITE, NAVY = RGBColor(255, 255, 255), RGBColor(0x1F, 0x38, 0x64)


def read(deck: Deck) -> ParsedDocument:
    out = io.BytesIO()
    deck.save(out)
    return PptxParser().parse(out.getvalue(), "deck.pptx")


def texts(deck: Deck) -> dict[tuple[str, ...], str]:
    return {section.headings: section.text for section in read(deck).sections}


def slide(deck: Deck, layout: int = TITLE_ONLY, title: str = "Hotels") -> Slide:
    made = deck.slides.add_slide(deck.slide_layouts[layout])
    if made.shapes.title is not None:
        made.shapes.title.text = title
    return made


def box(made: Slide, text: str, left: float, top: float, width: float = 3.0) -> Shape:
    frame = made.shapes.add_textbox(Inches(left), Inches(top), Inches(width), Inches(1))
    frame.text_frame.text = text
    return frame


def png() -> io.BytesIO:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    image = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + image)


def test_slides_are_sections_with_their_titles_and_numbers() -> None:
    deck = Presentation()
    slide(deck, 0, "Travel policy").placeholders[1].text = "For everyone"
    box(slide(deck, BLANK), "No title here.", 1, 1)
    untitled = Presentation()
    box(slide(untitled, BLANK), "No title here.", 1, 1)
    assert read(untitled).title == "deck"
    document = read(deck)
    assert document.title == "Travel policy"
    assert texts(deck) == {("Travel policy",): "For everyone", ("Slide 2",): "No title here."}
    assert [block.page for section in document.sections for block in section.blocks] == [1, 2]


def test_a_slide_with_nothing_but_a_title_is_kept() -> None:
    deck = Presentation()
    slide(deck, title="Questions?")
    assert texts(deck) == {("Questions?",): "Questions?"}


def test_bullets_are_items_with_their_levels() -> None:
    deck = Presentation()
    frame = slide(deck, TITLE_AND_CONTENT).placeholders[1].text_frame
    frame.text = "Book early"
    deeper = frame.add_paragraph()
    deeper.text, deeper.level = "in Concur", 1
    assert texts(deck) == {("Hotels",): "- Book early\n  - in Concur"}


def test_numbered_paragraphs_have_their_numbers() -> None:
    deck = Presentation()
    frame = slide(deck, TITLE_AND_CONTENT).placeholders[1].text_frame
    frame.text = "first"
    for text in ("second", "third"):
        frame.add_paragraph().text = text
    look = {"type": "alphaLcParenR", "startAt": "2"}
    for paragraph in frame.paragraphs:
        properties = paragraph._p.get_or_add_pPr()
        properties.append(properties.makeelement(f"{A}buAutoNum", look))
    assert texts(deck) == {("Hotels",): "b) first\nc) second\nd) third"}


def test_shapes_are_read_from_top_to_bottom_and_left_to_right() -> None:
    deck = Presentation()
    made = slide(deck, BLANK)
    for text, left, top in (("low", 1, 5), ("right", 5, 2.1), ("left", 1, 2.2), ("top", 1, 0.5)):
        box(made, text, left, top)
    group = made.shapes.add_group_shape()
    for text, top in (("inner low", 4.0), ("inner high", 3.2)):
        shape = group.shapes.add_textbox(Inches(1), Inches(top), Inches(2), Inches(0.5))
        shape.text_frame.text = text
    assert texts(deck)[("Slide 1",)].split("\n\n") == ["top", "left", "right", "inner high", "inner low", "low"]


def test_tables_say_their_headers_and_repeat_merged_cells() -> None:
    deck = Presentation()
    table = slide(deck).shapes.add_table(3, 3, Inches(1), Inches(2), Inches(6), Inches(2)).table
    for row, values in enumerate((("City", "Hotel", "Meals"), ("Vienna", "190", "45"), ("", "200", "50"))):
        for column, value in enumerate(values):
            table.cell(row, column).text = value
    table.cell(1, 0).merge(table.cell(2, 0))
    assert texts(deck) == {("Hotels",): "Vienna: Hotel 190, Meals 45\nVienna: Hotel 200, Meals 50"}


def test_charts_are_tables() -> None:
    deck = Presentation()
    data = CategoryChartData(number_format='0"%"')
    data.categories = ["May", "June"]
    data.add_series("Guests", (12, 15))
    chart = slide(deck).shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(4), Inches(3), data).chart
    chart.has_title = True
    chart.chart_title.text_frame.text = "Guests a month"
    assert texts(deck) == {("Hotels",): "Guests a month\n\nMay: Guests 12%\nJune: Guests 15%"}


def test_notes_are_marked_as_notes() -> None:
    deck = Presentation()
    made = slide(deck, TITLE_AND_CONTENT)
    made.placeholders[1].text = "Book early"
    made.notes_slide.notes_text_frame.text = "Mention the new rates."
    assert texts(deck) == {("Hotels",): "- Book early", ("Hotels", "Notes"): "Mention the new rates."}


def test_pictures_say_their_alternative_text_but_not_their_files_name() -> None:
    deck = Presentation()
    made = slide(deck)
    first, second = (made.shapes.add_picture(png(), Inches(1), Inches(top)) for top in (2, 3))
    first._element.nvPicPr.cNvPr.set("descr", "Map of the site")
    second._element.nvPicPr.cNvPr.set("descr", "image1.png")
    assert texts(deck) == {("Hotels",): "Map of the site"}


def test_hidden_slides_shapes_and_what_lies_beside_the_slide_are_left_out() -> None:
    deck = Presentation()
    made = slide(deck)
    box(made, "seen", 1, 2)
    box(made, "SECRET beside", 30, 2)
    box(made, "SECRET shape", 1, 3)._element.nvSpPr.cNvPr.set("hidden", "1")
    hidden = slide(deck, title="SECRET slide")
    hidden._element.set("show", "0")
    assert texts(deck) == {("Hotels",): "seen"}
    assert read(deck).flags == (HIDDEN_FLAG,)


def coloured(made: Slide, text: str, top: float) -> None:
    frame = box(made, text, 1, top)
    frame.text_frame.paragraphs[0].runs[0].font.color.rgb = WHITE


def test_white_letters_are_hidden_on_white_only() -> None:
    deck = Presentation()
    made = slide(deck, BLANK)
    coloured(made, "SECRET", 0.2)
    banner = made.shapes.add_shape(MSO_SHAPE.RECTANGLE, Inches(1), Inches(2), Inches(5), Inches(1))
    banner.fill.solid()
    banner.fill.fore_color.rgb = NAVY
    coloured(made, "on the banner", 2.1)
    own = box(made, "", 1, 4)
    own.fill.solid()
    own.fill.fore_color.rgb = NAVY
    run = own.text_frame.paragraphs[0].add_run()
    run.text, run.font.color.rgb = "in its own box", WHITE
    tiny = box(made, "", 1, 5)
    run = tiny.text_frame.paragraphs[0].add_run()
    run.text, run.font.size = "SECRET tiny", Pt(1)
    assert texts(deck) == {("Slide 1",): "on the banner\n\nin its own box"}
    dark = Presentation()
    made = slide(dark, BLANK)
    made.background.fill.solid()
    made.background.fill.fore_color.rgb = NAVY
    coloured(made, "on dark", 1)
    assert texts(dark) == {("Slide 1",): "on dark"}


@pytest.mark.parametrize("where", ["slide_master", "slide_layouts"])
def test_what_stands_on_every_slide_is_said_once(where: str) -> None:
    deck = Presentation()
    page = deck.slide_master if where == "slide_master" else deck.slide_layouts[BLANK]
    copied = slide(deck, BLANK)
    shape = box(copied, "Confidential", 1, 6)
    page.shapes._spTree.append(shape._element)
    for text in ("one", "two"):
        box(slide(deck, BLANK), text, 1, 1)
    assert texts(deck) == {("Slide 2",): "one", ("Slide 3",): "two", (): "Confidential"}


def said(deck: Deck) -> Sequence[str]:
    return [section.text for section in read(deck).sections]


def test_links_and_crossed_out_text_are_kept_as_such() -> None:
    deck = Presentation()
    frame = box(slide(deck, BLANK), "", 1, 1)
    paragraph = frame.text_frame.paragraphs[0]
    run = paragraph.add_run()
    run.text, run.hyperlink.address = "the form", "https://example.com/form"
    struck = paragraph.add_run()
    struck.text = " 190"
    struck._r.get_or_add_rPr().set("strike", "sngStrike")
    assert said(deck) == ["the form"]


def test_raised_digits_are_no_part_of_the_number_before() -> None:
    deck = Presentation()
    frame = box(slide(deck), "30", 1, 2)
    for text, baseline in (("1", "30000"), (" days, H", "0"), ("2", "-25000"), ("O", "0")):
        run = frame.text_frame.paragraphs[0].add_run()
        run.text = text
        run.font._element.set("baseline", baseline)
    assert texts(deck) == {("Hotels",): "30¹ days, H₂O"}


def test_code_on_a_slide_keeps_its_lines() -> None:
    deck = Presentation()
    frame = box(slide(deck), "if x:\n    y()\n\nz()\nNot code.", 1, 2).text_frame
    for paragraph in frame.paragraphs[:-1]:
        for run in paragraph.runs:
            run.font.name = "Consolas"
    blocks = [block for section in read(deck).sections for block in section.blocks]
    assert blocks == [Code("if x:\n    y()\n\nz()", page=1), Paragraph(plain("Not code."), page=1)]


def test_white_text_in_a_white_cell_is_left_out() -> None:
    deck = Presentation()
    table = slide(deck).shapes.add_table(2, 2, Inches(1), Inches(3), Inches(6), Inches(2)).table
    for place, (text, fill) in enumerate((("City", NAVY), ("Days", NAVY), ("Rome", NAVY), ("SECRET", WHITE))):
        cell = table.cell(*divmod(place, 2))
        cell.text = text
        cell.text_frame.paragraphs[0].runs[0].font.color.rgb = WHITE
        cell.fill.solid()
        cell.fill.fore_color.rgb = fill
    document = read(deck)
    assert "Rome" in document.sections[0].text
    assert "SECRET" not in document.sections[0].text
    assert HIDDEN_FLAG in document.flags
