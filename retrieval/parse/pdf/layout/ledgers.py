"""Tables whose rows have rules between them and whose columns have none, as most on the web."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from retrieval.parse.pdf.geometry import Box, around
from retrieval.parse.pdf.layout.grids import Grid, header_rows
from retrieval.parse.pdf.layout.lines import lines_of, nearest, parted, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retrieval.parse.pdf.geometry import Rule, Sheet, Word
    from retrieval.parse.pdf.layout.grids import Cell
    from retrieval.parse.pdf.layout.lines import Line

MAX_RULES = 400
"""Level rules of a page that are looked at."""

_SAME = 4.0
_FEWEST = 3
_HIGHEST = 10.0
_SPACE = 1.0


def ledger_tables(sheet: Sheet, words: Sequence[Word]) -> tuple[list[Grid], list[Word]]:
    """Return the tables that have rules between their rows alone, and the words outside of them."""
    tables: list[Grid] = []
    left = list(words)
    for rules in _stacks(sheet.rules):
        bands = _bands(rules, left)
        table = _table(bands, sheet) if len(bands) >= _FEWEST else None
        if table is not None:
            tables.append(table)
            taken = {id(word) for band in bands for word in band}
            left = [word for word in left if id(word) not in taken]
    return tables, left


def _stacks(rules: Sequence[Rule]) -> Iterator[list[Rule]]:
    """Yield level rules that begin and end below each other."""
    level = sorted((rule for rule in rules if rule.level), key=lambda rule: rule.at)[:MAX_RULES]
    stacks: list[list[Rule]] = []
    for rule in level:
        for stack in stacks:
            if abs(stack[0].start - rule.start) + abs(stack[0].end - rule.end) < _SAME:
                stack.append(rule)
                break
        else:
            stacks.append([rule])
    yield from (stack for stack in stacks if len(stack) >= _FEWEST - 1)


def _bands(rules: Sequence[Rule], words: Sequence[Word]) -> list[list[Word]]:
    """Return the words between rules, and those of the row that stands on the first of them."""
    inside = [word for word in words if rules[0].start - _SAME <= word.box.centre[0] <= rules[0].end + _SAME]
    bands = [[word for word in inside if _above(rules[0], word)]]
    for upper, lower in pairwise(rules):
        band = [word for word in inside if upper.at < word.box.centre[1] < lower.at]
        if band and lower.at - upper.at > _HIGHEST * max(word.box.height for word in band):
            return []  # rules that part sections of a page
        bands.append(band)
    return [band for band in bands if band]


def _above(rule: Rule, word: Word) -> bool:
    return rule.at - _SPACE * 1.6 * word.box.height < word.box.centre[1] < rule.at


def _table(bands: Sequence[Sequence[Word]], sheet: Sheet) -> Grid | None:
    """Return a table; ``None`` if the bands hold something else than one row each."""
    rows = [lines_of(band) for band in bands]
    columns = _columns(rows)
    if len(columns) < 2:
        return None
    grid: list[tuple[Cell, ...]] = []
    for lines in rows:
        cells: list[list[Line]] = [[] for _ in columns]
        pieces = [part for line in lines for part in parted(line, columns)]
        for line in sorted(pieces, key=lambda each: (each.box.top, each.box.left)):
            for cell in _over(line.box, columns, cells):
                cell.append(line)
        grid.append(tuple(map(tuple, cells)))
    if not grid[0] or sum(map(_is_row, grid)) < len(grid) or not any(_is_wrapped(row) for row in grid):
        return None
    box = around(word.box for band in bands for word in band)
    heads = header_rows(grid, sheet.areas)
    return Grid(tuple(grid), heads, box, tuple(left for left, _ in columns))


def _columns(rows: Sequence[Sequence[Line]]) -> list[tuple[float, float]]:
    """Return where columns begin and end, by the rows that have the most of them."""
    spread = [_spread([line.box for line in lines]) for lines in rows]
    counted = Counter(map(len, spread))
    most = max(count for count, times in counted.items() if times > 1 or count == max(counted))
    boxes = [Box(left, 0, right, 1) for each in spread if len(each) >= most for left, right in each]
    return _spread(boxes)


def _spread(boxes: Sequence[Box]) -> list[tuple[float, float]]:
    """Return the stretches from left to right that boxes cover."""
    found: list[tuple[float, float]] = []
    for box in sorted(boxes, key=lambda each: each.left):
        if found and box.left < found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], box.right)
        else:
            found.append((box.left, box.right))
    return found


def _over(box: Box, columns: Sequence[tuple[float, float]], cells: list[list[Line]]) -> list[list[Line]]:
    """Return the cells that a line stands in."""
    over = [n for n, (left, right) in enumerate(columns) if left < box.right and box.left < right]
    return [cells[number] for number in over or [nearest(box, columns)]]


def _is_row(row: Sequence[Cell]) -> bool:
    """Return whether cells are one row: not all of them have the same several lines."""
    heights = [len(rows_of(cell)) for cell in row if cell]
    return len(heights) < 2 or max(heights) == 1 or median(heights) < max(heights) or min(heights) == 1


def _is_wrapped(row: Sequence[Cell]) -> bool:
    """Return whether a cell goes over several lines: other tables are told by their columns as well."""
    return any(len(rows_of(cell)) > 1 for cell in row)
