"""Tables with rules: the lines between the cells say which rows and columns a cell spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from retrieval.parse.pdf.geometry import Box, Rule, clustered
from retrieval.parse.pdf.layout.lines import Line, lines_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from retrieval.parse.pdf.geometry import Area, Sheet, Word

Cell = tuple[Line, ...]

SLACK = 3.0
"""Points by which rules may miss each other and still meet."""

MAX_RULES = 3_000
"""Rules of a page that are looked at, the longest first; a drawing has more."""

MAX_SLOTS = 40_000
"""Most rows times columns of a table with rules."""

_COVERED = 0.6
_FILLED = 0.35
_PAPER = 250
_FIGURES = 0.8


@dataclass(frozen=True)
class Grid:
    """A table. A merged cell is repeated in each place that it spans.

    :param heads: how many of the rows from the top are its header.
    :param lefts: where its columns begin.
    """

    rows: tuple[tuple[Cell, ...], ...]
    heads: int
    box: Box
    lefts: tuple[float, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where the columns and rows of one table begin and end, and the rules along each of these borders."""

    across: list[float]
    down: list[float]
    level: dict[float, list[Rule]]
    upright: dict[float, list[Rule]]

    @property
    def box(self) -> Box:
        return Box(self.across[0], self.down[0], self.across[-1], self.down[-1])


def ruled_tables(sheet: Sheet) -> tuple[list[Grid], list[Word]]:
    """Return the tables of a sheet that have rules, and the words outside of them."""
    words = list(sheet.words)
    tables: list[Grid] = []
    for frame in sorted(_frames(sheet.rules), key=lambda each: each.box.area):
        inside = [word for word in words if frame.box.holds(word.box)]
        table = _read(frame, inside, sheet.areas)
        if table is not None:
            tables.append(table)
            taken = set(map(id, inside))
            words = [word for word in words if id(word) not in taken]
    return tables, words


def _frames(rules: Sequence[Rule]) -> list[_Frame]:
    """Return the rules that meet each other, table by table."""
    frames = []
    for level, upright in _groups(rules):
        ends = [end for rule in level for end in (rule.start, rule.end)]
        sides = [end for rule in upright for end in (rule.start, rule.end)]
        across = _borders([rule.at for rule in upright], min(ends), max(ends))
        down = _borders([rule.at for rule in level], min(sides), max(sides))
        if min(len(across), len(down)) > 2 and len(across) * len(down) <= MAX_SLOTS:
            frames.append(_Frame(across, down, _by_border(level, down), _by_border(upright, across)))
    return frames


def _groups(rules: Sequence[Rule]) -> Iterator[tuple[list[Rule], list[Rule]]]:
    """Yield the level and upright rules that meet each other, directly or by others."""
    longest = sorted(rules, key=lambda rule: rule.length, reverse=True)[:MAX_RULES]
    level, upright = [rule for rule in longest if rule.level], [rule for rule in longest if not rule.level]
    if not level or not upright:
        return
    one = np.array([(rule.at, rule.start - SLACK, rule.end + SLACK) for rule in level])[:, None]
    two = np.array([(rule.at, rule.start - SLACK, rule.end + SLACK) for rule in upright])[None]
    at_one, at_two = one[..., 0], two[..., 0]
    meet = (one[..., 1] <= at_two) & (at_two <= one[..., 2]) & (two[..., 1] <= at_one) & (at_one <= two[..., 2])
    left = set(range(len(level)))
    while left:
        rows, columns = {left.pop()}, np.zeros(len(upright), dtype=np.bool_)
        while True:
            reached = meet[sorted(rows)].any(axis=0)
            more = set(np.flatnonzero(meet[:, reached].any(axis=1)).tolist()) - rows
            columns |= reached
            if not more:
                break
            rows |= more
        left -= rows
        if columns.any():
            yield [level[row] for row in sorted(rows)], [upright[column] for column in np.flatnonzero(columns)]


def _by_border(rules: Sequence[Rule], borders: Sequence[float]) -> dict[float, list[Rule]]:
    """Return the rules along each border of columns or rows."""
    return {border: [rule for rule in rules if abs(rule.at - border) <= SLACK] for border in borders}


def _borders(values: Iterable[float], first: float, last: float) -> list[float]:
    """Return where columns or rows begin and end; the outermost need no rule of their own."""
    found = clustered(values, SLACK)
    if first < found[0] - 3 * SLACK:
        found.insert(0, first)
    if last > found[-1] + 3 * SLACK:
        found.append(last)
    return found


def _read(frame: _Frame, words: Sequence[Word], areas: Sequence[Area]) -> Grid | None:
    """Return the table of a frame; ``None`` if it frames something else, such as a drawing or a page."""
    spans = _spans(frame)
    held: dict[tuple[int, int], list[Word]] = {}
    for word in words:
        slot = _slot(frame, word)
        held.setdefault(spans[slot], []).append(word)
    cells = {place: tuple(lines_of(inside)) for place, inside in held.items()}
    apart = _unmerged(frame, spans, cells)
    rows = [
        tuple(apart.get((row, column)) or cells.get(spans[row, column], ()) for column in range(len(frame.across) - 1))
        for row in range(len(frame.down) - 1)
    ]
    kept = [row for row in rows if any(row)]
    filled = sum(bool(cell) for row in kept for cell in row)
    if len(kept) < 2 or filled < _FILLED * sum(map(len, kept)) or len(set(spans.values())) < 4:
        return None
    columns = [number for number in range(len(rows[0])) if any(row[number] for row in kept)]
    if len(columns) < 2:
        return None
    body = tuple(tuple(row[number] for number in columns) for row in kept)
    return Grid(body, header_rows(body, areas), frame.box, tuple(frame.across[number] for number in columns))


def _slot(frame: _Frame, word: Word) -> tuple[int, int]:
    x, y = word.box.centre
    row = sum(border <= y for border in frame.down[1:-1])
    return row, sum(border <= x for border in frame.across[1:-1])


def _spans(frame: _Frame) -> dict[tuple[int, int], tuple[int, int]]:
    """Return for each slot the first slot of its cell: slots without a rule between them are one cell."""
    spans: dict[tuple[int, int], tuple[int, int]] = {}
    for row in range(len(frame.down) - 1):
        for column in range(len(frame.across) - 1):
            top, bottom = frame.down[row], frame.down[row + 1]
            left, right = frame.across[column], frame.across[column + 1]
            spans[row, column] = (row, column)
            if column and not _ruled(frame.upright[left], top, bottom):
                spans[row, column] = spans[row, column - 1]
            elif row and not _ruled(frame.level[top], left, right):
                spans[row, column] = spans[row - 1, column]
    return spans


def _ruled(rules: Sequence[Rule], start: float, end: float) -> bool:
    """Return whether rules go along most of a side of a slot."""
    covered = sum(max(0.0, min(rule.end, end) - max(rule.start, start)) for rule in rules)
    return covered >= _COVERED * (end - start)


def _unmerged(
    frame: _Frame, spans: dict[tuple[int, int], tuple[int, int]], cells: dict[tuple[int, int], Cell]
) -> dict[tuple[int, int], Cell]:
    """Return the cells of rows whose upright rules can't be seen, as on a dark header: their lines stand apart."""
    apart: dict[tuple[int, int], Cell] = {}
    owned: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for slot, owner in spans.items():
        owned.setdefault(owner, []).append(slot)
    for first, cell in cells.items():
        slots = owned[first]
        if len({column for _, column in slots}) < 2 or len({row for row, _ in slots}) > 1:
            continue
        held: dict[int, list[Line]] = {}
        for line in cell:
            edges = frame.across[1:-1]
            inside = [sum(edge <= side for edge in edges) for side in (line.box.left + 1, line.box.right - 1)]
            if inside[0] != inside[1]:
                break
            held.setdefault(inside[0], []).append(line)
        else:
            if len(held) > 1:
                apart |= {(first[0], column): tuple(lines) for column, lines in held.items()}
    return apart


def header_rows(rows: Sequence[Sequence[Cell]], areas: Sequence[Area]) -> int:
    """Return how many rows from the top are set apart as a header, by bold type, an area behind it, or words alone."""
    most = min(4, len(rows) - 1)
    bold = [any(row) and all(line.bold for cell in row for line in cell) for row in rows]
    shaded = [_is_shaded(row, areas) for row in rows]
    for look in (bold, shaded):
        count = next((number for number, marked in enumerate(look) if not marked), len(rows))
        if 0 < count <= most and not any(look[count:]):
            return count
    if bold[0] and not bold[1]:
        return 1
    count = 0
    while count < most and all(rows[count]) and not any(map(_is_figure, rows[count])):
        count += 1
        if not _parts_columns(rows[count - 1]):
            break
    columns = [[cell for cell in column if cell] for column in zip(*rows[count:], strict=True)]
    named = any(column and sum(map(_is_figure, column)) >= _FIGURES * len(column) for column in columns[1:])
    return count if named else 0


def _is_figure(cell: Cell) -> bool:
    """Return whether a cell is a number, an amount, a date or a code rather than words."""
    text = "".join(line.text for line in cell)
    return sum(letter.isdigit() for letter in text) >= 0.4 * len(text.replace(" ", "")) > 0


def _parts_columns(row: Sequence[Cell]) -> bool:
    """Return whether a cell of a row spans columns, which the row below then names."""
    return any(one and one is two for one, two in pairwise(row))


def _is_shaded(row: Sequence[Cell], areas: Sequence[Area]) -> bool:
    """Return whether areas of another colour than paper are behind all cells of a row, and not behind much else."""
    lines = [line for cell in row for line in cell]
    return bool(lines) and all(
        any(
            min(area.colour) < _PAPER and area.box.height < 6 * line.box.height and area.box.holds(line.box)
            for area in areas
        )
        for line in lines
    )
