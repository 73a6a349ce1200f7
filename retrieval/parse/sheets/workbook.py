"""Excel workbooks: their sheets, and the cells of a sheet as people see them."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Span
from retrieval.parse.grids import MAX_CELLS, too_many_cells
from retrieval.parse.lines import safe_link
from retrieval.parse.ooxml.number_formats import GENERAL, plain, shown
from retrieval.parse.ooxml.package import R, S
from retrieval.parse.sheets.styles import CellStyle, cell_styles, in_place, run_style
from retrieval.parse.text import HIDDEN_FLAG, INVISIBLE_FLAG, clean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Line
    from retrieval.parse.ooxml.package import Package

NO_RESULTS_FLAG = "formulas without results left out"
MAX_MERGED = 200_000
"""Cells of a sheet that merged cells cover at most; further ones stay empty."""

_PLACE = re.compile(r"\$?([A-Z]{1,3})\$?([0-9]{1,7})")
_HYPERLINK = re.compile(r'HYPERLINK\("([^"]{1,2000})"')
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_TRUE = ("1", "true")
_PLAIN = CellStyle()

Place = tuple[int, int]
"""Row and column, from 1."""


@dataclass(frozen=True, slots=True)
class Range:
    """A rectangle of cells, its edges included."""

    top: int
    left: int
    bottom: int
    right: int

    def __contains__(self, place: Place) -> bool:
        return self.top <= place[0] <= self.bottom and self.left <= place[1] <= self.right


@dataclass(frozen=True, slots=True)
class NamedTable:
    """A table that the author made one, with its header's rows."""

    range: Range
    headers: int


@dataclass
class Sheet:
    """What is seen of a sheet.

    :param cells: texts by place.
    :param merged: the first cell of the range that a cell belongs to.
    """

    name: str
    path: str
    cells: dict[Place, Line] = field(default_factory=dict)
    merged: dict[Place, Place] = field(default_factory=dict)
    tables: list[NamedTable] = field(default_factory=list)


@dataclass
class Workbook:
    """An open workbook."""

    package: Package
    flags: dict[str, None] = field(default_factory=dict)
    _cells: int = 0

    def __post_init__(self) -> None:
        main = self.package.main
        self._root = self.package.part(main)
        styles = self.package.related(main, "styles")
        found = cell_styles(self.package.part(styles[0]) if styles else None)
        self._styles = {str(number): style for number, style in enumerate(found)}
        self._strings = [each for path in self.package.related(main, "sharedStrings") for each in self._shared(path)]
        properties = None if self._root is None else self._root.find(f"{S}workbookPr")
        self._since_1904 = properties is not None and properties.get("date1904") in _TRUE

    def sheets(self) -> Iterator[Sheet]:
        """Yield the sheets that aren't hidden, in their order."""
        relations = self.package.relations(self.package.main)
        for each in () if self._root is None else self._root.findall(f"{S}sheets/{S}sheet"):
            target = relations.get(each.get(f"{R}id", ""))
            if target is None or target.external:
                continue
            if each.get("state", "visible") != "visible":
                self.flags[HIDDEN_FLAG] = None
                continue
            sheet = Sheet(self._clean(each.get("name", "")), target.target)
            if target.kind == "worksheet":
                self._read(sheet)
            yield sheet

    def _read(self, sheet: Sheet) -> None:
        reader = _SheetReader(self, sheet)
        for element in self.package.elements(sheet.path, f"{S}row", f"{S}cols", f"{S}sheetFormatPr", *_AFTER_ROWS):
            reader.add(element)
        self._add_tables(sheet)
        reader.finish()

    def _add_tables(self, sheet: Sheet) -> None:
        for path in self.package.related(sheet.path, "table"):
            root = self.package.part(path)
            area = None if root is None else range_of(root.get("ref", ""))
            if root is not None and area is not None:
                headers = root.get("headerRowCount", "1")
                sheet.tables.append(NamedTable(area, int(headers) if headers.isdecimal() else 1))

    def count(self, sheet: Sheet) -> None:
        """Count a cell.

        :raises DocumentError: there are too many.
        """
        self._cells += 1
        if self._cells > MAX_CELLS:
            raise too_many_cells(f"{self.package.name}, sheet {sheet.name},")

    def style(self, cell: Element) -> CellStyle:
        return self._styles.get(cell.get("s", "0"), _PLAIN)

    def line_of(self, cell: Element, style: CellStyle) -> Line:
        """Return what a cell shows."""
        kind, found = cell.get("t", "n"), cell.find(f"{S}v")
        said = "" if found is None else found.text or ""
        if kind == "inlineStr":
            inline = cell.find(f"{S}is")
            return () if inline is None else self._rich(inline, style)
        if kind == "s":
            line = self._strings[int(said)] if said.isdecimal() and int(said) < len(self._strings) else ()
            return tuple(Span(span.text, span.style or style.style) for span in line) if style.style else line
        if kind == "d":
            said = said.removesuffix("T00:00:00")
        elif kind == "b":
            said = "TRUE" if said == "1" else "FALSE"
        elif kind == "n" and said:
            said = self._number(said, style.code)
        elif not said and cell.find(f"{S}f") is not None:
            self.flags[NO_RESULTS_FLAG] = None
        text = self._clean(said)
        return (Span(text, style.style),) if text.strip() else ()

    def _number(self, said: str, code: str) -> str:
        try:
            number = float(said)
            return plain(number) if code == GENERAL else shown(number, code, since_1904=self._since_1904)
        except (ValueError, OverflowError):
            return said

    def _shared(self, path: str) -> Iterator[Line]:
        for each in self.package.elements(path, f"{S}si"):
            yield self._rich(each, _PLAIN)

    def _rich(self, element: Element, style: CellStyle) -> Line:
        """Return a text with its styles, without the reading aids of East Asian words."""
        spans = []
        for each in element:
            if each.tag == f"{S}t":
                spans.append(Span(self._clean(each.text or ""), style.style))
            elif each.tag == f"{S}r":
                text = "".join(part.text or "" for part in each.findall(f"{S}t"))
                properties = each.find(f"{S}rPr")
                spans.append(Span(in_place(self._clean(text), properties), run_style(properties) or style.style))
        return tuple(span for span in spans if span.text)

    def _clean(self, text: str) -> str:
        if "_x" in text:
            text = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)
        text, flags = clean(text)
        if flags:
            self.flags[INVISIBLE_FLAG] = None
        return text


_AFTER_ROWS = (f"{S}mergeCell", f"{S}hyperlink", f"{S}conditionalFormatting")


class _SheetReader:
    """Collects the cells of a sheet, element by element."""

    def __init__(self, workbook: Workbook, sheet: Sheet) -> None:
        self._workbook = workbook
        self._sheet = sheet
        self._relations = workbook.package.relations(sheet.path)
        self._hidden_columns: list[tuple[int, int]] = []
        self._rows_hidden = False
        self._row = 0
        self._unseen: list[Place] = []
        self._coloured = False

    def add(self, element: Element) -> None:
        """Add an element of the sheet."""
        match element.tag.removeprefix(S):
            case "row":
                self._add_row(element)
            case "cols":
                self._hidden_columns = [_columns(each) for each in element if each.get("hidden") in _TRUE]
            case "sheetFormatPr":
                self._rows_hidden = element.get("zeroHeight") in _TRUE
            case "mergeCell":
                self._merge(element)
            case "hyperlink":
                self._link(element)
            case _:
                self._coloured = True

    def finish(self) -> None:
        """Leave out what can't be seen, now that it is known which cells a table or a rule colours."""
        tables = self._sheet.tables
        for place in self._unseen:
            if not self._coloured and not any(place in table.range for table in tables):
                self._sheet.cells.pop(place, None)
                self._workbook.flags[HIDDEN_FLAG] = None

    def _add_row(self, row: Element) -> None:
        said = row.get("r", "")
        self._row = int(said) if said.isdecimal() else self._row + 1
        hidden = row.get("hidden") in _TRUE or (self._rows_hidden and "hidden" not in row.attrib)
        column = 0
        for cell in row.iterfind(f"{S}c"):
            place = place_of(cell.get("r", ""))
            column = place[1] if place else column + 1
            style = self._workbook.style(cell)
            line = self._workbook.line_of(cell, style)
            if not line:
                continue
            self._workbook.count(self._sheet)
            if hidden or any(first <= column <= last for first, last in self._hidden_columns):
                self._workbook.flags[HIDDEN_FLAG] = None
                continue
            if style.hidden:
                self._unseen.append((self._row, column))
            self._sheet.cells[self._row, column] = self._linked(line, cell)

    def _linked(self, line: Line, cell: Element) -> Line:
        formula = cell.find(f"{S}f")
        found = _HYPERLINK.search(formula.text) if formula is not None and formula.text else None
        return _with_link(line, safe_link(found[1])) if found else line

    def _merge(self, element: Element) -> None:
        area = range_of(element.get("ref", ""))
        if area is None:
            return
        rows, columns = area.bottom - area.top + 1, area.right - area.left + 1
        if len(self._sheet.merged) + rows * columns <= MAX_MERGED:
            places = [(area.top + row, area.left + column) for row in range(rows) for column in range(columns)]
            self._sheet.merged |= dict.fromkeys(places, (area.top, area.left))

    def _link(self, element: Element) -> None:
        place = place_of(element.get("ref", ""))
        target = self._relations.get(element.get(f"{R}id", ""))
        if place in self._sheet.cells and target is not None and target.external:
            self._sheet.cells[place] = _with_link(self._sheet.cells[place], safe_link(target.target))


def place_of(said: str) -> Place | None:
    """Return the place that a reference such as ``B7`` names."""
    match = _PLACE.match(said)
    if match is None:
        return None
    column = 0
    for letter in match[1]:
        column = 26 * column + ord(letter) - ord("A") + 1
    return int(match[2]), column


def range_of(said: str) -> Range | None:
    """Return the range that a reference such as ``A1:C9`` names."""
    first, _, last = said.partition(":")
    start, end = place_of(first), place_of(last or first)
    return Range(*start, *end) if start and end else None


def _columns(element: Element) -> tuple[int, int]:
    with suppress(ValueError):
        return int(element.get("min", "")), int(element.get("max", ""))
    return 0, -1


def _with_link(line: Line, link: str) -> Line:
    return tuple(Span(span.text, span.style, link) for span in line)
