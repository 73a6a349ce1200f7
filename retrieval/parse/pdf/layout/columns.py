"""Columns of a page: a stretch of white from line to line, with prose on both sides of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median
from typing import TYPE_CHECKING

import numpy as np

from retrieval.parse.pdf.geometry import around
from retrieval.parse.pdf.layout.lines import lines_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from retrieval.parse.pdf.geometry import Box, Rule, Word
    from retrieval.parse.pdf.layout.grids import Grid
    from retrieval.parse.pdf.layout.lines import Line

MAX_WORDS = 20_000
"""Words of a page whose columns are looked for."""

GUTTER = 7
"""Points of white at least between two columns."""

_FEWEST = 3
_CANDIDATES = 12
_CHARACTERS, _CHARACTERS_OF_FEW, _FEW = 14.0, 24.0, 4
_FILL = 0.5
_ALPHABETIC = 0.6
_MUCH_WHITE = 1.2
_APART = 1.35
_LARGEST_CELL = 4.0


@dataclass(frozen=True, slots=True)
class _Gutter:
    """White between columns.

    :param at: its x.
    :param first: the first row beside it, and ``last`` the last one.
    """

    at: float
    first: int
    last: int


def flows(words: Sequence[Word], tables: Sequence[Grid], rules: Sequence[Rule]) -> list[list[Line | Grid]]:
    """Return what a page says, column by column in reading order.

    What spans several columns parts them into upper and lower ones.
    """
    rows = rows_of(words)
    gutter = _gutter(rows, [table.box for table in tables], rules) if len(words) <= MAX_WORDS else None
    if gutter is None:
        pieces: list[Line | Grid] = [*tables, *lines_of(words)]
        return [[piece for row in rows_of(pieces) for piece in row]] if pieces else []
    box = around(word.box for row in rows[gutter.first : gutter.last + 1] for word in row)
    parts: dict[str, tuple[list[Word], list[Grid]]] = {place: ([], []) for place in ("above", "left", "right", "below")}
    for number, row in enumerate(rows):
        for word in row:
            parts[_place(word.box, number, gutter)][0].append(word)
    for table in tables:
        number = gutter.first if table.box.centre[1] >= box.top else gutter.first - 1
        number = number if table.box.centre[1] <= box.bottom else gutter.last + 1
        parts[_place(table.box, number, gutter)][1].append(table)
    return [flow for some_words, some_tables in parts.values() for flow in flows(some_words, some_tables, rules)]


def _place(box: Box, row: int, gutter: _Gutter) -> str:
    if row < gutter.first:
        return "above"
    if row > gutter.last:
        return "below"
    return "left" if box.centre[0] < gutter.at else "right"


def _gutter(rows: Sequence[Sequence[Word]], tables: Sequence[Box], rules: Sequence[Rule]) -> _Gutter | None:
    """Return the gutter along most rows, if there is one."""
    if len(rows) < _FEWEST:
        return None
    width = int(max(word.box.right for row in rows for word in row)) + 2
    covered = _covered(rows, tables, width)
    total = np.zeros((len(rows), width + 1), dtype=np.int32)
    np.cumsum(covered, axis=1, out=total[:, 1:])
    free = total[:, GUTTER:] - total[:, :-GUTTER] == 0
    left = _or_next(total[:, : free.shape[1]] > 0)
    right = _or_next(total[:, -1:] - total[:, GUTTER:] > 0)
    apart = _stand_apart(rows)
    found: dict[tuple[int, int], list[int]] = {}
    both = free & left & right
    for at in np.flatnonzero(both.sum(axis=0) >= _FEWEST):
        for first, last in _runs(both[:, at], apart):
            if last - first + 1 >= _FEWEST:
                found.setdefault((first, last), []).append(int(at))
    longest = sorted(found, key=lambda run: (run[1] - run[0], len(found[run])), reverse=True)
    for run in longest[:_CANDIDATES]:
        middle = found[run][len(found[run]) // 2]
        gutter = _with_rest(rows, _Gutter(middle + GUTTER / 2, *run), free[:, middle])
        if _parts_prose(rows, gutter, tables, rules):
            return gutter
    return None


def _covered(rows: Sequence[Sequence[Word]], tables: Sequence[Box], width: int) -> NDArray[np.bool_]:
    """Return where each row has words or a table."""
    covered = np.zeros((len(rows), width), dtype=np.bool_)
    for number, row in enumerate(rows):
        for word in row:
            covered[number, max(0, int(word.box.left)) : int(word.box.right) + 1] = True
        middle = row[0].box.centre[1]
        for table in tables:
            if table.top <= middle <= table.bottom:
                covered[number, max(0, int(table.left)) : int(table.right) + 1] = True
    return covered


def _or_next(has: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where a row or one next to it has something: lines of two columns need not be level."""
    near = has.copy()
    near[1:] |= has[:-1]
    near[:-1] |= has[1:]
    return near


def _runs(free: NDArray[np.bool_], apart: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the first and last row of each stretch of free rows; one that stands apart begins another."""
    runs: list[tuple[int, int]] = []
    for number in np.flatnonzero(free):
        if runs and runs[-1][1] == number - 1 and not apart[number]:
            runs[-1] = runs[-1][0], int(number)
        else:
            runs.append((int(number), int(number)))
    return runs


def _stand_apart(rows: Sequence[Sequence[Word]]) -> NDArray[np.bool_]:
    """Return which rows have much white above them, on both sides of any gutter."""
    apart = np.zeros(len(rows), dtype=np.bool_)
    reach = rows[0][0].box.bottom
    for number, row in enumerate(rows):
        box = around(word.box for word in row)
        apart[number] = box.top - reach > _MUCH_WHITE * box.height
        reach = max(reach, box.bottom)
    return apart


def _with_rest(rows: Sequence[Sequence[Word]], gutter: _Gutter, free: NDArray[np.bool_]) -> _Gutter:
    """Return a gutter along the lines that go on from it on one side only, as where a column is longer."""
    first, last = gutter.first, gutter.last
    while first > 0 and free[first - 1] and _goes_on(rows[first - 1], rows[first]):
        first -= 1
    while last + 1 < len(rows) and free[last + 1] and _goes_on(rows[last], rows[last + 1]):
        last += 1
    return _Gutter(gutter.at, first, last)


def _goes_on(above: Sequence[Word], below: Sequence[Word]) -> bool:
    box, following = around(word.box for word in above), around(word.box for word in below)
    same = abs(above[0].type.size - below[0].type.size) < 1
    return same and following.top - box.bottom < 0.6 * box.height


def _parts_prose(rows: Sequence[Sequence[Word]], gutter: _Gutter, tables: Sequence[Box], rules: Sequence[Rule]) -> bool:
    """Return whether prose is on both sides of a gutter, rather than the cells of a table."""
    inside = rows[gutter.first : gutter.last + 1]
    left = [[word for word in row if word.box.centre[0] < gutter.at] for row in inside]
    right = [[word for word in row if word.box.centre[0] >= gutter.at] for row in inside]
    if min(sum(map(bool, left)), sum(map(bool, right))) < 2:
        return False
    top, bottom = inside[0][0].box.top, inside[-1][0].box.bottom
    crossing = [
        r for r in rules if r.level and r.start < gutter.at - 20 < gutter.at + 20 < r.end and top < r.at < bottom
    ]
    if len(crossing) > 1 or _in_groups(inside, left, right):
        return False
    return all(_is_prose([row for row in side if row and not _in_table(row, tables)]) for side in (left, right))


def _in_table(row: Sequence[Word], tables: Sequence[Box]) -> bool:
    return any(table.holds(row[0].box) for table in tables)


def _is_prose(rows: Sequence[Sequence[Word]]) -> bool:
    if not rows:
        return True  # a table fills the column
    text = "".join(word.text for row in rows for word in row)
    if sum(map(str.isalpha, text)) < _ALPHABETIC * len(text):
        return False
    whole = around(word.box for row in rows for word in row)
    fill = mean(sum(word.box.width for word in row) for row in rows) / max(1.0, whole.width)
    letters = median(sum(_weight(word.text) for word in row) for row in rows)
    return fill >= _FILL and letters >= (_CHARACTERS if len(rows) >= _FEW else _CHARACTERS_OF_FEW)


def _weight(text: str) -> int:
    """Return how many letters a word counts for; one of Chinese or Japanese says as much as two."""
    return sum(2 if "\u2e80" <= letter <= "\uffef" else 1 for letter in text)


def _in_groups(rows: Sequence[Sequence[Word]], left: Sequence[Sequence[Word]], right: Sequence[Sequence[Word]]) -> bool:
    """Return whether gaps go across both sides every few lines, as between the rows of a table."""
    pitches = [below[0].box.bottom - above[0].box.bottom for above, below in pairwise(rows)]
    usual = median(pitches)
    gaps = [number + 1 for number, pitch in enumerate(pitches) if pitch > _APART * usual]
    level = [number for number in gaps if left[number] and right[number]]
    return len(gaps) > 1 and len(level) == len(gaps) and len(rows) / (len(gaps) + 1) <= _LARGEST_CELL
