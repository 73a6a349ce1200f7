"""Writes a case of the table set as Word, PowerPoint and Excel files."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from docx import Document
from openpyxl import Workbook
from openpyxl.styles import Font
from pptx import Presentation
from pptx.util import Emu

if TYPE_CHECKING:
    from benchmarks.documents.tables import TableCase


def to_docx(case: TableCase) -> bytes:
    """Return the case as a Word file."""
    document = Document()
    document.core_properties.title = case.title
    document.add_heading(case.title, level=1)
    for text in case.prose[:-1] * (1 + case.before):
        document.add_paragraph(text)
    table = document.add_table(len(case.grid), len(case.grid[0]))
    _fill(table, case)
    for row in table.rows[: case.heads]:
        for cell in row.cells:
            for run in cell.paragraphs[0].runs:
                run.bold = True
    document.add_paragraph(case.prose[-1])
    return _saved(document)


def to_pptx(case: TableCase) -> bytes:
    """Return the case as slides: one of prose and one with the table."""
    slides = Presentation()
    first = slides.slides.add_slide(slides.slide_layouts[1])
    first.shapes.title.text = case.title
    first.placeholders[1].text = "\n".join(case.prose)
    second = slides.slides.add_slide(slides.slide_layouts[5])
    second.shapes.title.text = case.title
    rows, columns = len(case.grid), len(case.grid[0])
    frame = second.shapes.add_table(rows, columns, Emu(0), Emu(1_500_000), Emu(9_000_000), Emu(300_000 * rows))
    frame.table.first_row = True
    _fill(frame.table, case)
    return _saved(slides)


def to_xlsx(case: TableCase) -> bytes:
    """Return the case as a workbook: one sheet with the table and one of prose."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = case.title[:30]
    for row in case.grid:
        sheet.append([text or None for text in row])
    for cells in sheet.iter_rows(max_row=case.heads):
        for cell in cells:
            cell.font = Font(bold=True)
    for top, left, down, across in case.areas:
        sheet.merge_cells(start_row=top + 1, start_column=left + 1, end_row=top + down, end_column=left + across)
    notes = book.create_sheet("Notes")
    for text in (case.title, *case.prose):
        notes.append([text])
    return _saved(book)


def _fill(table: Any, case: TableCase) -> None:
    """Write the cells of a table of python-docx or python-pptx, which name them alike."""
    for number, row in enumerate(case.grid):
        for column, text in enumerate(row):
            if text:
                table.cell(number, column).text = text
    for top, left, down, across in case.areas:
        table.cell(top, left).merge(table.cell(top + down - 1, left + across - 1))


def _saved(document: Any) -> bytes:
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()
