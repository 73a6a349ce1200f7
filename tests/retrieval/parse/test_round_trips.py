"""What a document says is said again by the file that is made from it, for each format that can be written."""

from __future__ import annotations

import csv
import io
from email.message import EmailMessage
from html import escape
from typing import TYPE_CHECKING

import docx
import openpyxl
import pptx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import OxmlElement
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pptx.util import Inches

from bot.domain.documents.blocks import Code, Item, Paragraph, Quote, Span, Table, plain
from bot.domain.documents.parsed import ParsedSection
from retrieval.parse.formats.html import HtmlParser
from retrieval.parse.mail.eml import EmlParser
from retrieval.parse.ooxml.package import A
from retrieval.parse.sheets.delimited import CsvParser
from retrieval.parse.sheets.parser import XlsxParser
from retrieval.parse.slides.parser import PptxParser
from retrieval.parse.word.parser import DocxParser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from docx.document import Document
    from docx.text.paragraph import Paragraph as WordParagraph
    from pptx.slide import Slide
    from pptx.text.text import _Paragraph as SlideParagraph
    from pptx.util import Length

    from bot.domain.documents.blocks import Block, Line

pytestmark = pytest.mark.timeout(180)

WORDS = (
    st.text("abcXYZ .,*_[]()<>#&\"'-+|~`!\\1ä中אé", min_size=1, max_size=20)
    .map(lambda text: " ".join(text.split()))
    .filter(bool)
)
STYLES = st.sampled_from(["", "", "strong", "emphasis", "struck"])
LINES = st.lists(st.builds(Span, WORDS, STYLES), min_size=1, max_size=3).map(tuple)
CODE = st.text("ab =\n\t:#*`", min_size=1, max_size=30).map(str.strip).filter(bool)


def tables(cells: st.SearchStrategy[Line]) -> st.SearchStrategy[Table]:
    return st.builds(
        lambda header, rows: Table(tuple(header), tuple(map(tuple, rows))),
        st.lists(cells, min_size=2, max_size=2),
        st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=3),
    )


PROSE = st.one_of(
    st.builds(Paragraph, LINES),
    st.builds(Item, st.just("-"), LINES),
    st.builds(Code, CODE),
    st.builds(lambda line: Quote((Paragraph(line),)), LINES),
    tables(LINES),
)
SECTIONS = st.lists(
    st.builds(ParsedSection, st.tuples(WORDS), st.lists(PROSE, min_size=1, max_size=4).map(tuple)),
    min_size=1,
    max_size=3,
)
thorough = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def said(sections: Sequence[ParsedSection]) -> list[str]:
    """Return the words of headings and text."""
    return [word for section in sections for text in (*section.headings, section.text) for word in text.split()]


def saved(save: Callable[[io.BytesIO], object]) -> bytes:
    out = io.BytesIO()
    save(out)
    return out.getvalue()


def write_line(paragraph: WordParagraph, line: Line) -> None:
    for span in line:
        run = paragraph.add_run(span.text)
        run.bold, run.italic = span.style == "strong", span.style == "emphasis"
        run.font.strike = span.style == "struck"


def write_block(document: Document, block: Block) -> None:
    match block:
        case Paragraph(line):
            write_line(document.add_paragraph(), line)
        case Item(_, line):
            write_line(document.add_paragraph(style="List Bullet"), line)
        case Code(text):
            for each in text.split("\n"):
                document.add_paragraph(each, style="Source Code")
        case Quote(blocks):
            for inner in blocks:
                assert isinstance(inner, Paragraph)
                write_line(document.add_paragraph(style="Quote"), inner.line)
        case Table(header, rows):
            table = document.add_table(len(rows) + 1, len(header))
            table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
            for number, row in enumerate((header, *rows)):
                for column, cell in enumerate(row):
                    write_line(table.cell(number, column).paragraphs[0], cell)


@thorough
@given(SECTIONS)
def test_a_word_file(sections: list[ParsedSection]) -> None:
    assume(all(section.text for section in sections))
    document = docx.Document()
    document.styles.add_style("Source Code", WD_STYLE_TYPE.PARAGRAPH)
    for section in sections:
        document.add_heading(section.headings[0], level=1)
        for block in section.blocks:
            write_block(document, block)
    assert said(DocxParser().parse(saved(document.save), "a.docx").sections) == said(sections)


def plain_text(line: Line) -> str:
    return "".join(span.text for span in line)


NAMES = st.text("abcXYZäé", min_size=1, max_size=20)
CELLS = st.one_of(WORDS, WORDS, st.integers(-(10**9), 10**9).map(str)).map(plain)
SHEET = st.builds(
    lambda names, rows: Table(tuple(map(plain, names)), tuple(map(tuple, rows))),
    st.lists(NAMES, min_size=3, max_size=3, unique=True),
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5),
)


@thorough
@given(st.lists(SHEET, min_size=1, max_size=3))
def test_an_excel_file(sheets: list[Table]) -> None:
    workbook = openpyxl.Workbook()
    workbook.remove(workbook.worksheets[0])
    for number, table in enumerate(sheets):
        sheet = workbook.create_sheet(f"Sheet{number}")
        for row in (table.header, *table.rows):
            for column, line in enumerate(row, start=1):
                cell = sheet.cell(sheet.max_row + (column == 1 and bool(sheet._cells)), column)
                text = plain_text(line)
                cell.value = int(text) if text.lstrip("-").isdecimal() and str(int(text)) == text else text
                cell.data_type = "n" if isinstance(cell.value, int) else "s"  # "=" begins no formula here
    expected = [ParsedSection((f"Sheet{number}",), (table,)) for number, table in enumerate(sheets)]
    assert said(XlsxParser().parse(saved(workbook.save), "a.xlsx").sections) == said(expected)


@thorough
@given(SHEET, st.sampled_from(",;\t|"))
def test_a_csv_file(table: Table, delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(
        [[plain_text(line) for line in row] for row in (table.header, *table.rows)]
    )
    document = CsvParser().parse(out.getvalue().encode(), "a.csv")
    assert said(document.sections) == said([ParsedSection((), (table,))])


@thorough
@given(SECTIONS)
def test_a_powerpoint_file(sections: list[ParsedSection]) -> None:
    assume(all(section.text for section in sections))
    deck = pptx.Presentation()
    for section in sections:
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = section.headings[0]
        for number, block in enumerate(section.blocks):
            write_shape(slide, block, top=Inches(number + 2))
    assert said(PptxParser().parse(saved(deck.save), "a.pptx").sections) == said(sections)


def write_shape(slide: Slide, block: Block, top: Length) -> None:
    width, zero, height = Inches(5), Inches(0), Inches(1)
    if isinstance(block, Table):
        rows = (block.header, *block.rows)
        table = slide.shapes.add_table(len(rows), len(block.header), zero, top, width, height).table
        for place, row in enumerate(rows):
            for column, line in enumerate(row):
                write_runs(table.cell(place, column).text_frame.paragraphs[0], line)
        return
    frame = slide.shapes.add_textbox(zero, top, width, height).text_frame
    if isinstance(block, Code):
        frame.text = block.text
        return
    blocks = block.blocks if isinstance(block, Quote) else (block,)
    for inner in blocks:
        assert isinstance(inner, Paragraph | Item)
        paragraph = frame.paragraphs[0]
        if isinstance(inner, Item):
            properties = paragraph._p.get_or_add_pPr()
            properties.append(properties.makeelement(f"{A}buChar", {"char": "•"}))
        write_runs(paragraph, inner.line)


def write_runs(paragraph: SlideParagraph, line: Line) -> None:
    for span in line:
        run = paragraph.add_run()
        run.text = span.text
        run.font.bold, run.font.italic = span.style == "strong", span.style == "emphasis"
        if span.style == "struck":
            run._r.get_or_add_rPr().set("strike", "sngStrike")


@thorough
@given(SECTIONS, st.sampled_from(["base64", "quoted-printable", "8bit"]))
def test_a_mail(sections: list[ParsedSection], encoding: str) -> None:
    message = EmailMessage()
    text = "\n\n".join(text for section in sections for text in (*section.headings, section.text))
    text = text.replace(">", "")  # which marks quotations
    assume(text.strip())
    message.set_content(text, cte=encoding)
    (section,) = EmlParser().parse(message.as_bytes(), "a.eml").sections
    assert section.text.split() == text.split()


def tag(name: str, text: str) -> str:
    return f"<{name}>{text}</{name}>"


def page_line(line: Line) -> str:
    names = {"strong": "b", "emphasis": "i", "struck": "s", "": "span"}
    return "".join(tag(names[span.style], escape(span.text)) for span in line)


def page_block(block: Block) -> str:
    match block:
        case Paragraph(line):
            return tag("p", page_line(line))
        case Item(_, line):
            return tag("ul", tag("li", page_line(line)))
        case Code(text):
            return tag("pre", tag("code", escape(text)))
        case Quote(blocks):
            return tag("blockquote", "".join(map(page_block, blocks)))
        case Table(header, rows):
            head = tag("tr", "".join(tag("th", page_line(line)) for line in header))
            return tag(
                "table", head + "".join(tag("tr", "".join(tag("td", page_line(c)) for c in row)) for row in rows)
            )
        case _:
            raise AssertionError(block)


@thorough
@given(SECTIONS)
def test_a_web_page(sections: list[ParsedSection]) -> None:
    assume(all(section.text for section in sections))
    page = "".join(
        tag("h1", escape(section.headings[0])) + "".join(map(page_block, section.blocks)) for section in sections
    )
    document = HtmlParser().parse(f"<!doctype html>{tag('html', tag('body', page))}".encode(), "a.html")
    assert said(document.sections) == said(sections)
