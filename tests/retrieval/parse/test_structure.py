"""What a document looks like survives parsing: in words for the model, in Markdown for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.domain.documents.blocks import Code, Image, Item, Paragraph, Quote, Span, Table, plain
from bot.domain.documents.parsed import ParsedDocument, ParsedSection
from bot.domain.documents.rendering import excerpt, rendered, widened
from retrieval.chunk import CHUNK_TOKENS, chunk_document
from retrieval.parse.formats.html import HtmlParser
from retrieval.parse.formats.markdown import MarkdownParser
from retrieval.parse.serialization import from_json, to_bytes, to_json

if TYPE_CHECKING:
    from bot.domain.documents.blocks import Block


def markdown(text: str, name: str = "page.md") -> ParsedDocument:
    return MarkdownParser().parse(text.encode(), name)


def html(text: str, name: str = "page.html") -> ParsedDocument:
    return HtmlParser().parse(text.encode(), name)


def blocks(document: ParsedDocument) -> tuple[Block, ...]:
    return tuple(block for section in document.sections for block in section.blocks)


def said(document: ParsedDocument) -> str:
    return rendered(blocks(document)).text


def shown(document: ParsedDocument) -> str:
    return rendered(blocks(document)).markdown


def count(text: str) -> int:
    return len(text.split())


def test_a_links_address_is_shown() -> None:
    page = markdown("Fill in the [parking form](https://forms.example.com/parking-2026) and sign it.")
    assert said(page) == "Fill in the parking form and sign it."
    assert shown(page) == "Fill in the [parking form](https://forms.example.com/parking-2026) and sign it."


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("mailto:hr@example.com", "mailto:hr@example.com"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("#top", ""),
        ("forms/a.html", ""),
        ("http://[bad", ""),
    ],
)
def test_only_links_that_lead_somewhere_are_kept(address: str, kept: str) -> None:
    (block,) = blocks(html(f'<p>See <a href="{address}">this</a> page.</p>'))
    assert isinstance(block, Paragraph)
    assert "".join(span.link for span in block.line) == kept


def test_a_web_pages_own_links_are_completed() -> None:
    page = html('<p><a href="../forms/a?x=1">form</a></p>', "https://example.com/hr/page")
    assert shown(page) == "[form](https://example.com/forms/a?x=1)"


@pytest.mark.parametrize("struck", ["~~45~~", "<del>45</del>", '<b style="text-decoration: line-through">45</b>'])
def test_what_is_crossed_out_is_shown_but_does_not_hold(struck: str) -> None:
    page = markdown(f"The daily meal limit is {struck} 60 dollars since January.")
    assert said(page) == "The daily meal limit is 60 dollars since January."
    assert shown(page) == "The daily meal limit is ~~45~~ 60 dollars since January."


def test_code_keeps_its_white_space_and_its_language() -> None:
    code = "ingress:\n  hosts:\n    - name: intranet\n\u200b\n      paths: [0]"
    page = markdown(f"Put this there:\n\n```yaml\n{code}\n```\n\nThen deploy.")
    assert blocks(page)[1] == Code(code, "yaml")
    assert code in said(page)
    assert f"```yaml\n{code}\n```" in shown(page)


def test_a_fence_is_longer_than_those_in_the_code() -> None:
    assert "````\n```\nx\n```\n````" in rendered((Code("```\nx\n```"),)).markdown


def test_lists_keep_their_numbers_and_their_nesting() -> None:
    page = html(
        '<ol start="3"><li>Third</li><li>Fourth<ul><li>inner</li></ul></li></ol>'
        '<ol type="a"><li value="2">b</li><li>c</li></ol><ol type="I"><li>one</li></ol>'
    )
    assert said(page) == "3. Third\n4. Fourth\n  - inner\nb. b\nc. c\nI. one"


def test_a_step_keeps_its_code() -> None:
    page = markdown("1. Run\n\n   ```sh\n   make  all\n   ```\n\n2. Wait")
    assert [*blocks(page)] == [Item("1.", plain("Run"), 0, (Code("make  all", "sh"),)), Item("2.", plain("Wait"))]


def test_each_row_of_a_table_says_what_its_cells_mean() -> None:
    page = markdown("| City | Hotel (USD) | Code |\n|---|---|---|\n| Vienna | 190 | CC-2 |\n| Rome | | CC-3 |\n")
    assert said(page) == "Vienna: Hotel (USD) 190, Code CC-2\nRome: Code CC-3"
    assert shown(page).splitlines()[0] == "| City | Hotel (USD) | Code |"
    assert shown(page).splitlines()[2] == "| Vienna | 190 | CC-2 |"


def test_code_in_a_cell_keeps_its_lines() -> None:
    page = html(
        "<table><tr><th>Task</th><th>Do</th><th>Owner</th></tr><tr><td>Stop</td><td>Ask Ops</td><td>Ann</td></tr>"
        "<tr><td>Restart</td><td>Run: <pre>if x:\n    y()</pre></td><td>Bob</td></tr>"
        "<tr><td>Log</td><td><code>z</code></td></tr></table>"
    )
    assert said(page) == "Stop: Do Ask Ops, Owner Ann\n\nRestart: Do Run:\nif x:\n    y()\nOwner Bob\nLog: Do z"
    head = "| Task | Do | Owner |\n| --- | --- | --- |\n"
    code = "Restart: Do Run:\n```\nif x:\n    y()\n```\n\nOwner Bob"
    assert shown(page) == f"{head}| Stop | Ask Ops | Ann |\n\n{code}\n\n{head}| Log | `z` |  |"


def test_a_cell_counts_in_each_row_and_column_that_it_spans() -> None:
    page = html(
        "<table><tr><th rowspan=2>Region</th><th colspan=2>Leave</th></tr><tr><th>City</th><th>Days</th></tr>"
        "<tr><td rowspan=2>EMEA</td><td>Paris</td><td>5</td></tr><tr><td>Berlin</td><td>7</td></tr></table>"
    )
    assert said(page) == "EMEA: Leave City Paris, Leave Days 5\nEMEA: Leave City Berlin, Leave Days 7"


def test_a_table_that_arranges_a_page_is_no_table() -> None:
    page = html("<table><tr><td><h2>Left</h2><p>One.</p></td><td><h2>Right</h2><p>Two.</p></td></tr></table>")
    assert {section.headings: section.text for section in page.sections} == {("Left",): "One.", ("Right",): "Two."}


@pytest.mark.parametrize("rows", [3, 300])
def test_a_huge_span_does_not_unfold(rows: int) -> None:
    row = "<tr><td>b</td></tr>" * rows
    page = html(f"<table><tr><td rowspan=65534 colspan=9>{'a' * 500}</td></tr>{row}</table>")
    assert len(said(page)) < 10 * 201 * (rows + 3)


def test_a_quotation_and_a_figure_are_kept() -> None:
    quote = "<blockquote><p>Be kind.</p></blockquote>"
    page = html(f"{quote}<figure><img alt='A map'><figcaption>Plan</figcaption></figure>")
    assert [*blocks(page)] == [Quote((Paragraph(plain("Be kind.")),)), Image("A map", "Plan")]
    assert shown(page) == "> Be kind.\n\nA map  \nPlan"


def test_all_articles_and_what_unfolds_are_read() -> None:
    page = html(
        "<body><nav>Menu</nav><article><p>First.</p></article><article><details><summary>More</summary>"
        "<p>Second.</p></details><button>Ask HR</button></article></body>"
    )
    assert said(page) == "First.\n\nMore\n\nSecond.\n\nAsk HR"


@pytest.mark.parametrize(
    ("page", "read"),
    [
        ('<p style="color: white">x</p>', ""),
        ('<p style="color:#fefefe; background: #fff">x</p>', ""),
        ('<div style="background:#003366"><p style="color:#fff">x</p></div>', "x"),
        ('<table><tr bgcolor="#003366"><td><font color="white">x</font></td></tr></table>', "x"),
        ('<div style="background: #036"><p style="color: rgb(0, 51, 102)">x</p></div>', ""),
        ('<div style="background: url(a.png)"><p style="color: white">x</p></div>', "x"),
        ('<p style="color: transparent">x</p>', ""),
        ('<p style="color: rgba(0, 0, 0, 0)">x</p>', ""),
        ('<p style="background-color: transparent; color: white">x</p>', ""),
        ('<ul><li style="display:none">x</li></ul>', ""),
    ],
)
def test_hidden_is_what_nobody_sees(page: str, read: str) -> None:
    document = html(f"<p>before</p>{page}")
    assert said(document) == f"before\n\n{read}".strip()
    assert ("hidden text removed" in document.flags) == (not read)


def test_a_table_is_cut_between_rows_and_each_part_has_its_header() -> None:
    rows = "\n".join(f"| City {n} | {100 + n} | {40 + n} |" for n in range(60))
    page = markdown(f"# Allowances\n\n| City | Hotel per night | Meals |\n|---|---|---|\n{rows}\n")
    chunks = chunk_document(page, "d", count)
    assert len(chunks) > 1
    lines = [line for chunk in chunks for line in chunk.text.splitlines()]
    assert lines == [f"City {n}: Hotel per night {100 + n}, Meals {40 + n}" for n in range(60)]
    assert all(chunk.markdown.startswith("| City | Hotel per night | Meals |\n| --- |") for chunk in chunks)


def test_items_and_code_stay_whole_in_chunks() -> None:
    items = "\n".join(f"{n}. Step {n} " + "word " * 40 for n in range(1, 12))
    code = "\n".join(f"  line {n}" for n in range(40))
    page = markdown(f"# Guide\n\n{items}\n\n```\n{code}\n```\n")
    chunks = chunk_document(page, "d", count)
    assert all(count(chunk.text) <= CHUNK_TOKENS for chunk in chunks)
    assert all(chunk.text.strip().startswith((*(f"{n}. Step" for n in range(1, 12)), "line 0")) for chunk in chunks)
    assert sum(code.strip() in chunk.text for chunk in chunks) == 1


def test_code_that_is_too_long_for_a_chunk_is_fenced_in_each_part() -> None:
    code = "\n".join(f"value_{n} = compute({n})" for n in range(400))
    chunks = chunk_document(markdown(f"# Code\n\n```python\n{code}\n```\n"), "d", count)
    assert len(chunks) > 1
    assert all(chunk.markdown.startswith("```\n") and chunk.markdown.endswith("\n```") for chunk in chunks)


def test_an_excerpt_has_links_and_whole_code() -> None:
    page = rendered((Paragraph((Span("Use "), Span("form", link="https://x.example"), Span(" now."))), Code("a\n  b")))
    start = page.text.index("form")
    assert excerpt(page.text, page.marks, start, start + len("form now")) == "[form](https://x.example) now"
    assert excerpt(page.text, page.marks, start + 1, start + len("form")) == "orm"
    inside = page.text.index("  b")
    assert "```\na\n  b\n```" in excerpt(page.text, page.marks, *widened(page.marks, inside, inside + 1))


LINES = (
    st.text("abcXYZ .,*_[]()<>#-+|~`!\\1äé", min_size=1, max_size=20)
    .map(lambda text: " ".join(text.split()))
    .filter(bool)
    .map(plain)
)
CODE = st.text("ab =\n\t:#*`", min_size=1, max_size=30).map(lambda text: text.strip("\n")).filter(str.strip)
FLAT = st.one_of(
    st.builds(Paragraph, LINES),
    st.builds(Item, st.just("-"), LINES),
    st.builds(Code, CODE.map(str.rstrip), st.sampled_from(["", "yaml"])),
    st.builds(
        lambda header, rows: Table(tuple(header), tuple(map(tuple, rows))),
        st.lists(LINES, min_size=2, max_size=2),
        st.lists(st.lists(LINES, min_size=2, max_size=2), min_size=1, max_size=3),
    ),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FLAT, min_size=1, max_size=4))
@example([Paragraph(plain("1) first"))])
def test_markdown_of_a_document_read_again_says_the_same(made: list[Block]) -> None:
    once = rendered(made)
    again = markdown(once.markdown)
    assert said(again).split() == once.text.split()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.one_of(FLAT, st.builds(lambda inner: Quote(tuple(inner)), st.lists(FLAT, min_size=1, max_size=2))),
        max_size=4,
    )
)
def test_the_stored_form_is_read_as_it_was(made: list[Block]) -> None:
    document = ParsedDocument("T", (ParsedSection(("A", "B"), tuple(made)),), ("flag",))
    assert from_json(to_json(document)) == document
    assert b'"document"' in to_bytes(document, None)


def test_a_long_table_is_cut_where_only_its_beginning_is_wanted() -> None:
    table = Table((plain("a"), plain("b")), ((plain("x" * 5), plain("y" * 5)),) * 1_000)
    document = ParsedDocument("T", (ParsedSection((), (table,)),))
    kept = from_json(json.loads(to_bytes(document, 100))["document"]).sections[0].blocks[0]
    assert isinstance(kept, Table)
    assert len(kept.rows) == 10
