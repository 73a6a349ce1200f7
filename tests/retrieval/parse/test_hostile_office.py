"""An Office file made to exhaust its parser ends as an error that names it, within the limits of the child."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import DocumentError
from retrieval.parse.dispatch import parse
from retrieval.parse.grids import MAX_CELLS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.domain.ports import Parser

DEEP = 20_000
TOO_MANY = MAX_CELLS + 20_000
SLOW = "took longer than"
"""What a busy machine may say instead."""

LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))


def nested(tag: str, inside: str) -> str:
    return f"<{tag}>" * DEEP + inside + f"</{tag}>" * DEEP


BODIES: Mapping[str, tuple[str, str]] = {
    "deep.docx": (nested("w:sdt", "<w:p><w:r><w:t>x</w:t></w:r></w:p>"), "nested too deeply"),
    "tables.docx": (
        nested("w:tbl><w:tr><w:tc", "").replace("</w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"),
        "nested",
    ),
    "equation.docx": (f"<w:p>{nested('m:oMath', '<m:r><m:t>x</m:t></m:r>')}</w:p>", "nested too deeply"),
    "cells.docx": ("<w:tbl>" + "<w:tr><w:tc><w:p/></w:tc></w:tr>" * TOO_MANY + "</w:tbl>", f"too many cells|{SLOW}"),
    "wide.docx": (
        '<w:tbl><w:tr><w:tc><w:tcPr><w:gridSpan w:val="999999999"/></w:tcPr><w:p/></w:tc><w:tc/></w:tr></w:tbl>',
        "too many cells",
    ),
    "marked.docx": ("", "declares a document type"),
    "cut.docx": ("<w:p><w:r>", "not a readable Word document"),
    "empty.docx": ("<w:p/>", "contains no text"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_word_file_is_refused_by_name(
    parsers: Mapping[str, Parser], word: Callable[..., bytes], make_package: Callable[..., bytes], name: str
) -> None:
    body, reason = BODIES[name]
    if name == "marked.docx":
        main = f'<!DOCTYPE d [<!ENTITY l0 "ha">{LAUGHS}]><d>&l11;</d>'
        data = make_package({"word/document.xml": main}, {"": {"r1": ("officeDocument", "word/document.xml")}})
    else:
        data = word(body)
    with pytest.raises(DocumentError, match=reason) as caught:
        parse(data, name, parsers)
    assert name in caught.value.text


def test_circles_and_endless_numbers_are_read(parsers: Mapping[str, Parser], word: Callable[..., bytes]) -> None:
    styles = "".join(
        f'<w:style w:styleId="{own}"><w:name w:val="{own}"/><w:basedOn w:val="{other}"/>'
        f'<w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        for own, other in (("A", "B"), ("B", "A"))
    )
    level = '<w:lvl w:ilvl="0"><w:start w:val="999999999"/><w:numFmt w:val="{}"/><w:lvlText w:val="%1."/></w:lvl>'
    numbering = (
        f'<w:abstractNum w:abstractNumId="0">{level.format("lowerLetter")}</w:abstractNum>'
        '<w:abstractNum w:abstractNumId="1"><w:numStyleLink w:val="A"/></w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="1"/></w:num><w:num w:numId="2"><w:abstractNumId w:val="0"/></w:num>'
    )
    note = '<w:footnote w:id="1"><w:p><w:r><w:t>again</w:t><w:footnoteReference w:id="1"/></w:r></w:p></w:footnote>'
    listed = '<w:p><w:pPr><w:numPr><w:numId w:val="2"/></w:numPr></w:pPr><w:r><w:t>item</w:t></w:r></w:p>'
    styled = '<w:p><w:pPr><w:pStyle w:val="A"/></w:pPr><w:r><w:t>text</w:t><w:footnoteReference w:id="1"/></w:r></w:p>'
    data = word(
        listed + styled,
        styles=f"<w:styles>{styles}</w:styles>",
        numbering=f"<w:numbering>{numbering}</w:numbering>",
        footnotes=f"<w:footnotes>{note}</w:footnotes>",
    )
    assert parse(data, "circles.docx", parsers).sections[0].text == (
        "999999999. item\n- text (note 1)\n\nNote 1: again (note 2)"
    )


def data(rows: str, more: str = "") -> str:
    return f"<s:sheetData>{rows}</s:sheetData>{more}"


def cell(place: str, said: str = "1", look: str = "") -> str:
    return f'<s:c r="{place}" {look}><s:v>{said}</s:v></s:c>'


MERGED = '<s:mergeCells><s:mergeCell ref="A1:XFD1048576"/></s:mergeCells>'
STRING, STYLED = 't="s"', 's="99"'
ROW = f"<s:row>{cell('')}{cell('')}</s:row>"
SHEETS: Mapping[str, tuple[str, str]] = {
    "rows.xlsx": (data(ROW * (TOO_MANY // 2)), f"sheet Sheet1, has a table with too many cells|{SLOW}"),
    "wide.xlsx": (data(f"<s:row>{cell('') * 16_000}</s:row>"), "too many cells"),
    "cut.xlsx": ("<s:sheetData><s:row>", "not a readable Excel workbook"),
    "empty.xlsx": (data("<s:row/>" * 1_000_000), f"contains no text|{SLOW}"),
    "numbers.xlsx": (data(f"<s:row>{cell('A1', '9' * 400)}</s:row>") * 3, ""),
    "merged.xlsx": (data(f"<s:row>{cell('A1')}{cell('XFD1')}</s:row>", MERGED), ""),
    "far.xlsx": (data(f'<s:row r="1048576">{cell("XFD1048576", "far")}</s:row>'), ""),
    "digits.xlsx": (data(f"<s:row>{cell('A1', '²', STRING)}{cell('B1', 'inf', STYLED)}</s:row>"), ""),
    "areas.xlsx": (data("".join(f'<s:row r="{n}">{cell(f"A{n}")}</s:row>' for n in range(1, 20_000, 2))), ""),
    "strings.xlsx": (data(f"<s:row>{cell('A1', '7', STRING)}{cell('B1', 'x', STYLED)}</s:row>"), ""),
}


@pytest.mark.parametrize("name", SHEETS)
def test_a_workbook_is_read_or_refused_by_name(
    parsers: Mapping[str, Parser], excel: Callable[..., bytes], name: str
) -> None:
    sheet, reason = SHEETS[name]
    if not reason:
        assert parse(excel(sheet), name, parsers).sections
        return
    with pytest.raises(DocumentError, match=reason) as caught:
        parse(excel(sheet), name, parsers)
    assert name in caught.value.text


def test_a_table_of_too_many_lines_is_refused_by_name(parsers: Mapping[str, Parser]) -> None:
    with pytest.raises(DocumentError, match=r"lines.csv has a table with too many cells"):
        parse(b"a,b\n" + b"1,2\n" * (TOO_MANY // 2), "lines.csv", parsers)


def deck(make_package: Callable[..., bytes], shapes: str, layout: str = "slideLayout1.xml") -> bytes:
    """Return a presentation of one slide, whose layout may be any part."""
    tree = f"<p:cSld><p:spTree>{shapes}</p:spTree></p:cSld>"
    return make_package(
        {
            "ppt/presentation.xml": '<p:presentation><p:sldIdLst><p:sldId r:id="s1"/></p:sldIdLst></p:presentation>',
            "ppt/slide1.xml": f"<p:sld>{tree}</p:sld>",
            "ppt/slideLayout1.xml": "<p:sldLayout><p:cSld/></p:sldLayout>",
        },
        {
            "": {"r1": ("officeDocument", "ppt/presentation.xml")},
            "ppt/presentation.xml": {"s1": ("slide", "slide1.xml")},
            "ppt/slide1.xml": {"l1": ("slideLayout", layout), "n1": ("notesSlide", "slide1.xml")},
            "ppt/slideLayout1.xml": {"m1": ("slideMaster", "slideLayout1.xml")},
        },
    )


TEXT = "<p:sp><p:txBody><a:p><a:r><a:t>seen</a:t></a:r></a:p></p:txBody></p:sp>"
CELLS = "<a:tr><a:tc/></a:tr>"


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        (nested("p:grpSp", TEXT), "nested too deeply"),
        (f"<p:graphicFrame><a:tbl><a:tr>{'<a:tc/>' * 2_000}</a:tr></a:tbl></p:graphicFrame>", "too many cells"),
        (f"<p:graphicFrame><a:tbl>{CELLS * TOO_MANY}</a:tbl></p:graphicFrame>", f"too many cells|{SLOW}"),
        ("<p:sp>", "not a readable PowerPoint presentation"),
        ("", "contains no text"),
    ],
    ids=["deep", "wide", "cells", "cut", "empty"],
)
def test_a_presentation_is_refused_by_name(
    parsers: Mapping[str, Parser], make_package: Callable[..., bytes], shapes: str, reason: str
) -> None:
    with pytest.raises(DocumentError, match=reason) as caught:
        parse(deck(make_package, shapes), "deck.pptx", parsers)
    assert "deck.pptx" in caught.value.text


@pytest.mark.parametrize("layout", ["slide1.xml", "slideLayout1.xml", "missing.xml"])
def test_slides_and_layouts_in_a_circle_are_read(
    parsers: Mapping[str, Parser], make_package: Callable[..., bytes], layout: str
) -> None:
    assert parse(deck(make_package, TEXT, layout), "deck.pptx", parsers).sections[0].text == "seen"


def test_thousands_of_shapes_above_each_other_are_read(
    parsers: Mapping[str, Parser], make_package: Callable[..., bytes]
) -> None:
    white = TEXT.replace("<a:r>", '<a:r><a:rPr><a:solidFill><a:srgbClr val="FFFFFF"/></a:solidFill></a:rPr>')
    assert parse(deck(make_package, white * 3_000 + TEXT), "deck.pptx", parsers).sections[0].text == "seen"
