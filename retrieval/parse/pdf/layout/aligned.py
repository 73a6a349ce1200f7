"""Tables without rules: rows whose cells begin or end below each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from retrieval.parse.pdf.geometry import Box, around
from retrieval.parse.pdf.layout.grids import Cell, Grid, header_rows
from retrieval.parse.pdf.layout.lines import Line, parted, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.parse.pdf.geometry import Rule, Sheet

MAX_COLUMNS = 40

_GAP = 2.6
_LEADING = 1.22
_WORDS = 14
_FILLED = 0.35
_LEADERS = re.compile(r"[.…·_\s]{3,}")


@dataclass(frozen=True, slots=True)
class _Row:
    """Lines side by side, and the column in which each stands."""

    lines: tuple[Line, ...]

    @property
    def box(self) -> Box:
        return around(line.box for line in self.lines)


def with_tables(flow: Sequence[Line | Grid], sheet: Sheet) -> list[Line | Grid]:
    """Return a column of a page with the rows that are a table put together as one."""
    out: list[Line | Grid] = []
    rows = rows_of(flow)
    start = 0
    while start < len(rows):
        run = _run(rows, start)
        table = _table(run, sheet) if len(run) > 1 else None
        if table is None:
            out += rows[start]
            start += 1
        else:
            out.append(table)
            start += len(run)
    return out


def _run(rows: Sequence[Sequence[Line | Grid]], start: int) -> list[_Row]:
    """Return the rows from ``start`` on that could be one table."""
    run: list[_Row] = []
    for number in range(start, len(rows)):
        lines = [line for line in rows[number] if isinstance(line, Line)]
        if len(lines) < len(rows[number]) or (not run and len(lines) < 2):
            break
        row = _Row(tuple(lines))
        if run:
            gap = row.box.top - max(each.box.bottom for each in run[-2:])
            size = max(line.type.size for line in lines)
            if gap > _GAP * size or (len(lines) == 1 and not _continues(lines[0], run, gap)):
                break
        run.append(row)
    return run


def _continues(line: Line, run: Sequence[_Row], gap: float) -> bool:
    """Return whether a lone line is the rest of a cell: close to the row before it, and within one column."""
    above = [row.lines for row in run[-3:] if len(row.lines) > 1]
    touched = [[c for c in cells if c.box.left < line.box.right and line.box.left < c.box.right] for cells in above]
    if gap > 0.5 * line.type.size or any(len(cells) > 1 for cells in touched):
        return False
    near = 0.6 * line.type.size
    return any(
        abs(cell.box.left - line.box.left) < near or abs(cell.box.centre[0] - line.box.centre[0]) < near
        for cells in touched
        for cell in cells
    )


def _table(run: Sequence[_Row], sheet: Sheet) -> Grid | None:
    """Return a table; ``None`` if the rows don't stand in columns."""
    if all(line.mono for row in run for line in row.lines):
        return None  # code, whose white space says as much
    columns = _columns(run)
    full = sum(len(row.lines) > 1 for row in run)
    if not 2 <= len(columns) <= MAX_COLUMNS or full < (3 if len(columns) == 2 else 2):
        return None
    placed = [_placed(row, columns) for row in run]
    if any(cells is None for cells in placed):
        return None
    grid = _merged_rows(run, [cells for cells in placed if cells is not None], sheet)
    cells = [cell for row in grid for cell in row if cell]
    if len(grid) < 2 or len(cells) < _FILLED * len(grid) * len(columns):
        return None
    if sum(len(line.words) for cell in cells for line in cell) > _WORDS * len(cells):
        return None
    box = around(row.box for row in run)
    filled = _filled_down(grid)
    heads = max(header_rows(filled, sheet.areas), _above_rule(filled, sheet.rules, box))
    return Grid(tuple(filled), heads, box, tuple(left for left, _ in columns))


def _columns(run: Sequence[_Row]) -> list[tuple[float, float]]:
    """Return where columns begin and end, by the rows that have the most cells."""
    counts = [len(row.lines) for row in run]
    most = max(count for count in counts if counts.count(count) > 1 or count == max(counts))
    common = max((c for c in set(counts) if c > 1), key=lambda c: (counts.count(c) * c, c))
    chosen = [row for row in run if len(row.lines) >= (most if counts.count(most) > len(run) // 4 else common)]
    spread: list[tuple[float, float]] = []
    for line in sorted((line for row in chosen for line in row.lines), key=lambda each: each.box.left):
        if spread and line.box.left < spread[-1][1]:
            spread[-1] = spread[-1][0], max(spread[-1][1], line.box.right)
        else:
            spread.append((line.box.left, line.box.right))
    return spread


def _placed(row: _Row, columns: Sequence[tuple[float, float]]) -> list[Cell] | None:
    """Return the cells of a row; a line over several columns counts in each of them."""
    cells: list[Cell] = [() for _ in columns]
    for line in (part for whole in row.lines for part in parted(whole, columns)):
        box = line.box
        over = [n for n, (left, right) in enumerate(columns) if left < box.right and box.left < right]
        if not over:
            over = [min(range(len(columns)), key=lambda n: abs(sum(columns[n]) / 2 - box.centre[0]))]
        if len(over) == len(columns) and len(row.lines) == 1:
            return None
        for number in over:
            cells[number] = (*cells[number], line)
    return cells


def _merged_rows(run: Sequence[_Row], placed: Sequence[list[Cell]], sheet: Sheet) -> list[list[Cell]]:
    """Put the lines of cells that go over several lines together."""
    pitches = [after.box.bottom - before.box.bottom for before, after in pairwise(run)]
    size = median(row.lines[0].type.size for row in run)
    tight = min(pitches)
    spaced = max(pitches) > _LEADING * tight and tight < 1.6 * size
    grid: list[list[Cell]] = [placed[0]]
    for number, cells in enumerate(placed[1:]):
        above, row = run[number], run[number + 1]
        parted = _rule_between(sheet.rules, above.box, row.box)
        if spaced:
            further = pitches[number] <= 1.12 * tight and _is_rest(cells, grid[-1], lone=not cells[0])
        else:
            further = _is_rest(cells, grid[-1], lone=True) and sum(map(bool, cells)) <= len(cells) // 2
        if further and not parted and not all(cells):
            grid[-1] = [(*one, *two) for one, two in zip(grid[-1], cells, strict=True)]
        else:
            grid.append(cells)
    return grid


def _is_rest(cells: Sequence[Cell], above: Sequence[Cell], *, lone: bool) -> bool:
    """Return whether cells can go on from those above: none is new, and the row's first cell doesn't begin again."""
    return all(above[n] for n, cell in enumerate(cells) if cell) and (not lone or not cells[0] or len(cells) == 1)


def _rule_between(rules: Sequence[Rule], above: Box, below: Box) -> bool:
    return any(
        rule.level
        and above.centre[1] < rule.at < below.centre[1]
        and rule.start <= above.left + 20
        and rule.end >= above.right - 20
        for rule in rules
    )


def _filled_down(grid: Sequence[Sequence[Cell]]) -> list[tuple[Cell, ...]]:
    """Return the rows with the first cell repeated where it stands for several rows."""
    filled: list[tuple[Cell, ...]] = []
    for row in grid:
        first = row[0] or (filled[-1][0] if len(filled) > 1 and sum(map(bool, row)) > 1 else ())
        filled.append((first, *row[1:]))
    return filled


def _above_rule(grid: Sequence[Sequence[Cell]], rules: Sequence[Rule], box: Box) -> int:
    """Return how many rows stand above the only rule within the table, or between the first two of them."""
    bottoms = [max((line.box.bottom for cell in row for line in cell), default=0.0) for row in grid]
    tops = [min((line.box.top for cell in row for line in cell), default=0.0) for row in grid]
    within = [
        rule.at
        for rule in rules
        if rule.level and rule.length > 0.7 * box.width and tops[0] + 1 < rule.at < bottoms[-1] - 1
    ]
    if len(within) != 1:
        return 0
    count = sum(bottom - 2 <= within[0] for bottom in bottoms)
    return count if 0 < count <= min(3, len(grid) - 1) else 0
