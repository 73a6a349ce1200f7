"""Tables of HTML: rows and columns with their spans, and which of them are headers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from bot.domain.documents.blocks import Table
from retrieval.parse.grids import MAX_CELLS, MAX_COLUMNS, merged_header, shortened, too_many_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from selectolax.lexbor import LexborNode

    from bot.domain.documents.blocks import Line

_P = TypeVar("_P")
"""What surrounds a cell."""

_PARTS = {"thead": 0, "tfoot": 2}
_NUMBERS = re.compile(r"[\d\s]*+")
_CODE = re.compile(r"(?:^|[\s_-])code(?:$|[\s_-])")
_LAYOUT = "table, h1, h2, h3, h4, h5, h6"


def is_layout(table: LexborNode) -> bool:
    """Return whether a table only arranges a page: it holds headings or tables and no header cells."""
    inner = any(node.mem_id != table.mem_id for node in table.css(_LAYOUT))
    return inner and table.css_first("th") is None


def code_cells(table: LexborNode) -> list[LexborNode]:
    """Return the cells with code of a table that only puts numbers before its lines; nothing for other tables."""
    found = []
    for row in rows_of(table):
        cells = _cells(row)
        if not cells or any(cell.tag == "th" or not _NUMBERS.fullmatch(cell.text()) for cell in cells[:-1]):
            return []
        code = cells[-1]
        if not _CODE.search(code.attributes.get("class") or "") and code.css_first("pre") is None:
            return []
        found.append(code)
    return found


def rows_of(table: LexborNode) -> list[LexborNode]:
    """Return a table's rows in the order in which they are shown, without those of tables in it."""
    own = [row for row in table.css("tr") if _owner(row) == table.mem_id]
    return sorted(own, key=lambda row: _PARTS.get((row.parent.tag if row.parent is not None else None) or "", 1))


def read_table(
    rows: Sequence[tuple[LexborNode, _P]], line_of: Callable[[LexborNode, _P], Line], caption: str, name: str
) -> Table:
    """Read a table.

    :param rows: its rows, each with what surrounds its cells.
    :param line_of: returns the text of a cell as a reader sees it.
    :raises DocumentError: it has too many cells.
    """
    grid, headers = _grid(rows, line_of, name)
    count = _header_rows(headers)
    return Table(merged_header(grid[:count]), tuple(map(tuple, grid[count:])), caption)


def _owner(row: LexborNode) -> int:
    node = row.parent
    while node is not None and node.tag != "table":
        node = node.parent
    return node.mem_id if node is not None else 0


def _cells(row: LexborNode) -> list[LexborNode]:
    return [each for each in row.iter() if each.tag in ("td", "th")]


def _grid(
    rows: Sequence[tuple[LexborNode, _P]], line_of: Callable[[LexborNode, _P], Line], name: str
) -> tuple[list[list[Line]], list[list[bool]]]:
    """Return the cells by row and column, each in every place that it spans, and which are header cells."""
    waiting: dict[int, tuple[int, Line, bool]] = {}  # by column: a cell that goes on for some rows
    grid: list[list[Line]] = []
    headers: list[list[bool]] = []
    cells = part = 0
    for row, place in rows:
        parent = row.parent
        if parent is not None and parent.mem_id != part:
            waiting, part = {}, parent.mem_id  # a cell spans rows of its part of the table only
        line: list[Line] = []
        heads: list[bool] = []
        in_head = parent is not None and parent.tag == "thead"
        for cell in _cells(row):
            _take_waiting(waiting, line, heads)
            text, head = line_of(cell, place), cell.tag == "th" or in_head
            down, across = _span(cell, "rowspan", len(rows)), _span(cell, "colspan", MAX_COLUMNS)
            for number in range(across):
                shown = text if number == 0 else shortened(text)
                if down > 1:
                    waiting[len(line)] = (down - 1, shortened(text), head)
                line.append(shown)
                heads.append(head)
        _take_waiting(waiting, line, heads)
        cells += len(line)
        if cells > MAX_CELLS or len(line) > MAX_COLUMNS:
            raise too_many_cells(name)
        grid.append(line)
        headers.append(heads)
    return grid, headers


def _take_waiting(waiting: dict[int, tuple[int, Line, bool]], line: list[Line], heads: list[bool]) -> None:
    while len(line) in waiting:
        left, text, head = waiting.pop(len(line))
        if left > 1:
            waiting[len(line)] = (left - 1, text, head)
        line.append(text)
        heads.append(head)


def _header_rows(headers: Sequence[Sequence[bool]]) -> int:
    """Return how many rows from the top are headers; a table of headers alone has none."""
    count = 0
    while count < len(headers) and headers[count] and all(headers[count]):
        count += 1
    return count if count < len(headers) else 0


def _span(cell: LexborNode, attribute: str, limit: int) -> int:
    value = (cell.attributes.get(attribute) or "").strip()
    if not value.isascii() or not value.isdigit():
        return 1
    if value.strip("0") == "":
        return limit if attribute == "rowspan" else 1  # rowspan="0" goes to the end of the table
    return min(int(value[:6]), limit)
