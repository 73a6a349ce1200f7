"""What a sheet says: its tables with their titles and headers, and the texts around them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Paragraph, Table, words
from retrieval.parse.grids import (
    LONGEST_NAME,
    MAX_COLUMNS,
    header_rows,
    looks_like_header,
    merged_header,
    shortened,
    too_many_cells,
)
from retrieval.parse.sheets.workbook import Range

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bot.domain.documents.blocks import Block, Line
    from retrieval.parse.sheets.workbook import Place, Sheet

ByRow = dict[int, dict[int, "Line"]]
"""Cells by row and column."""

LOOKED_AT = 50
"""Rows by which a table is told to have a header."""

PREFACE = 8
"""Rows above a header at most."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a sheet that stands by itself: a table or some text.

    :param title: the text above it.
    """

    title: str
    blocks: tuple[Block, ...]


def regions(sheet: Sheet, name: str) -> list[Region]:
    """Return what a sheet says, from top to bottom.

    :raises DocumentError: it is too wide.
    """
    for place, first in sheet.merged.items():
        if place != first and first in sheet.cells:
            sheet.cells[place] = shortened(sheet.cells[first])
    found: list[tuple[Place, Region]] = []
    rest = _by_row(sheet.cells)
    for table in sheet.tables:
        area = table.range
        rows = [row.cells for row in _rows(sheet, _taken(rest, area), name)]
        found.append(((area.top, area.left), Region("", tuple(table_of(rows, table.headers)))))
    areas = _areas(sheet, rest, name)
    found += [((area.top, area.left), _region(_rows(sheet, _within(rest, area), name))) for area in areas]
    return _titled([region for _, region in sorted(found, key=lambda each: each[0])])


def _titled(found: Sequence[Region]) -> list[Region]:
    """Return regions, with a single short text above a table as its title."""
    kept: list[Region] = []
    for region in found:
        last = kept[-1] if kept else None
        lone = last.blocks[0] if last and len(last.blocks) == 1 and not last.title else None
        title = " ".join(words(lone.line).split()) if isinstance(lone, Paragraph) else ""
        if title and len(title) <= LONGEST_NAME and not region.title and isinstance(region.blocks[-1], Table):
            kept[-1] = Region(title, region.blocks)
        else:
            kept.append(region)
    return kept


def table_of(rows: Sequence[Sequence[Line]], headers: int) -> Iterator[Block]:
    """Yield rows as a table, or as paragraphs if they have one column.

    :param headers: how many rows from the top are headers.
    """
    width = max(map(len, rows), default=0)
    if width == 1:
        yield from (Paragraph(row[0]) for row in rows if words(row[0]).strip())
    elif any(words(cell).strip() for row in rows for cell in row):
        count = headers if headers < len(rows) else 0
        yield Table(merged_header(rows[:count]), tuple((*row, *[()] * (width - len(row))) for row in rows[count:]))


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a region.

    :param single: whether it is one cell, alone or merged across the others.
    """

    cells: Sequence[Line]
    single: bool


def _by_row(cells: Mapping[Place, Line]) -> ByRow:
    by_row: defaultdict[int, dict[int, Line]] = defaultdict(dict)
    for (row, column), line in cells.items():
        by_row[row][column] = line
    return by_row


def _within(cells: ByRow, area: Range) -> ByRow:
    """Return the cells of an area."""
    found: ByRow = {}
    for row in range(area.top, area.bottom + 1):
        if inside := {column: line for column, line in cells.get(row, {}).items() if area.left <= column <= area.right}:
            found[row] = inside
    return found


def _taken(cells: ByRow, area: Range) -> ByRow:
    """Return the cells of an area, and take them out."""
    found = _within(cells, area)
    for row, inside in found.items():
        cells[row] = {column: line for column, line in cells[row].items() if column not in inside}
    return found


def _rows(sheet: Sheet, by_row: ByRow, name: str) -> list[_Row]:
    """Return the rows of an area that have text."""
    columns = sorted({column for row in by_row.values() for column in row})
    if len(columns) > MAX_COLUMNS:
        raise too_many_cells(f"{name}, sheet {sheet.name},")
    rows = []
    for number in sorted(by_row):
        filled = by_row[number]
        origins = [sheet.merged.get((number, column), (number, column)) for column in filled]
        single = len(set(origins)) == 1
        kept = [min(filled)] if single else columns
        shown = [filled.get(column, ()) if column in kept else () for column in columns]
        rows.append(_Row(shown, single))
    return rows


def _region(rows: Sequence[_Row]) -> Region:
    """Return a table with what stands above it, or texts."""
    if not rows or len(rows[0].cells) == 1:
        return Region("", tuple(table_of([row.cells for row in rows], 0)))
    start = next((n for n, row in enumerate(rows) if not row.single), len(rows))
    titles = [next(cell for cell in row.cells if cell) for row in rows[:start]]
    title = " ".join(words(titles[0]).split()) if titles and start < len(rows) else ""
    if len(title) > LONGEST_NAME:
        title = ""
    texts = [Paragraph(line) for line in titles[bool(title) :]]
    body = rows[start:]
    header = next((n for n in range(min(PREFACE, len(body))) if looks_like_header(_cells(body[n:]))), 0)
    count = header_rows(_cells(body[header:]))
    above = table_of(_cells(body[:header]), 0) if count else ()
    below = table_of(_cells(body[header if count else 0 :]), count)
    return Region(title, (*texts, *above, *below))


def _cells(rows: Sequence[_Row]) -> list[Sequence[Line]]:
    return [row.cells for row in rows]


def _areas(sheet: Sheet, cells: ByRow, name: str) -> list[Range]:
    """Return the areas of a sheet that empty rows, or empty columns between tables, separate."""
    areas: list[Range] = []
    band: list[int] = []
    for row in (*sorted(row for row in cells if cells[row]), 0):
        if band and row != band[-1] + 1:
            found = _side_by_side(band, cells)
            if len(found) == 1 and areas and _goes_on(sheet, cells, areas[-1], found[0], name):
                last = areas.pop()
                found = [Range(last.top, last.left, found[0].bottom, last.right)]
            areas += found
            band = []
        band.append(row)
    return areas


def _side_by_side(band: Sequence[int], by_row: ByRow) -> list[Range]:
    """Return the tables of consecutive rows: an empty column separates two that have two columns or more."""
    used = sorted({column for row in band for column in by_row[row]})
    groups: list[list[int]] = []
    for column in used:
        if groups and column == groups[-1][-1] + 1:
            groups[-1].append(column)
        else:
            groups.append([column])
    if min(map(len, groups)) == 1:
        groups = [used]
    return [Range(band[0], group[0], band[-1], group[-1]) for group in groups]


def _goes_on(sheet: Sheet, cells: ByRow, above: Range, below: Range, name: str) -> bool:
    """Return whether rows after an empty one belong to the table above: they have its columns and no header."""
    if below.left < above.left or below.right > above.right or below.left == below.right:
        return False
    top = Range(above.top, above.left, min(above.bottom, above.top + LOOKED_AT), above.right)
    first = _rows(sheet, _within(cells, top), name)
    if not any(looks_like_header(_cells(first[n:])) for n in range(min(PREFACE, len(first)))):
        return False
    rows = _rows(sheet, _within(cells, below), name)
    return not rows[0].single and not looks_like_header(_cells(rows))
