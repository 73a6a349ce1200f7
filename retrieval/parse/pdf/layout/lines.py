"""Words to lines, split where a gap parts cells, with the markers of list items."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, TypeVar

from retrieval.parse.pdf.geometry import Box, around

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from retrieval.parse.pdf.geometry import Type, Word

SPLIT = 0.8
"""Width of a gap, as a share of the type's size, that parts two cells or columns rather than two words."""

BULLETS = "•◦▪▫●○■□‣\u2043∙·➢➤►✓✔–—-*"
MARKER = re.compile(
    rf"[{re.escape(BULLETS)}]|\(?(?:\d{{1,3}}|[a-zA-Z]|[ivxlIVXL]{{1,6}})[.)]|\d{{1,3}}(?:\.\d{{1,3}}){{1,4}}\.?"
)

_MARKER_GAP = 5.0
_LEADER = re.compile(r"(?<![.·…_])[.·…_]{4,}$|^[.·…]+$")
_LEADING_DOTS = 4
_SAME_ROW = 0.55
_BETWEEN_COLUMNS = 0.45
_STRETCHED = 2
_WIDEST_SPACE = 2.0
_FIXED = 0.8


@dataclass(frozen=True)
class Line:
    """Words side by side, in reading order."""

    words: tuple[Word, ...]

    @cached_property
    def box(self) -> Box:
        return around(word.box for word in self.words)

    @cached_property
    def text(self) -> str:
        return "".join(("" if number == 0 or word.glued else " ") + word.text for number, word in enumerate(self.words))

    @cached_property
    def type(self) -> Type:
        """How most of the line is set."""
        counted: Counter[Type] = Counter()
        for word in self.words:
            counted[word.type] += len(word.text)
        return counted.most_common(1)[0][0]

    @cached_property
    def bold(self) -> bool:
        return all(word.type.bold for word in self.words)

    @cached_property
    def mono(self) -> bool:
        """Whether the line is set like code."""
        return all(word.type.mono for word in self.words)

    @cached_property
    def mostly_mono(self) -> bool:
        """Whether the line can go on with code; a sign that its font lacks may be set in another."""
        fixed = sum(len(word.text) for word in self.words if word.type.mono)
        return self.words[0].type.mono and fixed >= _FIXED * sum(len(word.text) for word in self.words)

    @cached_property
    def marker(self) -> str:
        """The sign or number of a list item that the line begins with, or ``""``."""
        first = self.words[0]
        if len(self.words) < 2 or self.words[1].glued:
            return ""
        if first.text == "o" and first.type.mono and not self.words[1].type.mono:
            return "•"  # Word's second level
        return first.text if MARKER.fullmatch(first.text) else ""


class Piece(Protocol):
    """A line, or a table that was found."""

    @property
    def box(self) -> Box: ...


P = TypeVar("P", bound=Piece)


def lines_of(words: Sequence[Word]) -> list[Line]:
    """Return lines, split where a wide gap parts cells or columns."""
    return [line for row in rows_of(words) for line in _split(_without_leaders(row))]


def rows_of(pieces: Iterable[P]) -> list[list[P]]:
    """Return what stands side by side, from top to bottom, each row from left to right."""
    rows: list[list[P]] = []
    heights: list[Box] = []
    for piece in sorted(pieces, key=lambda each: each.box.top + each.box.bottom):
        box = piece.box
        shared = min(heights[-1].bottom, box.bottom) - max(heights[-1].top, box.top) if rows else -1.0
        if rows and shared > _SAME_ROW * max(0.1, min(heights[-1].height, box.height)):
            rows[-1].append(piece)
            if box.height > heights[-1].height:
                heights[-1] = box
        else:
            rows.append([piece])
            heights.append(box)
    return [sorted(row, key=lambda each: each.box.left) for row in rows]


def in_reading_order(words: Sequence[Word]) -> tuple[Word, ...]:
    """Return the words of one line as they are read: from right to left if most of it is written so."""
    letters = [unicodedata.bidirectional(letter) for word in words for letter in word.text]
    backward = sum(each in ("R", "AL") for each in letters) > sum(each == "L" for each in letters)
    return tuple(sorted(words, key=lambda word: word.box.left, reverse=backward))


def _without_leaders(row: list[Word]) -> list[Word]:
    """Return a row without the dots that lead from an entry of a table of contents to its page."""
    dots = [bool(_LEADER.fullmatch(word.text)) for word in row]
    long = [bool(_LEADER.search(word.text)) and len(word.text) >= _LEADING_DOTS for word in row]
    if sum(dots) < _LEADING_DOTS and not any(long):
        return row
    kept = [word for word, is_dots in zip(row, dots, strict=True) if not is_dots]
    return [replace(word, text=_LEADER.sub("", word.text) or word.text) for word in kept]


def _split(row: Sequence[Word]) -> list[Line]:
    even = _is_justified(row)
    parts: list[list[Word]] = []
    for word in row:
        if parts:
            last = parts[-1][-1]
            gap = word.box.left - max(each.box.right for each in parts[-1])
            size = max(1.0, min(last.type.size, word.type.size))
            marked = len(parts[-1]) == 1 and (MARKER.fullmatch(last.text) or last.text == "o")
            near = gap <= (_WIDEST_SPACE if even else SPLIT) * size
            if near or (marked and gap <= _MARKER_GAP * size and not _is_number(word.text)):
                parts[-1].append(word)
                continue
        parts.append([word])
    return [Line(in_reading_order(part)) for part in parts]


def _is_justified(row: Sequence[Word]) -> bool:
    """Return whether a row is a line of prose whose spaces are stretched: all are about as wide."""
    gaps = [after.box.left - before.box.right for before, after in pairwise(row) if not after.glued]
    if len(gaps) < _STRETCHED or max(gaps) > _WIDEST_SPACE * row[0].type.size or max(gaps) > 1.5 * min(gaps) + 1:
        return False
    return sum(_is_number(word.text) for word in row) <= 0.3 * len(row)


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[\d.,%$€£+-]+", text))


def parted(line: Line, columns: Sequence[tuple[float, float]]) -> list[Line]:
    """Return a line cut where a gap wider than a space is between two columns."""
    parts: list[list[Word]] = []
    for word in sorted(line.words, key=lambda each: each.box.left):
        last = parts[-1][-1] if parts else None
        if (
            last
            and word.box.left - last.box.right > _BETWEEN_COLUMNS * word.type.size
            and nearest(last.box, columns) != nearest(word.box, columns)
        ) or not parts:
            parts.append([])
        parts[-1].append(word)
    return [Line(in_reading_order(part)) for part in parts] if len(parts) > 1 else [line]


def nearest(box: Box, columns: Sequence[tuple[float, float]]) -> int:
    """Return the column that a box is in, or nearest to."""
    middle = box.centre[0]
    return min(range(len(columns)), key=lambda n: max(columns[n][0] - middle, middle - columns[n][1]))
