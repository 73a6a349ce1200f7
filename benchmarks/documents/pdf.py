"""Writes a case of the table set as PDF, drawn by ReportLab, or as a scan of it."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pypdfium2
import reportlab
from PIL import Image
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate, Paragraph, Spacer, Table, TableStyle

if TYPE_CHECKING:
    from benchmarks.documents.tables import TableCase

MARGIN = 20 * mm
DPI = 150
SKEW = 0.4
"""Degrees by which a scan is turned."""

FURNITURE = "Acme Ltd. – Travel policy 2026"
"""Stands at the top of each page; with the page number, no answer should quote it."""


def to_pdf(case: TableCase) -> bytes:
    """Return the case as a PDF."""
    _fonts()
    out = io.BytesIO()
    width, height = A4
    document = BaseDocTemplate(out, pagesize=A4, title=case.title)
    inner = width - 2 * MARGIN
    half = (inner - 8 * mm) / 2 if case.columns else inner
    lefts = (MARGIN, MARGIN + half + 8 * mm) if case.columns else (MARGIN,)
    frames = [Frame(left, MARGIN, half, height - 2 * MARGIN, id=str(left)) for left in lefts]
    document.addPageTemplates([PageTemplate(frames=frames, onPage=_furniture)])
    document.build(_story(case, half))
    return _scanned(out.getvalue(), case) if case.scanned else out.getvalue()


def _fonts() -> None:
    folder = Path(reportlab.__file__).parent / "fonts"
    for name, file in (("Vera", "Vera.ttf"), ("VeraBd", "VeraBd.ttf")):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, folder / file))


def _furniture(canvas: Canvas, document: Any) -> None:
    canvas.setFont("Vera", 8)
    canvas.drawString(MARGIN, A4[1] - 12 * mm, FURNITURE)
    canvas.drawRightString(A4[0] - MARGIN, 10 * mm, f"Page {document.page}")


def _story(case: TableCase, width: float) -> list[Flowable]:
    styles = getSampleStyleSheet()
    body, heading = styles["BodyText"], styles["Heading1"]
    body.fontName, body.fontSize, body.leading = "Vera", 9, 12
    heading.fontName = "VeraBd"
    prose = [Paragraph(text, body) for text in case.prose]
    above = prose[:-1] * (1 + case.before)
    return [Paragraph(case.title, heading), *above, Spacer(1, 8), _table(case, width), Spacer(1, 8), prose[-1]]


def _table(case: TableCase, width: float) -> Table:
    styles = getSampleStyleSheet()
    plain, bold = styles["BodyText"].clone("cell"), styles["BodyText"].clone("head")
    plain.fontName, bold.fontName = "Vera", "VeraBd"
    plain.fontSize = bold.fontSize = 9
    plain.leading = bold.leading = 11
    plain.spaceBefore = bold.spaceBefore = 0
    if case.look == "dark":
        bold.textColor = colors.white
    cells = [
        [Paragraph(text, bold if number < case.heads else plain) for text in row]
        for number, row in enumerate(case.grid)
    ]
    count = len(case.grid[0])
    widths = [width * 0.2, width * 0.4, width * 0.2] if case.kind == "multiline" else [width / count] * count
    return Table(cells, colWidths=widths, repeatRows=case.heads, style=_style(case))


def _style(case: TableCase) -> TableStyle:
    head = (0, 0), (-1, case.heads - 1)
    commands: list[Any] = [("VALIGN", (0, 0), (-1, -1), "TOP")]
    if case.look in ("grid", "dark"):
        commands.append(("GRID", (0, 0), (-1, -1), 0.6, colors.black))
    if case.look == "dark":
        commands.append(("BACKGROUND", *head, colors.HexColor("#1f3864")))
    if case.look == "booktabs":
        commands += [("LINEABOVE", *head, 1, colors.black), ("LINEBELOW", *head, 0.6, colors.black)]
        commands.append(("LINEBELOW", (0, -1), (-1, -1), 1, colors.black))
    if case.look == "zebra":
        commands.append(("ROWBACKGROUNDS", (0, case.heads), (-1, -1), (colors.white, colors.HexColor("#e8eef7"))))
    if case.look == "plain" and case.kind == "multiline":
        commands.append(("BOTTOMPADDING", (0, 0), (-1, -1), 8))
    for top, left, down, across in case.areas:
        commands.append(("SPAN", (left, top), (left + across - 1, top + down - 1)))
    return TableStyle(commands)


def _scanned(data: bytes, case: TableCase) -> bytes:
    """Return the pages as pictures, a little turned and noisy, as an office scanner gives them."""
    draw = np.random.default_rng(sum(map(ord, case.name)))
    turn = random.Random(case.name).uniform(-SKEW, SKEW)
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4)
    source = pypdfium2.PdfDocument(data)
    for page in source:
        picture = page.render(scale=DPI / 72, grayscale=True).to_pil()
        turned = picture.rotate(turn, resample=Image.Resampling.BICUBIC, fillcolor=255)
        noisy = np.asarray(turned, dtype=np.int16) - 6 + draw.integers(-10, 11, (turned.height, turned.width))
        jpeg = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(jpeg, "JPEG", quality=75)
        canvas.drawImage(ImageReader(jpeg), 0, 0, *A4)
        canvas.showPage()
    source.close()
    canvas.save()
    return out.getvalue()
