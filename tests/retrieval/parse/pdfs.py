"""Makes PDFs for tests, page by page on ReportLab's canvas, whose origin is the lower left corner."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from reportlab.pdfgen.canvas import Canvas

from bot.domain.documents.rendering import rendered
from retrieval.parse.pdf.parser import PdfParser

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.domain.documents.blocks import Block
    from bot.domain.documents.parsed import ParsedDocument

SIZE = (595, 842)


def drawn(*pages: Callable[[Canvas], None], size: tuple[int, int] = SIZE) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=size)
    for page in pages:
        canvas.setFont("Helvetica", 11)
        page(canvas)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def read(*pages: Callable[[Canvas], None], size: tuple[int, int] = SIZE) -> ParsedDocument:
    return PdfParser().parse(drawn(*pages, size=size), "page.pdf")


def blocks(document: ParsedDocument) -> tuple[Block, ...]:
    return tuple(block for section in document.sections for block in section.blocks)


def said(document: ParsedDocument) -> str:
    return rendered(blocks(document)).text


def shown(document: ParsedDocument) -> str:
    return rendered(blocks(document)).markdown


def lines(canvas: Canvas, top: float, *texts: str, left: float = 72, leading: float = 14) -> None:
    for number, text in enumerate(texts):
        canvas.drawString(left, top - number * leading, text)


def cells(canvas: Canvas, top: float, rows: Sequence[Sequence[str]], lefts: Sequence[float], pitch: float = 20) -> None:
    """Draw the texts of a table; its rules are for the test to draw."""
    for number, row in enumerate(rows):
        for left, text in zip(lefts, row, strict=True):
            canvas.drawString(left + 4, top - number * pitch - 14, text)


def grid(canvas: Canvas, lefts: Sequence[float], top: float, rows: int, pitch: float = 20) -> None:
    """Draw the rules of a table; the last of ``lefts`` is its right side."""
    bottom = top - rows * pitch
    for left in lefts:
        canvas.line(left, top, left, bottom)
    for row in range(rows + 1):
        canvas.line(lefts[0], top - row * pitch, lefts[-1], top - row * pitch)
