"""Tables of PDFs keep their rows, headers and merged cells, with rules or without, also across a page break."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.documents.pdf import to_pdf
from benchmarks.documents.tables import table_set
from bot.domain.documents.blocks import Table, words
from retrieval.parse.pdf.parser import PdfParser
from tests.retrieval.parse.pdfs import blocks, cells, grid, lines, read, said

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

    from benchmarks.documents.tables import TableCase

LEFTS = (72, 200, 330)
CASES = [case for case in table_set() if not case.scanned]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_row_of_the_table_set_is_read_as_people_see_it(case: TableCase) -> None:
    document = PdfParser().parse(to_pdf(case), "x.pdf")
    (table,) = (block for block in blocks(document) if isinstance(block, Table))
    assert [[words(cell) for cell in row] for row in table.rows] == [[*row] for row in case.seen[case.heads :]]
    for column, cell in enumerate(table.header):
        assert words(cell) == " ".join(dict.fromkeys(row[column] for row in case.seen[: case.heads]))
    read = " ".join(said(document).split())
    assert all(prose in read for prose in case.prose)


def test_a_cell_that_spans_rows_counts_in_each() -> None:
    def page(canvas: Canvas) -> None:
        cells(canvas, 700, [("Region", "City", "Days"), ("EMEA", "Paris", "5"), ("", "Berlin", "7")], LEFTS)
        for left in (72, 200, 330, 400):
            canvas.line(left, 700, left, 640)
        for top in (700, 680, 640):
            canvas.line(72, top, 400, top)
        canvas.line(200, 660, 400, 660)

    assert said(read(page)) == "EMEA: City Paris, Days 5\nEMEA: City Berlin, Days 7"


def test_a_table_without_rules_is_told_by_its_columns() -> None:
    def page(canvas: Canvas) -> None:
        lines(canvas, 740, "These are the amounts that hold since January of this year for each night:")
        canvas.setFont("Helvetica-Bold", 11)
        cells(canvas, 715, [("City", "Hotel per night", "Valid from")], LEFTS)
        canvas.setFont("Helvetica", 11)
        cells(canvas, 695, [("New York", "310", "2026-01-01"), ("San Jose", "250", "2026-02-01")], LEFTS)

    assert said(read(page)).splitlines()[2:] == [
        "New York: Hotel per night 310, Valid from 2026-01-01",
        "San Jose: Hotel per night 250, Valid from 2026-02-01",
    ]


def test_pairs_of_a_name_and_a_value_have_no_header() -> None:
    def page(canvas: Canvas) -> None:
        cells(canvas, 700, [("Office", "Vienna"), ("Phone", "+43 1 555"), ("Open", "9 to 5 on weekdays")], (72, 200))

    assert said(read(page)) == "Office | Vienna\nPhone | +43 1 555\nOpen | 9 to 5 on weekdays"


def test_a_frame_around_a_note_is_no_table() -> None:
    def page(canvas: Canvas) -> None:
        canvas.rect(60, 640, 300, 60)
        lines(canvas, 680, "Note: bring your badge.", "The guard asks for it.", leading=13)

    assert said(read(page)) == "Note: bring your badge. The guard asks for it."


def test_the_axes_and_lines_of_a_chart_are_no_table() -> None:
    def page(canvas: Canvas) -> None:
        grid(canvas, [72 + 40 * n for n in range(9)], 700, 8)
        lines(canvas, 520, "Journeys per month")

    assert said(read(page)) == "Journeys per month"


@pytest.mark.parametrize("again", [True, False], ids=["header stands again", "header stands once"])
def test_a_table_goes_on_after_a_page_break(again: bool) -> None:
    head, first, second = ("City", "Hotel"), ("Vienna", "190"), ("Rome", "170")

    def above(canvas: Canvas) -> None:
        canvas.setFont("Helvetica-Bold", 11)
        cells(canvas, 120, [head], (72, 200))
        canvas.setFont("Helvetica", 11)
        cells(canvas, 100, [first], (72, 200))
        grid(canvas, (72, 200, 330), 120, 2)

    def below(canvas: Canvas) -> None:
        top = 780
        if again:
            canvas.setFont("Helvetica-Bold", 11)
            cells(canvas, top, [head], (72, 200))
            top -= 20
        canvas.setFont("Helvetica", 11)
        cells(canvas, top, [second, ("Oslo", "210")], (72, 200))
        grid(canvas, (72, 200, 330), 780, 3 if again else 2)

    assert said(read(above, below)) == "Vienna: Hotel 190\nRome: Hotel 170\nOslo: Hotel 210"


def test_rules_between_rows_hold_cells_of_several_lines_together() -> None:
    def page(canvas: Canvas) -> None:
        cells(canvas, 700, [("Item", "Description", "Total")], LEFTS)
        cells(canvas, 680, [("", "Consulting in May,", "")], LEFTS)
        cells(canvas, 674, [("A 1", "", "2,700")], LEFTS)  # in the middle of its row
        cells(canvas, 668, [("", "travel included", "")], LEFTS)
        cells(canvas, 640, [("A 2", "Workshop", "1,450"), ("", "Net", "4,150")], LEFTS)
        for top in (682, 646, 622, 602):
            canvas.line(72, top, 400, top)

    assert said(read(page)) == (
        "A 1: Description Consulting in May, travel included, Total 2,700\n"
        "A 2: Description Workshop, Total 1,450\nDescription Net: Total 4,150"
    )
