"""Web pages are read as people see them: what is shown, in which order, and what it means."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.documents.blocks import Block, Code, Paragraph, Span
from bot.domain.documents.rendering import rendered
from retrieval.parse.formats.html import HtmlParser
from retrieval.parse.formats.markdown import MarkdownParser
from retrieval.parse.lines import tidied
from retrieval.parse.text import HIDDEN_FLAG

if TYPE_CHECKING:
    from bot.domain.documents.parsed import ParsedDocument


def html(text: str, name: str = "page.html") -> ParsedDocument:
    return HtmlParser().parse(text.encode(), name)


def blocks(document: ParsedDocument) -> tuple[Block, ...]:
    return tuple(block for section in document.sections for block in section.blocks)


def said(document: ParsedDocument) -> str:
    return rendered(blocks(document)).text


def shown(document: ParsedDocument) -> str:
    return rendered(blocks(document)).markdown


def test_a_link_with_a_broken_address_keeps_its_text() -> None:
    page = html('<p><a href="http://[::1">form</a> here</p>', "https://example.com/a")
    assert shown(page) == "form here"


def test_a_heading_without_text_begins_no_section() -> None:
    page = html("<h1>A</h1><h2>B</h2><p>one</p><h2></h2><p>two</p><h2><img src=x></h2><p>three</p>")
    assert [(section.headings, section.text) for section in page.sections] == [(("A", "B"), "one\n\ntwo\n\nthree")]


def test_a_heading_with_nothing_below_is_text() -> None:
    page = html("<h1>Office</h1><h2>The cafeteria closes at 3 pm</h2><h2>Why?</h2><h2>A badge costs 5 dollars</h2>")
    assert said(page) == "The cafeteria closes at 3 pm\n\nA badge costs 5 dollars"


@pytest.mark.parametrize(
    ("style", "seen"),
    [
        ("font-size: 0.9em", True),
        ("font-size:.85rem", True),
        ("font-size: 80%", True),
        ("opacity: 0.8", True),
        ("opacity:1", True),
        ("font-size: 0", False),
        ("font-size: 1px", False),
        ("opacity: .0", False),
        ("opacity: 0%", False),
        ("transform: scale(0)", False),
        ("height: 0; overflow: hidden", False),
        ("height: 0", True),
        ("position: absolute; clip: rect(0 0 0 0)", False),
        ("visibility: collapse", False),
        ("color: hsl(0, 0%, 100%)", False),
        ("color: hsl(210, 100%, 20%)", True),
        ("color: whitesmoke", False),
        ("color: var(--white)", True),
        ("color: black; color: white", False),
        ("color: white !important; color: black", False),
    ],
)
def test_a_style_hides_only_what_nobody_sees(style: str, seen: bool) -> None:
    page = html(f'<p>before</p><p style="{style}">x</p>')
    assert said(page) == ("before\n\nx" if seen else "before")
    assert (HIDDEN_FLAG in page.flags) is not seen


def test_letters_of_a_size_of_their_own_are_seen_in_a_cell_without_size() -> None:
    cell = '<td style="font-size:0px"><div style="font-size:13px">Dear all</div><div>x</div></td>'
    assert said(html(f"<table><tr>{cell}</tr></table>")) == "Dear all"


@pytest.mark.parametrize(
    "page",
    [
        '<body style="background:#000"><p style="color:#fff">x</p></body>',
        '<body bgcolor="#003366" text="#ffffff"><main><p>x</p></main></body>',
        '<style>.dark { background: #123 } /* } */</style><div class="a dark"><p style="color:#fff">x</p></div>',
        "<style>#top td.head{background:#123;color:#fff}</style><table id=top><tr><td class=head>x</table>",
        '<link rel="stylesheet" href="a.css"><div class="hero"><p style="color:#fff">x</p></div>',
        "<style>@media print{p{display:none}} p:hover{color:#fff}</style><p>x</p>",
        "<style>.tab{display:none} .tab.open{display:block}</style><div class='tab open'>x</div>",
        "<style>.tab{display:none}</style><div class=tab>x</div><script>tabs()</script>",
        "<style>.tab{display:none} input:checked+.tab{display:block}</style><input type=x><div class=tab>x</div>",
        "<style>p.a > b{display:none} ul p{display:none}</style><p class=a>x</p>",
        "<dialog open>x</dialog>",
        '<div hidden="until-found">x</div>',
    ],
)
def test_text_is_seen_on_what_a_page_puts_behind_it(page: str) -> None:
    assert said(html(page)) == "x"


@pytest.mark.parametrize(
    "hidden",
    [
        "<style>.h{display:none}</style><p class=h>SECRET</p>",
        "<style>div .h, .i{color:#fff}</style><div><p class=h>SECRET</p></div>",
        "<style>p.a > b{visibility:hidden}</style><p class=a><b>SECRET</b></p>",
        "<style>.dark{background:#123}</style><p class=dark>x</p><p style='color:#fff'>SECRET</p>",
        "<dialog>SECRET</dialog>",
        "<table><tr><th>a<th>b<tr hidden><td>SECRET<td>SECRET<tr><td>1<td>2</table>",
        "<table><tbody style='display:none'><tr><td>SECRET</tbody><tr><td>1</table>",
        "<pre>a <span style='display:none'>SECRET</span></pre>",
    ],
)
def test_text_hidden_by_a_sheet_or_in_a_part_is_left_out(hidden: str) -> None:
    page = html(f"<p>before</p>{hidden}")
    assert "SECRET" not in said(page)
    assert HIDDEN_FLAG in page.flags


@pytest.mark.parametrize(
    "old",
    [
        '<ul><li style="text-decoration:line-through">OLD</li><li>New</li></ul>',
        '<table><tr><th>a<th>b<tr style="text-decoration:line-through"><td>OLD<td>OLD<tr><td>1<td>New</table>',
        '<table><tr><th>a<th>b<tr><td style="text-decoration:line-through">OLD<td>New</table>',
        "<del><pre>OLD</pre></del><p>New</p>",
        "<pre>New <del>OLD</del></pre>",
        "<p><code>New <del>OLD</del></code></p>",
        "<style>.gone{text-decoration: line-through red}</style><p>New <span class=gone>OLD</span></p>",
        '<ol><li><s>OLD</s></li></ol><ul style="text-decoration-line:line-through"><li>OLD</li></ul><p>New</p>',
    ],
)
def test_what_is_crossed_out_does_not_hold_wherever_it_stands(old: str) -> None:
    assert "OLD" not in said(html(old))
    assert "New" in said(html(old))


@pytest.mark.parametrize(
    ("made", "text"),
    [
        ("<ol reversed><li>c<li>b<li>a</ol>", "3. c\n2. b\n1. a"),
        ("<ol reversed start=10><li>j<li>i</ol>", "10. j\n9. i"),
        ("<ol start=0><li>z</ol>", "0. z"),
        ('<ol style="list-style-type: lower-alpha"><li>x<li>y</ol>', "a. x\nb. y"),
        ('<ol style="list-style: none"><li>x<li>y</ol>', "- x\n- y"),
        ('<ul style="list-style: decimal inside"><li>x<li>y</ul>', "1. x\n2. y"),
        ("<ol><li>x<li hidden>h<li>y</ol>", "1. x\n2. y"),
        ("<ul>Bring:<li>x</ul>", "Bring:\n- x"),
        ('<ul><li><input type="checkbox" checked> Done<li><input type="checkbox"> To do</ul>', "- ☒ Done\n- ☐ To do"),
    ],
)
def test_a_list_is_numbered_as_it_is_shown(made: str, text: str) -> None:
    assert said(html(made)) == text


def test_a_cell_spans_rows_of_its_part_of_the_table_only() -> None:
    page = html(
        "<table><thead><tr><th rowspan=3>Region</th><th>City</th></tr></thead><tbody><tr><td>EMEA</td><td>Paris</td>"
        "</tr><tr><td>APAC</td><td>Tokyo</td></tr></tbody></table>"
    )
    assert said(page) == "EMEA: City Paris\nAPAC: City Tokyo"


def test_the_foot_of_a_table_stands_below() -> None:
    foot = "<tfoot><tr><td>Sum<td>9</tfoot>"
    page = html(f"<table><thead><tr><th>Item<th>Cost</thead>{foot}<tbody><tr><td>Pen<td>9</tbody></table>")
    assert said(page) == "Pen: Cost 9\nSum: Cost 9"


@pytest.mark.parametrize(
    "page",
    [
        "<pre>if x:<br>    y()</pre>",
        '<pre><div class="line">if x:</div><div class="line">    y()</div></pre>',
        "<table><tr><td><pre>1\n2</pre></td><td class=code><pre>if x:\n    y()</pre></td></tr></table>",
        "<table><tr><td></td><td class='blob-code'>if x:</td></tr><tr><td></td><td class='blob-code'>    y()</table>",
        '<code style="white-space: pre">if x:\n    y()</code>',
        "<xmp>if x:\n    y()</xmp>",
    ],
)
def test_code_keeps_its_lines_in_whatever_form(page: str) -> None:
    assert blocks(html(page)) == (Code("if x:\n    y()"),)


def test_line_breaks_count_where_a_style_keeps_them() -> None:
    assert said(html('<div style="white-space: pre-line">Mon  9\nTue 8</div>')) == "Mon 9\nTue 8"


def test_links_are_relative_to_what_the_page_says() -> None:
    page = html('<head><base href="https://intra.example.com/x/"></head><p><a href="forms/p">form</a></p>')
    assert shown(page) == "[form](https://intra.example.com/x/forms/p)"


def test_a_heading_that_is_a_link_keeps_its_address() -> None:
    page = html(
        '<h2><a href="https://f.example.com/p">Parking form</a></h2><p>Fill it in.</p>'
        '<h2>Badges<a href="#badges">¶</a></h2><p>See <a href="#top">above</a>.</p>'
    )
    assert [section.headings for section in page.sections] == [("Parking form",), ("Badges",)]
    assert shown(page) == "[Parking form](https://f.example.com/p)\n\nFill it in.\n\nSee above."


def test_a_link_that_is_a_picture_says_where_it_leads() -> None:
    page = html(
        '<p><a href="https://f.example.com/p" aria-label="Parking form"><i></i></a> '
        '<a href="https://f.example.com/q"><img src=x></a> <a href="https://f.example.com/r"></a></p>'
    )
    assert shown(page) == ("[Parking form](https://f.example.com/p) [https://f.example.com/q](https://f.example.com/q)")


@pytest.mark.parametrize(
    ("made", "text"),
    [
        ("10<sup>3</sup> and 10<sup>-3</sup>", "10³ and 10⁻³"),
        ("30<sup>1</sup> days", "30¹ days"),
        ('30<sup><a href="#fn1">2</a></sup> days', "30² days"),
        ("H<sub>2</sub>O", "H₂O"),
        ("the 1<sup>st</sup> floor", "the 1st floor"),
        ("30<sup>[1]</sup> days", "30[1] days"),
        ("x<sup>n+1</sup>", "xⁿ⁺¹"),
        ("x<sup>2k</sup>", "x^(2k)"),
        ("<q>Be kind</q>", "“Be kind”"),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>", "漢(かん)"),
        ("Press <button>Save</button><button>Close</button>.", "Press Save Close."),
    ],
)
def test_what_stands_off_the_line_is_no_part_of_the_word(made: str, text: str) -> None:
    assert said(html(f"<p>{made}</p>")) == text


def test_what_stands_beside_articles_is_read() -> None:
    page = html(
        "<h1>News</h1><p>From HR and from IT.</p><article><h2>Leave</h2><p>You get 25 days.</p></article>"
        "<article><h2>Badges</h2><p>Wear them.</p></article><p>Ask us.</p>"
    )
    assert said(page) == "From HR and from IT.\n\nYou get 25 days.\n\nWear them.\n\nAsk us."


@pytest.mark.parametrize("frame", ["<main></main>", "<main><div id=app></div></main>", "<article>Tip</article>"])
def test_a_frame_without_the_pages_text_is_not_its_main_part(frame: str) -> None:
    assert "You get 25 days of leave a year" in said(html(f"{frame}<div>You get 25 days of leave a year.</div>"))


def test_a_paragraph_of_many_lines_takes_time_by_its_length() -> None:
    def taken(lines: int) -> float:
        data = f"<p>{'a line of a log<br>' * lines}</p>".encode()
        start = time.process_time()
        HtmlParser().parse(data, "log.html")
        return time.process_time() - start

    assert taken(60_000) < 10 * max(taken(12_000), 0.05)


STYLES = st.sampled_from(["", "strong", "emphasis", "struck", "code"])
SPANS = st.builds(Span, st.text("ab.:!“”(注。 ", min_size=1, max_size=6).filter(str.strip), STYLES)


@settings(max_examples=300, deadline=None)
@given(st.lists(SPANS, min_size=1, max_size=5))
def test_marks_of_styles_are_read_as_such(line: list[Span]) -> None:
    made = rendered((Paragraph(tidied(line)),)).markdown
    page = MarkdownParser().parse(f"begin {made} end".encode(), "page.md")
    text = "".join(span.text for block in blocks(page) if isinstance(block, Paragraph) for span in block.line)
    assert "*" not in text
    assert "~" not in text
