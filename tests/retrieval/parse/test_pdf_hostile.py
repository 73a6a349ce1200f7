"""PDFs made to break their parser end as errors that name them, within the child's limits."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from bot.domain.errors import DocumentError
from retrieval.parse.dispatch import parse
from tests.retrieval.parse.pdfs import drawn, lines, said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.domain.ports import Parser


def words(canvas: Canvas) -> None:
    lines(canvas, 700, "Some words of a page.")


def objects(*values: str) -> bytes:
    """Return a PDF of objects that count from 1, the first of them the catalogue."""
    out, places = b"%PDF-1.4\n", []
    for number, value in enumerate(values, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{value}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(values) + 1
    end = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R >>\n"
    return out + f"{end}startxref\n{len(out)}\n%%EOF\n".encode("latin-1")


def one_page(content: str, box: str = "0 0 612 792", *more: str) -> bytes:
    return objects(
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> /XObject << /X6 6 0 R >> >> >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        *more,
    )


def encrypted() -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, encrypt=StandardEncryption("open sesame", canPrint=0))
    words(canvas)
    canvas.save()
    return out.getvalue()


def truncated() -> bytes:
    whole = drawn(words)
    return whole[: whole.index(b"endstream") - 40]


def million_glyphs() -> bytes:
    line = f"({'abcdefghi ' * 100}) Tj 0 -0.5 Td\n"
    return one_page(f"BT /F1 0.5 Tf 10 780 Td\n{line * 1_000}ET")


def tree_without_end() -> bytes:
    return objects("<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 5000 >>")


def claims_a_billion_pages() -> bytes:
    return drawn(words).replace(b"/Count 1", b"/Count 999999999")


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "encrypted": (encrypted, "it is encrypted"),
    "truncated": (truncated, "not a readable PDF|contains no text"),
    "a million glyphs": (million_glyphs, "a page with 1,0.* characters, more than 400,000"),
    "a tree without end": (tree_without_end, "pages, more than|not a readable PDF|contains no text"),
    "only a header": (lambda: b"%PDF-1.7\n%%EOF", "not a readable PDF"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_pdf_is_refused_by_name(parsers: Mapping[str, Parser], name: str) -> None:
    make, reason = REFUSED[name]
    with pytest.raises(DocumentError, match=reason) as refused:
        parse(make(), "hostile.pdf", parsers)
    assert "hostile.pdf" in refused.value.text


def form_in_itself() -> bytes:
    body = "BT /F1 12 Tf 72 700 Td (Some words of a page.) Tj ET"
    form = (
        "<< /Type /XObject /Subtype /Form /BBox [0 0 612 792] /Length 6 "
        "/Resources << /XObject << /X6 6 0 R >> >> >>\nstream\n/X6 Do\nendstream"
    )
    return one_page(f"{body} /X6 Do", "0 0 612 792", form)


def huge_page() -> bytes:
    return one_page("1 1 1 rg BT /F1 12 Tf 72 700 Td (Some words of a page.) Tj ET", "0 0 200000 200000")


def many_lines() -> bytes:
    rules = "".join(f"{n % 600} {n // 600} m {n % 600 + 9} {n // 600} l S\n" for n in range(40_000))
    return one_page(f"{rules}BT /F1 12 Tf 72 700 Td (Some words of a page.) Tj ET")


def nested_states() -> bytes:
    return one_page(f"{'q ' * 50_000}BT /F1 12 Tf 72 700 Td (Some words of a page.) Tj ET{' Q' * 50_000}")


def without_area() -> bytes:
    return one_page("BT /F1 12 Tf 72 700 Td (Some words of a page.) Tj ET", "0 0 0 0")


def outline_in_a_circle() -> bytes:
    page = one_page("BT /F1 12 Tf 72 700 Td (Some words of a page.) Tj ET")
    inner = page.replace(b"/Type /Catalog /Pages 2 0 R", b"/Type /Catalog /Pages 2 0 R /Outlines 7 0 R")
    return inner.replace(b"xref\n", b"7 0 obj\n<< /First 7 0 R /Next 7 0 R /Title (x) >>\nendobj\nxref\n", 1)


@pytest.mark.parametrize(
    "make", [form_in_itself, huge_page, many_lines, nested_states, without_area, outline_in_a_circle]
)
def test_an_odd_pdf_is_read_or_refused_by_name_within_the_limits(
    parsers: Mapping[str, Parser], make: Callable[[], bytes]
) -> None:
    try:
        assert said(parse(make(), "odd.pdf", parsers)) in ("Some words of a page.", "")
    except DocumentError as error:
        assert "odd.pdf" in error.text  # noqa: PT017 - either way is right
    assert said(parse(drawn(words), "next.pdf", parsers)) == "Some words of a page."


def test_a_false_count_of_pages_does_no_harm(parsers: Mapping[str, Parser]) -> None:
    try:
        assert said(parse(claims_a_billion_pages(), "odd.pdf", parsers)) == "Some words of a page."
    except DocumentError as error:
        assert "odd.pdf" in error.text  # noqa: PT017 - either way is right
