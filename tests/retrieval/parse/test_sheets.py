"""A spreadsheet is read as it looks: each row with its header, numbers as they are shown, nothing that is hidden."""

from __future__ import annotations

import io
from datetime import date
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
import xlsxwriter
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.table import Table as ExcelTable

from bot.domain.documents.rendering import rendered
from retrieval.parse.dispatch import parse
from retrieval.parse.ooxml.number_formats import shown
from retrieval.parse.sheets.delimited import CsvParser
from retrieval.parse.sheets.parser import XlsxParser
from retrieval.parse.sheets.workbook import NO_RESULTS_FLAG
from retrieval.parse.text import HIDDEN_FLAG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openpyxl.worksheet.worksheet import Worksheet

    from bot.domain.documents.parsed import ParsedDocument
    from bot.domain.ports import Parser

DAY = 46086
"""The 5th of March 2026, as Excel counts days."""

RATES = (("City", "Hotel allowance"), ("Vienna", 190), ("Graz", 150))


def book(*rows: Sequence[Any]) -> tuple[openpyxl.Workbook, Worksheet]:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    sheet.title = "Rates"
    for row in rows:
        sheet.append(row)
    return workbook, sheet


def read(workbook: openpyxl.Workbook) -> ParsedDocument:
    out = io.BytesIO()
    workbook.save(out)
    return XlsxParser().parse(out.getvalue(), "rates.xlsx")


def texts(document: ParsedDocument) -> dict[tuple[str, ...], str]:
    return {section.headings: section.text for section in document.sections}


def said(workbook: openpyxl.Workbook) -> str:
    return "\n\n".join(section.text for section in read(workbook).sections)


def test_each_row_is_a_statement_under_its_sheet() -> None:
    workbook, _ = book(*RATES)
    workbook.create_sheet("Meals").append(["Meals are paid at cost."])
    assert texts(read(workbook)) == {
        ("Rates",): "Vienna: Hotel allowance 190\nGraz: Hotel allowance 150",
        ("Meals",): "Meals are paid at cost.",
    }


def test_a_header_below_a_title_and_notes_is_found() -> None:
    workbook, sheet = book(("Hotel rates 2026",), ("Valid from", date(2026, 1, 5)), (), *RATES)
    sheet.merge_cells("A1:B1")
    assert texts(read(workbook)) == {
        ("Rates", "Hotel rates 2026"): "Valid from | 2026-01-05",
        ("Rates",): "Vienna: Hotel allowance 190\nGraz: Hotel allowance 150",
    }
    for between in ((), ((),)):
        workbook, _ = book(("Hotel rates 2026",), *between, *RATES)
        assert texts(read(workbook)) == {
            ("Rates", "Hotel rates 2026"): "Vienna: Hotel allowance 190\nGraz: Hotel allowance 150"
        }


def test_several_tables_in_a_sheet_have_their_own_headers() -> None:
    workbook, sheet = book(*RATES, (), ("Grade", "Days"), ("A", 25), ("B", 30))
    for row, values in enumerate((("Car", "Rate"), ("small", 0.3), ("large", 0.5)), start=1):
        for column, value in enumerate(values, start=5):
            sheet.cell(row, column, value)
    assert said(workbook) == (
        "Vienna: Hotel allowance 190\nGraz: Hotel allowance 150\n\n"
        "small: Rate 0.3\nlarge: Rate 0.5\n\nA: Days 25\nB: Days 30"
    )


def test_an_empty_row_within_a_table_does_not_end_it() -> None:
    workbook, _ = book(*RATES, (), ("Linz", 140))
    assert said(workbook).endswith("Graz: Hotel allowance 150\nLinz: Hotel allowance 140")


def test_a_table_that_the_author_named_is_one_whatever_it_holds() -> None:
    workbook, sheet = book(("Question", "Answer"), ("Who pays?", "We do."), ("note", "beside"))
    sheet.add_table(ExcelTable(displayName="Faq", ref="A1:B2"))
    assert said(workbook) == "Who pays?: Answer We do.\n\nnote | beside"


def test_merged_cells_count_in_each_row_and_group_columns() -> None:
    workbook, sheet = book(
        ("City", "Allowance", None), (None, "hotel", "meals"), ("Vienna", 190, 45), (None, 200, 50), ("Europe",)
    )
    for area in ("A1:A2", "B1:C1", "A3:A4", "A5:C5"):
        sheet.merge_cells(area)
    assert said(workbook) == (
        "Vienna: Allowance hotel 190, Allowance meals 45\nVienna: Allowance hotel 200, Allowance meals 50\nEurope"
    )


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (0.125, "0.0%", "12.5%"),
        (0.5, "0%", "50%"),
        (1234.5, "#,##0.00", "1,234.50"),
        (1234.5, '#,##0.00 "EUR"', "1,234.50 EUR"),
        (190, "[$€-407] #,##0", "€ 190"),
        (-190, '"$"#,##0_);("$"#,##0)', "(190)"),
        (-190, '"$"#,##0_);[Red]("$"#,##0)_)', "($190)"),
        (-190, "$#,##0", "-$190"),
        (7, "000", "007"),
        (2.5, "General", "2.5"),
        (0.1 + 0.2, "General", "0.3"),
        (1e20, "General", "1e+20"),
        (12345678, "0.00E+00", "1.23E+07"),
        (1500, '0.0,"k"', "1.5k"),
        (0, '0;-0;"free"', "free"),
        (1.5, "# ?/?", "1.5"),
        (DAY, "dd/mm/yyyy", "05/03/2026"),
        (DAY, "yyyy-mm-dd", "2026-03-05"),
        (DAY, "d. mmmm yy", "5. March 26"),
        (DAY, "[$-409]ddd, mmm d", "Thu, Mar 5"),
        (DAY + 0.604861, "d.m.yy h:mm", "5.3.26 14:31"),
        (DAY + 0.604861, "h:mm AM/PM", "2:31 PM"),
        (DAY, "mmm yyyy", "Mar 2026"),
        (30.25 / 24, "[h]:mm", "30:15"),
        (90 / 86400, "mm:ss", "01:30"),
        (True, "General", "TRUE"),
    ],
)
def test_values_are_shown_as_the_sheet_shows_them(value: Any, code: str, text: str) -> None:
    workbook, sheet = book(("City", "Value", "Note"), ("Vienna", value, "x"))
    sheet["B2"].number_format = code
    assert said(workbook) == f"Vienna: Value {text}, Note x"


@pytest.mark.parametrize(
    "code", ['"', "[", "\\", "0.0.0", "yyyy;@;[", ";;;", "#" * 300, "[$", "E+0", "0" * 200 + "." + "0" * 50]
)
@pytest.mark.parametrize("number", [0.0, -1.5, 1e300, -1e300, 5e-324, float("inf"), float("nan")])
def test_no_format_breaks_a_number(number: float, code: str) -> None:
    assert isinstance(shown(number, code), str)


def test_the_1904_calendar_is_kept() -> None:
    assert shown(44567, "yyyy-mm-dd", since_1904=True) == "2026-01-07"


def test_hidden_sheets_rows_and_columns_are_left_out() -> None:
    workbook, sheet = book(
        ("City", "Rate", "Secret"), ("Vienna", 190, "x1"), ("Atlantis", 1, "x2"), ("Graz", 150, "x3")
    )
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["C"].hidden = True
    workbook.create_sheet("Old").append(["gone"])
    workbook["Old"].sheet_state = "hidden"
    assert said(workbook) == "Vienna: Rate 190\nGraz: Rate 150"
    assert read(workbook).flags == (HIDDEN_FLAG,)


def test_white_letters_are_hidden_on_white_only() -> None:
    workbook, sheet = book(("City", "Rate"), ("Vienna", 190), ("Graz", 150), ("SECRET", 0))
    white = Font(color="FFFFFFFF", bold=True)
    for cell in (*sheet[1], *sheet[4]):
        cell.font = white
    for cell in sheet[1]:
        cell.fill = PatternFill("solid", fgColor="FF1F3864")
    assert said(workbook) == "Vienna: Rate 190\nGraz: Rate 150"
    assert read(workbook).flags == (HIDDEN_FLAG,)


def test_struck_out_cells_no_longer_hold_and_links_lead_somewhere() -> None:
    workbook, sheet = book(("City", "Rate"), ("Vienna", 190), ("Graz", "see page"))
    sheet["B2"].font = Font(strike=True)
    sheet["B3"].hyperlink = "https://example.com/graz"
    document = read(workbook)
    assert said(workbook) == "Vienna\nGraz: Rate see page"
    shown = rendered(document.sections[0].blocks).markdown
    assert "~~190~~" in shown
    assert "[see page](https://example.com/graz)" in shown


def test_a_formula_without_a_result_is_named() -> None:
    workbook, _ = book(*RATES, ("Sum", "=SUM(B2:B3)"))
    assert read(workbook).flags == (NO_RESULTS_FLAG,)


def test_text_boxes_and_pictures_above_the_cells_are_read() -> None:
    out = io.BytesIO()
    workbook = xlsxwriter.Workbook(out)
    sheet = workbook.add_worksheet("Rates")
    for number, row in enumerate(RATES):
        sheet.write_row(number, 0, row)
    sheet.insert_textbox("D1", "Ask travel@example.com first.")
    workbook.close()
    document = XlsxParser().parse(out.getvalue(), "rates.xlsx")
    assert [section.text for section in document.sections] == [
        "Vienna: Hotel allowance 190\nGraz: Hotel allowance 150",
        "Ask travel@example.com first.",
    ]


def test_charts_of_a_sheet_are_left_to_their_cells() -> None:
    workbook, sheet = book(*RATES)
    chart = BarChart()
    chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3), titles_from_data=True)
    sheet.add_chart(chart, "D1")
    assert said(workbook) == "Vienna: Hotel allowance 190\nGraz: Hotel allowance 150"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_delimited_text_of_any_kind_is_read(parsers: Mapping[str, Parser], delimiter: str, encoding: str) -> None:
    rows = (("Straße", "Satz, netto"), ("Köln; Mitte", "190,50"), ("Größ\tlich", 'der "Rest"'), ("Bühl", "1|2"))
    lines = (delimiter.join(f'"{cell.replace(chr(34), 2 * chr(34))}"' for cell in row) for row in rows)
    document = parse("\r\n".join(lines).encode(encoding), "sätze.csv", parsers)
    assert document.sections[0].text == (
        'Köln; Mitte: Satz, netto 190,50\nGröß lich: Satz, netto der "Rest"\nBühl: Satz, netto 1|2'
    ).replace("Größ lich", "Größ\tlich")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Vienna,190\nGraz,150\n", "Vienna | 190\nGraz | 150"),
        ("city,rate\nVienna,190\n", "Vienna: rate 190"),
        ("sep=;\ncity;rate\nVienna;190,5\n", "Vienna: rate 190,5"),
        ("name\nAda\nGrace\n", "name\n\nAda\n\nGrace"),
        ('city,note\nVienna,"two\nlines"\n', "Vienna: note two lines"),
        ("city;price\nVienna;1,50\nGraz;2,70\n", "Vienna: price 1,50\nGraz: price 2,70"),
        ('a,b\nx,"lost\n' + "y" * 200_000, "x: b lost " + "y" * 200_000),
        ("a,b\n1,2,3\n4\n", "1: b 2, 3\n4"),
    ],
)
def test_the_first_row_names_columns_unless_it_holds_values(text: str, expected: str) -> None:
    (section,) = CsvParser().parse(text.encode(), "a.csv").sections
    assert section.text == expected


def test_raised_digits_are_no_part_of_the_number_before(excel: Callable[..., bytes]) -> None:
    up = '<s:r><s:rPr><s:vertAlign val="superscript"/></s:rPr><s:t>1</s:t></s:r>'
    cell = f'<s:c r="A1" t="inlineStr"><s:is><s:r><s:t>30</s:t></s:r>{up}<s:r><s:t> days</s:t></s:r></s:is></s:c>'
    data = excel(f'<s:sheetData><s:row r="1">{cell}</s:row></s:sheetData>')
    assert [section.text for section in XlsxParser().parse(data, "a.xlsx").sections] == ["30¹ days"]


def test_titles_above_the_header_of_delimited_text_are_texts() -> None:
    document = CsvParser().parse(b"Rates 2026\n\nCity,Days\nRome,5\n", "rates.csv")
    assert document.sections[0].text == "Rates 2026\n\nRome: Days 5"
