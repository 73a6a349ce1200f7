"""Headings and raised digits of Word documents are read as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.documents.rendering import rendered
from retrieval.parse.word.parser import DocxParser

if TYPE_CHECKING:
    from collections.abc import Callable


def run(text: str, look: str = "") -> str:
    return f'<w:r><w:rPr>{look}</w:rPr><w:t xml:space="preserve">{text}</w:t></w:r>'


def paragraph(*runs: str, style: str = "") -> str:
    inner = "".join(each if each.startswith("<") else run(each) for each in runs)
    look = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{look}</w:pPr>{inner}</w:p>"


def test_raised_and_lowered_digits_are_no_part_of_the_number_before(word: Callable[..., bytes]) -> None:
    up, down = (f'<w:vertAlign w:val="{name}script"/>' for name in ("super", "sub"))
    body = paragraph("30", run("1", up), " days, 10", run("-3", up), ", H", run("2", down), "O, 1", run("st", up))
    (section,) = DocxParser().parse(word(body), "a.docx").sections
    assert section.text == "30¹ days, 10⁻³, H₂O, 1st"


def test_an_empty_heading_begins_no_section(word: Callable[..., bytes]) -> None:
    body = (
        paragraph("A", style="Heading1")
        + paragraph("B", style="Heading2")
        + paragraph("one")
        + paragraph(style="Heading1")
        + paragraph("two")
    )
    assert [(part.headings, part.text) for part in DocxParser().parse(word(body), "a.docx").sections] == [
        (("A", "B"), "one\n\ntwo")
    ]


def test_a_heading_keeps_its_link_and_one_with_nothing_below_is_text(word: Callable[..., bytes]) -> None:
    link = '<w:hyperlink r:id="l1"><w:r><w:t>Parking form</w:t></w:r></w:hyperlink>'
    body = (
        paragraph(link, style="Heading1")
        + paragraph("Fill it in.")
        + paragraph("The cafeteria closes at 3 pm", style="Heading1")
    )
    data = word(body, {"l1": ("hyperlink", "https://f.example.com/p")})
    sections = DocxParser().parse(data, "a.docx").sections
    assert rendered([block for section in sections for block in section.blocks]).markdown == (
        "[Parking form](https://f.example.com/p)\n\nFill it in.\n\nThe cafeteria closes at 3 pm"
    )
