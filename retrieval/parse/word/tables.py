"""Tables of Word documents: rows and columns with merged cells, and which rows are headers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Table, words
from retrieval.parse.grids import MAX_CELLS, MAX_COLUMNS, header_rows, merged_header, shortened, too_many_cells
from retrieval.parse.ooxml.package import W
from retrieval.parse.word.inline import DELETED
from retrieval.parse.word.styles import int_of, is_on, shaded, value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Block, Line
    from retrieval.parse.formats.visibility import Look
    from retrieval.parse.word.document import WordFile
    from retrieval.parse.word.styles import Styles

_BITS = re.compile(r"[0-9A-Fa-f]{1,8}")
_FIRST_ROW = 0x20  # bit of w:tblLook


@dataclass(frozen=True, slots=True)
class _Row:
    cells: tuple[Line, ...]
    header: bool


class TableReader:
    """Reads tables.

    :param line_of: returns what a cell says, given what is behind it.
    """

    def __init__(self, file: WordFile, line_of: Callable[[Element, Look], Line]) -> None:
        self._file = file
        self._line_of = line_of

    def in_order(self, table: Element, behind: Look) -> Iterator[tuple[Element, Look]]:
        """Yield the cells of a table that only arranges text, each with what is behind it."""
        behind = self._behind(table, behind)
        for row in rows_of(table):
            for cell in _within(row, f"{W}tc"):
                yield cell, shaded(cell.find(f"{W}tcPr"), behind)

    def read(self, table: Element, behind: Look) -> Sequence[Block]:
        """Return a table, or nothing if it has no text.

        :raises DocumentError: it has too many cells.
        """
        behind = self._behind(table, behind)
        if sum(1 for _ in table.iter(f"{W}tc")) > MAX_CELLS:
            raise too_many_cells(self._file.package.name)
        rows: list[_Row] = []
        for row in rows_of(table):
            cells = tuple(self._cells(row, behind, rows[-1].cells if rows else ()))
            self._file.count_cells(len(cells))
            rows.append(_Row(cells, _is_on(row.find(f"{W}trPr"), "tblHeader")))
        if not any(words(cell).strip() for row in rows for cell in row.cells):
            return []
        count = _header_rows(rows, table)
        header = merged_header([row.cells for row in rows[:count]])
        return [Table(header, tuple(row.cells for row in rows[count:]))]

    def _behind(self, table: Element, behind: Look) -> Look:
        properties = table.find(f"{W}tblPr")
        style = value(table.find(f"{W}tblPr/{W}tblStyle"))
        return self._file.styles.behind_cells(style, shaded(properties, behind))

    def _cells(self, row: Element, behind: Look, above: Sequence[Line]) -> Iterator[Line]:
        column = 0
        properties = row.find(f"{W}trPr")
        for _ in range(_columns(properties, "gridBefore", default=0)):
            column += 1
            yield ()
        for cell in _within(row, f"{W}tc"):
            own = cell.find(f"{W}tcPr")
            if _continues(own, "vMerge") and column < len(above):
                line = shortened(above[column])
            else:
                line = self._line_of(cell, shaded(own, behind))
            across = _columns(own, "gridSpan", default=1)
            for number in range(max(across, 1)):
                column += 1
                yield line if number == 0 else shortened(line)
            if column > MAX_COLUMNS:
                raise too_many_cells(self._file.package.name)


def is_layout(table: Element, styles: Styles) -> bool:
    """Return whether a table only arranges text: it has one cell, or holds headings."""
    cells = [cell for row in rows_of(table) for cell in _within(row, f"{W}tc")]
    if len(cells) == 1:
        return True
    return any(styles.heading(each.find(f"{W}pPr")) is not None for each in table.iter(f"{W}p"))


def rows_of(table: Element) -> Iterator[Element]:
    """Yield a table's rows without deleted and hidden ones."""
    for row in _within(table, f"{W}tr"):
        properties = row.find(f"{W}trPr")
        deleted = properties is not None and properties.find(f"{W}del") is not None
        if not deleted and not _is_on(properties, "hidden"):
            yield row


def _within(element: Element, tag: str) -> Iterator[Element]:
    """Yield elements, also those in content controls and other wrappers."""
    for child in element:
        if child.tag == tag:
            yield child
        elif child.tag not in DELETED and not child.tag.endswith("Pr") and child.tag != f"{W}p":
            yield from _within(child, tag)


def _is_on(properties: Element | None, name: str) -> bool:
    found = None if properties is None else properties.find(f"{W}{name}")
    return found is not None and is_on(value(found, "on"))


def _continues(properties: Element | None, name: str) -> bool:
    """Return whether a cell belongs to that above it."""
    found = None if properties is None else properties.find(f"{W}{name}")
    return found is not None and value(found, "continue") == "continue"


def _columns(properties: Element | None, name: str, default: int) -> int:
    found = None if properties is None else properties.find(f"{W}{name}")
    return min(int_of(found, default), MAX_COLUMNS + 1)


def _header_rows(rows: Sequence[_Row], table: Element) -> int:
    """Return how many rows from the top are headers; a table of headers alone has none."""
    count = 0
    while count < len(rows) and rows[count].header:
        count += 1
    if count == len(rows):
        return 0
    return count or header_rows([row.cells for row in rows], marked=_marks_first_row(table))


def _marks_first_row(table: Element) -> bool:
    """Return whether the table's style sets the first row apart, and it is not just the default one."""
    look = table.find(f"{W}tblPr/{W}tblLook")
    if look is None or value(table.find(f"{W}tblPr/{W}tblStyle")) in ("", "TableGrid", "TableNormal"):
        return False
    bits = value(look, "0")
    return is_on(look.get(f"{W}firstRow")) or bool(_BITS.fullmatch(bits) and int(bits, 16) & _FIRST_ROW)
