"""A Word document is read as it looks on paper: boxes, numbers, notes, equations and revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.domain.documents.blocks import Code, Image, Item, Quote, Table
from bot.domain.documents.rendering import rendered
from bot.domain.errors import DocumentError
from retrieval.parse.text import HIDDEN_FLAG
from retrieval.parse.word.body import EMBEDDED_FLAG
from retrieval.parse.word.parser import DocxParser

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.domain.documents.blocks import Block
    from bot.domain.documents.parsed import ParsedDocument


def read(data: bytes) -> ParsedDocument:
    return DocxParser().parse(data, "rules.docx")


def blocks(data: bytes) -> list[Block]:
    return [block for section in read(data).sections for block in section.blocks]


def said(data: bytes) -> str:
    return rendered(blocks(data)).text


def p(*runs: str, style: str = "", number: tuple[int, int] | None = None) -> str:
    """Return a paragraph of runs' XML or texts; ``number`` is its list and level."""
    look = f'<w:pStyle w:val="{style}"/>' if style else ""
    if number:
        look += f'<w:numPr><w:ilvl w:val="{number[1]}"/><w:numId w:val="{number[0]}"/></w:numPr>'
    inner = "".join(run if run.startswith("<") else r(run) for run in runs)
    return f"<w:p><w:pPr>{look}</w:pPr>{inner}</w:p>"


def field(code: str, result: str) -> str:
    marks = {kind: f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end")}
    code = f"<w:r><w:instrText> {code} </w:instrText></w:r>"
    return f"{marks['begin']}{code}{marks['separate']}{r(result)}{marks['end']}"


def cell(text: str, look: str = "") -> str:
    return f"<w:tc><w:tcPr>{look}</w:tcPr>{p(text)}</w:tc>"


def row(*cells: str, look: str = "") -> str:
    return f"<w:tr><w:trPr>{look}</w:trPr>{''.join(cells)}</w:tr>"


def table(*rows: str) -> str:
    return f"<w:tbl>{''.join(rows)}</w:tbl>"


def style(key: str, name: str, look: str = "", kind: str = "paragraph") -> str:
    return f'<w:style w:type="{kind}" w:styleId="{key}"><w:name w:val="{name}"/>{look}</w:style>'


def r(text: str, look: str = "") -> str:
    return f'<w:r><w:rPr>{look}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


WHITE = '<w:color w:val="FFFFFF"/>'


def shape(fill: str, inside: str) -> str:
    """Return a text box in both forms that Word writes."""
    new = (
        f"<w:drawing><wp:inline><a:graphic><a:graphicData><wps:wsp><wps:spPr>{fill}</wps:spPr><wps:txbx>"
        f"<w:txbxContent>{inside}</w:txbxContent></wps:txbx></wps:wsp></a:graphicData></a:graphic></wp:inline></w:drawing>"
    )
    old = f"<w:pict><v:shape><v:textbox><w:txbxContent>{inside}</w:txbxContent></v:textbox></v:shape></w:pict>"
    both = f'<mc:Choice Requires="wps">{new}</mc:Choice><mc:Fallback>{old}</mc:Fallback>'
    return f"<w:r><mc:AlternateContent>{both}</mc:AlternateContent></w:r>"


NAVY = '<a:solidFill><a:srgbClr val="1F3864"/></a:solidFill>'
PAPER = '<a:solidFill><a:srgbClr val="FFFFFF"/></a:solidFill>'
THEME = '<a:solidFill><a:schemeClr val="accent1"/></a:solidFill>'


@pytest.mark.parametrize("fill", [NAVY, THEME, "", "<a:gradFill><a:gsLst/></a:gradFill>"])
def test_a_banner_in_white_on_a_dark_shape_is_read_once(word: Callable[..., bytes], fill: str) -> None:
    banner = shape(fill, p(r("Emergency: dial 5555", WHITE)))
    data = word(p("Before.") + p(banner) + p("After."))
    assert said(data) == "Before.\n\nEmergency: dial 5555\n\nAfter."
    assert read(data).flags == ()


@pytest.mark.parametrize("fill", [PAPER, "<a:noFill/>"])
def test_white_text_on_white_is_left_out_also_in_a_shape(word: Callable[..., bytes], fill: str) -> None:
    data = word(p("Before.") + p(shape(fill, p(r("Leave is cancelled.", WHITE)))) + p("After."))
    assert said(data) == "Before.\n\nAfter."
    assert read(data).flags == (HIDDEN_FLAG,)


def test_an_old_banner_and_word_art_are_read(word: Callable[..., bytes]) -> None:
    banner = (
        '<w:r><w:pict><v:rect fillcolor="#000000"><v:textbox><w:txbxContent>'
        f"{p(r('Dial 5555', WHITE))}</w:txbxContent></v:textbox></v:rect>"
        '<v:shape><v:textpath string="DRAFT"/></v:shape></w:pict></w:r>'
    )
    assert said(word(p(banner))) == "Dial 5555\n\nDRAFT"


@pytest.mark.parametrize(
    "look",
    [
        '<w:color w:val="FFFFFF"/><w:shd w:val="clear" w:fill="000080"/>',
        '<w:color w:val="FFFFFF"/><w:highlight w:val="darkBlue"/>',
        '<w:color w:val="auto"/>',
        '<w:vanish w:val="0"/>',
        '<w:sz w:val="40"/>',
    ],
)
def test_text_that_can_be_seen_is_kept(word: Callable[..., bytes], look: str) -> None:
    assert said(word(p(r("Dial 5555", look)))) == "Dial 5555"


@pytest.mark.parametrize("look", ["<w:vanish/>", WHITE, '<w:color w:val="FEFEFE"/>', '<w:sz w:val="2"/>'])
def test_text_that_nobody_sees_is_left_out(word: Callable[..., bytes], look: str) -> None:
    data = word(p("Seen.", r("SECRET", look)))
    assert said(data) == "Seen."
    assert read(data).flags == (HIDDEN_FLAG,)


def test_hidden_by_a_style_is_hidden(word: Callable[..., bytes]) -> None:
    styles = (
        '<w:styles><w:style w:type="character" w:styleId="Base"><w:rPr><w:vanish/></w:rPr></w:style>'
        '<w:style w:type="character" w:styleId="Note"><w:basedOn w:val="Base"/></w:style></w:styles>'
    )
    assert said(word(p("Seen.", r("SECRET", '<w:rStyle w:val="Note"/>')), styles=styles)) == "Seen."


def test_white_letters_in_a_dark_cell_or_a_coloured_table_are_kept(word: Callable[..., bytes]) -> None:
    look = '<w:tblStylePr w:type="firstRow"><w:tcPr><w:shd w:fill="4472C4"/></w:tcPr></w:tblStylePr>'
    styles = f"<w:styles>{style('Grid5', 'Grid 5', look, 'table')}</w:styles>"
    city, gone = p(r("City", WHITE)), p(r("gone", WHITE))
    dark = '<w:tcPr><w:shd w:val="clear" w:fill="1F3864"/></w:tcPr>'
    assert said(word(table(row(f"<w:tc>{dark}{city}</w:tc><w:tc>{gone}</w:tc>")))) == "City"
    styled = table('<w:tblPr><w:tblStyle w:val="Grid5"/></w:tblPr>', row(f"<w:tc>{city}</w:tc>", cell("B")))
    assert said(word(styled, styles=styles)) == "City | B"


NUMBERING = """<w:numbering>
<w:abstractNum w:abstractNumId="0">
  <w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
  <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%2)"/></w:lvl>
  <w:lvl w:ilvl="2"><w:start w:val="1"/><w:numFmt w:val="lowerRoman"/><w:lvlText w:val="(%3)"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="1">
  <w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="&#xF0B7;"/></w:lvl>
</w:abstractNum>
<w:abstractNum w:abstractNumId="2">
  <w:lvl w:ilvl="0"><w:start w:val="4"/><w:numFmt w:val="upperRoman"/><w:lvlText w:val="Article %1"/></w:lvl>
  <w:lvl w:ilvl="1"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:isLgl/><w:lvlText w:val="%1.%2"/></w:lvl>
</w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="2"/></w:num>
<w:num w:numId="4"><w:abstractNumId w:val="0"/>
  <w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>
</w:numbering>"""


def markers(data: bytes) -> list[tuple[str, int]]:
    return [(block.marker, block.level) for block in blocks(data) if isinstance(block, Item)]


def test_lists_have_the_numbers_that_word_shows(word: Callable[..., bytes]) -> None:
    levels = [0, 1, 1, 2, 0, 1]
    data = word("".join(p(f"Step {n}", number=(1, level)) for n, level in enumerate(levels)), numbering=NUMBERING)
    assert markers(data) == [("1.", 0), ("a)", 1), ("b)", 1), ("(i)", 2), ("2.", 0), ("a)", 1)]


def test_a_list_goes_on_after_text_and_begins_anew_where_the_author_says(word: Callable[..., bytes]) -> None:
    one, seven = (p("x", number=(number, 0)) for number in (1, 4))
    data = word(one + p("Text between.") + one + seven + seven + one, numbering=NUMBERING)
    assert [marker for marker, _ in markers(data)] == ["1.", "2.", "7.", "8.", "9."]


def test_bullets_are_bullets_and_headings_have_their_numbers(word: Callable[..., bytes]) -> None:
    body = (
        p("Scope", style="Heading1", number=(3, 0)) + p("Who", style="Heading2", number=(3, 1)) + p("x", number=(2, 0))
    )
    document = read(word(body, numbering=NUMBERING))
    assert document.sections[0].headings == ("Article IV Scope", "4.1 Who")
    assert document.sections[0].text == "- x"


def test_headings_are_told_by_the_styles_that_theirs_build_on(word: Callable[..., bytes]) -> None:
    styles = "".join(
        (
            style("berschrift1", "heading 1"),
            style("Ours", "Our chapter", '<w:basedOn w:val="berschrift1"/>'),
            style("Sub", "Sub", '<w:pPr><w:outlineLvl w:val="1"/></w:pPr>'),
            style("Titel", "Title"),
        )
    )
    body = p("Handbook", style="Titel") + p("Travel", style="Ours") + p("Hotels", style="Sub") + p("Book early.")
    document = read(word(body, styles=f"<w:styles>{styles}</w:styles>"))
    assert document.title == "Handbook"
    assert document.sections[0].headings == ("Handbook", "Travel", "Hotels")


def test_insertions_count_and_deletions_do_not(word: Callable[..., bytes]) -> None:
    one, two = "<w:p><w:pPr><w:rPr><w:del/></w:rPr></w:pPr><w:r><w:t>One </w:t></w:r></w:p>", p("sentence.")
    body = (
        "<w:p><w:r><w:t>You get </w:t></w:r><w:del><w:r><w:delText>20</w:delText></w:r></w:del>"
        "<w:ins><w:r><w:t>30</w:t></w:r></w:ins><w:r><w:t> days.</w:t></w:r>"
        "<w:moveFrom><w:r><w:t> Moved away.</w:t></w:r></w:moveFrom></w:p>"
        f"{one}{two}"
        "<w:moveTo><w:p><w:r><w:t>Moved here.</w:t></w:r></w:p></w:moveTo>"
        "<w:tbl><w:tr><w:tc><w:p/></w:tc><w:tc><w:p><w:r><w:t>kept</w:t></w:r></w:p></w:tc></w:tr>"
        "<w:tr><w:trPr><w:del/></w:trPr><w:tc><w:p><w:r><w:t>row gone</w:t></w:r></w:p></w:tc></w:tr></w:tbl>"
    )
    assert said(word(body)) == "You get 30 days.\n\nOne sentence.\n\nMoved here.\n\nkept"


def test_struck_out_text_no_longer_holds(word: Callable[..., bytes]) -> None:
    assert said(word(p("Allowance ", r("190", "<w:strike/>"), " 210"))) == "Allowance 210"


def test_notes_stand_below_what_refers_to_them(word: Callable[..., bytes]) -> None:
    own = f"<w:p><w:r><w:footnoteRef/></w:r>{r(' Only in Vienna.')}</w:p>"
    line = '<w:footnote w:id="0" w:type="separator"><w:p/></w:footnote>'
    notes = f'<w:footnotes>{line}<w:footnote w:id="2">{own}</w:footnote></w:footnotes>'
    ends = f'<w:endnotes><w:endnote w:id="1">{p("See the law.")}</w:endnote></w:endnotes>'
    foot, end = (f'<w:r><w:{kind}Reference w:id="{n}"/></w:r>' for kind, n in (("footnote", 2), ("endnote", 1)))
    body = p("The rate is 190.", foot) + p("It is set", end, ".")
    assert said(word(body, footnotes=notes, endnotes=ends)) == (
        "The rate is 190. (note 1)\n\nNote 1: Only in Vienna.\n\nIt is set (note i).\n\nNote i: See the law."
    )


def test_headers_and_footers_stand_once_and_only_where_a_page_shows_them(word: Callable[..., bytes]) -> None:
    page = field("PAGE", "7")
    kinds = (("header1", "first"), ("header2", "default"), ("header3", "even"), ("footer1", "default"))
    marks = "".join(f'<w:{name[:6]}Reference r:id="{name}" w:type="{kind}"/>' for name, kind in kinds)
    data = word(
        p("Body.") + f"<w:sectPr>{marks}<w:titlePg/></w:sectPr>",
        header1=f"<w:hdr>{p(shape(NAVY, p(r('Emergency: dial 5555', WHITE))))}{p('Acme')}</w:hdr>",
        header2=f"<w:hdr>{p('Acme')}</w:hdr>",
        header3=f"<w:hdr>{p('Never shown')}</w:hdr>",
        footer1=f"<w:ftr>{p('Page ', page)}{p('Version 3')}</w:ftr>",
    )
    assert said(data) == "Emergency: dial 5555\n\nAcme\n\nBody.\n\nVersion 3"


def test_links_lead_where_they_lead(word: Callable[..., bytes]) -> None:
    links = {"L1": ("hyperlink", "https://example.com/form"), "L2": ("hyperlink", "javascript:alert(1)")}
    there = field('HYPERLINK "https://example.com/map"', "the map")
    named = (("L1", "the form"), ("L2", "bad"))
    form, bad = (f'<w:hyperlink r:id="{key}">{r(text)}</w:hyperlink>' for key, text in named)
    body = p(form, ", ", bad, ", ", there)
    assert rendered(blocks(word(body, links))).markdown == (
        "[the form](https://example.com/form), bad, [the map](https://example.com/map)"
    )


def test_merged_cells_count_in_each_row_and_column(word: Callable[..., bytes]) -> None:
    head = "<w:tblHeader/>"
    data = table(
        row(cell("City"), cell("Allowance", '<w:gridSpan w:val="2"/>'), look=head),
        row(cell("City"), cell("hotel"), cell("meals"), look=head),
        row(cell("Vienna", '<w:vMerge w:val="restart"/>'), cell("190"), cell("45")),
        row(cell("", "<w:vMerge/>"), cell("200"), cell("50")),
    )
    assert said(word(data)) == (
        "Vienna: Allowance hotel 190, Allowance meals 45\nVienna: Allowance hotel 200, Allowance meals 50"
    )


def test_a_header_that_groups_columns_has_two_rows(word: Callable[..., bytes]) -> None:
    data = table(
        row(cell("City"), cell("Allowance", '<w:gridSpan w:val="2"/>')),
        row(cell("City"), cell("hotel"), cell("meals")),
        row(cell("Vienna"), cell("190"), cell("45")),
    )
    assert said(word(data)) == "Vienna: Allowance hotel 190, Allowance meals 45"


def test_a_table_of_numbers_under_names_has_a_header(word: Callable[..., bytes]) -> None:
    lines = (("City", "Allowance"), ("Vienna", "190 EUR"), ("Graz", "150 EUR"))
    rows = [row(*map(cell, line)) for line in lines]
    assert said(word(table(*rows))) == "Vienna: Allowance 190 EUR\nGraz: Allowance 150 EUR"
    assert said(word(table(*rows[1:]))) == "Vienna | 190 EUR\nGraz | 150 EUR"


def test_a_box_made_of_a_table_and_content_controls_are_read_as_text(word: Callable[..., bytes]) -> None:
    box = f"<w:tbl><w:tr><w:tc>{p('Note', style='Heading2')}{p('Ask first.')}</w:tc></w:tr></w:tbl>"
    control = f"<w:sdt><w:sdtPr/><w:sdtContent>{p('Chosen.')}</w:sdtContent></w:sdt>"
    inline = f"<w:sdt><w:sdtContent>{r('Grade 5')}</w:sdtContent></w:sdt>"
    document = read(word(box + control + p("Level: ", inline)))
    assert document.sections[0].headings == ("Note",)
    assert document.sections[0].text == "Ask first.\n\nChosen.\n\nLevel: Grade 5"


def test_pictures_say_their_alternative_text(word: Callable[..., bytes]) -> None:
    def picture(look: str) -> str:
        return p(f"<w:r><w:drawing><wp:inline><wp:docPr {look}/></wp:inline></w:drawing></w:r>")

    found = blocks(
        word(picture('descr="Map of the site"') + picture('descr="x" hidden="1"') + picture('name="Picture 3"'))
    )
    assert found == [Image("Map of the site")]


def test_code_and_quotations_are_told_by_their_style(word: Callable[..., bytes]) -> None:
    styles = style("Src", "Source Code") + style("Q", "Quote") + style("T1", "toc 1")
    body = (
        p("Contents …… 3", style="T1") + p("if x:", style="Src") + p("    go()", style="Src") + p("Be kind.", style="Q")
    )
    code, quote = blocks(word(body, styles=f"<w:styles>{styles}</w:styles>"))
    assert code == Code("if x:\n    go()")
    assert isinstance(quote, Quote)


def test_lines_in_a_font_for_code_are_code(word: Callable[..., bytes]) -> None:
    def typed(text: str) -> str:
        return p(r(text, '<w:rFonts w:ascii="Courier New"/>'))

    lines = ("def fib(n):", "    a, b = 0, 1", "    return a")
    prose = p("Call ", r("printf", '<w:rFonts w:ascii="Consolas"/>'), " to print.")
    found = blocks(word(prose + "".join(map(typed, lines)) + p("Prose.") + typed("A memo in a typewriter's face")))
    assert [block.text for block in found if isinstance(block, Code)] == ["\n".join(lines)]
    assert len(found) == 4


def test_a_table_of_contents_leaves_the_text_after_it(word: Callable[..., bytes]) -> None:
    styles = f"<w:styles>{style('T1', 'toc 1')}</w:styles>"
    begin, rest = field("TOC", "Rules 3").split("</w:instrText></w:r>")
    data = word(
        p("Contents", f"{begin}</w:instrText></w:r>") + p(rest, style="T1") + p("Rules are kept."), styles=styles
    )
    assert said(data) == "Contents\n\nRules are kept."
    lost = p("Before. ", begin + "</w:instrText></w:r>") + p("After.")
    assert said(word(lost)) == "Before.\n\nAfter."


def test_a_chart_is_a_table(word: Callable[..., bytes]) -> None:
    def cache(kind: str, *values: str) -> str:
        points = "".join(f'<c:pt idx="{n}"><c:v>{value}</c:v></c:pt>' for n, value in enumerate(values))
        return f"<c:{kind}Ref><c:{kind}Cache>{points}</c:{kind}Cache></c:{kind}Ref>"

    names = f"<c:tx>{cache('str', 'Guests')}</c:tx><c:cat>{cache('str', 'May', 'June')}</c:cat>"
    series = f"<c:ser>{names}<c:val>{cache('num', '12', '15')}</c:val></c:ser>"
    title = "<c:title><c:tx><c:rich><a:p><a:r><a:t>Guests a month</a:t></a:r></a:p></c:rich></c:tx></c:title>"
    plot = f"<c:plotArea><c:barChart>{series}</c:barChart></c:plotArea>"
    chart = f"<c:chartSpace><c:chart>{title}{plot}</c:chart></c:chartSpace>"
    drawn = '<a:graphic><a:graphicData><c:chart r:id="chart1"/></a:graphicData></a:graphic>'
    body = p(f"<w:r><w:drawing><wp:inline>{drawn}</wp:inline></w:drawing></w:r>")
    (found,) = blocks(word(body, chart1=chart))
    assert isinstance(found, Table)
    assert rendered([found]).text == "Guests a month\n\nMay: Guests 12\nJune: Guests 15"


def test_a_page_within_a_word_file_is_read_and_other_documents_are_flagged(make_package: Callable[..., bytes]) -> None:
    def embedding(name: str) -> bytes:
        body = f"<w:document><w:body>{p('Before.')}<w:altChunk r:id='c1'/></w:body></w:document>"
        relations = {
            "": {"r1": ("officeDocument", "word/document.xml")},
            "word/document.xml": {"c1": ("aFChunk", name)},
        }
        return make_package(
            {"word/document.xml": body, f"word/{name}": "<html><h1>Rules</h1><p>Ask.</p></html>"}, relations
        )

    assert said(embedding("page.html")) == "Before.\n\nRules\n\nAsk."
    assert read(embedding("page.rtf")).flags == (EMBEDDED_FLAG,)


def test_a_strict_file_is_read_as_any(make_package: Callable[..., bytes]) -> None:
    parts = {"word/document.xml": f"<w:document><w:body>{p('Strict.', style='Heading1')}{p('x')}</w:body></w:document>"}
    data = make_package(parts, {"": {"r1": ("officeDocument", "word/document.xml")}}, strict=True)
    assert read(data).title == "Strict."


def test_a_document_type_is_refused(word: Callable[..., bytes]) -> None:
    data = word(p("x"), styles="<w:styles></w:styles><!DOCTYPE a [<!ENTITY b 'x'>]>")
    with pytest.raises(DocumentError, match="declares a document type"):
        read(data)
