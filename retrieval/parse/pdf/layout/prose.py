"""Lines to paragraphs, headings, list items and code, by their type and the space around them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from retrieval.parse.pdf.layout.grids import Grid
from retrieval.parse.pdf.layout.lines import Line, in_reading_order, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from retrieval.parse.pdf.geometry import Box

LARGER = 1.12
"""Size of a heading's type, as a multiple of the text's."""

HEADING_CHARACTERS = 160
MAX_LEVELS = 5
ENDS = (".", "!", "?", ":", "\u3002", "\uff01", "\uff1f")
"""What ends a sentence."""

_LEADING, _USUAL_LEADING = 1.2, 1.3
_ENOUGH = 5
_LONGEST_LEADING = 2.6
_INDENT = 1.0
_SHORT = 0.82
_SECTION_NUMBER = re.compile(r"(\d{1,2}(?:\.\d{1,2})*)\.?\s")


@dataclass(slots=True)
class Part:
    """Lines that belong together, before they become a block.

    :param level: of a heading, from 1; of a list item, from 0.
    """

    kind: Literal["heading", "paragraph", "item", "code", "table"]
    lines: list[Line]
    page: int
    level: int = 0
    marker: str = ""
    grid: Grid | None = None


@dataclass(frozen=True, slots=True)
class Style:
    """How a document is set.

    :param body: size of most of its text, in points.
    :param leading: from one line to the next, as a multiple of the size.
    :param sizes: of its headings, the largest first.
    :param outline: level of each entry of its outline, by its words.
    """

    body: float
    leading: float
    sizes: tuple[float, ...] = ()
    outline: Mapping[str, int] = field(default_factory=dict)


def style_of(flows: Iterable[Sequence[Line | Grid]], outline: Mapping[str, int]) -> Style:
    """Return how a document is set, by what is most frequent."""
    letters: Counter[float] = Counter()
    steps: Counter[float] = Counter()
    large: Counter[float] = Counter()
    every = [[line for line in flow if isinstance(line, Line)] for flow in flows]
    for lines in every:
        for line in lines:
            letters[_size(line)] += len(line.text)
        for before, after in pairwise(lines):
            step = (after.box.bottom - before.box.bottom) / max(1.0, _size(after))
            if _size(before) == _size(after) and 0.9 < step < _LONGEST_LEADING:
                steps[round(step * 20) / 20] += 1
    body = letters.most_common(1)[0][0] if letters else 10.0
    for line in (line for lines in every for line in lines):
        if _size(line) >= LARGER * body and len(line.text) <= HEADING_CHARACTERS:
            large[_size(line)] += 1
    leading, seen = steps.most_common(1)[0] if steps else (_USUAL_LEADING, 0)
    leading = leading if seen >= _ENOUGH else min(leading, _USUAL_LEADING)
    return Style(body, leading, tuple(sorted(large, reverse=True)), outline)


def parts_of(flow: Sequence[Line | Grid], page: int, style: Style) -> list[Part]:
    """Return the parts of one column of a page."""
    parts: list[Part] = []
    whole = [_whole(row) for row in rows_of(flow)]
    lines = [line for row in whole for line in row if isinstance(line, Line)]
    right = max((line.box.right for line in lines), default=0.0)
    left = min((line.box.left for line in lines), default=0.0)
    last: Line | None = None
    for piece in (piece for row in whole for piece in row):
        if isinstance(piece, Grid):
            parts.append(Part("table", [], page, grid=piece))
            last = None
            continue
        if last is not None and _belongs(piece, last, parts[-1], style, (left, right)):
            parts[-1].lines.append(piece)
        else:
            parts.append(_begun(piece, page, style))
        last = piece
    _name_headings(parts, style)
    _nest_items(parts)
    return parts


def _size(line: Line) -> float:
    return round(line.type.size * 2) / 2


def _whole(row: Sequence[Line | Grid]) -> list[Line | Grid]:
    """Return a row with its lines put together, unless a table is among them."""
    if len(row) == 1 or not all(isinstance(piece, Line) for piece in row):
        return list(row)
    words = [word for piece in row if isinstance(piece, Line) for word in piece.words]
    return [Line(in_reading_order(words))]


def _begun(line: Line, page: int, style: Style) -> Part:
    if line.mono and _size(line) <= style.body * LARGER:
        return Part("code", [line], page)
    if line.marker and not _stands_out(line, style):
        return Part("item", [line], page, marker=line.marker)
    return Part("paragraph", [line], page)


def _belongs(line: Line, last: Line, part: Part, style: Style, margins: tuple[float, float]) -> bool:  # noqa: PLR0911 - one reason after the other
    """Return whether a line goes on with a part."""
    size, step = _size(line), line.box.bottom - last.box.bottom
    if part.kind == "code":
        return line.mostly_mono and step < 2 * _LEADING * style.leading * size
    if line.mono:
        return False
    if abs(size - _size(last)) > 0.6 or step > _LEADING * style.leading * size or step < 0:
        return False
    if plain_key(line.text) in style.outline or plain_key(last.text) in style.outline:
        return False
    if line.bold != last.bold and (last.bold or line.bold) and _alone(part, line):
        return False
    if line.marker and (part.kind == "item" or _begins_list(line, last, margins[1])):
        return False
    if part.kind == "item":
        first = part.lines[0]
        return line.box.left > first.box.left + 0.3 * size or line.box.left >= first.words[1].box.left - 2
    left, right = margins
    indented = line.box.left > last.box.left + _INDENT * size and line.box.left < left + 4 * size
    if indented and last.box.right > left + _SHORT * (right - left):
        return False
    ended = last.text.endswith(ENDS) and last.box.right < left + _SHORT * (right - left)
    return not (ended and line.text[:1].isupper())


def _alone(part: Part, line: Line) -> bool:
    """Return whether a part is bold throughout, or the line is while the part is not."""
    return all(each.bold for each in part.lines) or line.bold


def _begins_list(line: Line, last: Line, right: float) -> bool:
    """Return whether a line in the middle of a paragraph is the first item of a list rather than its next words."""
    first = re.sub(r"\W", "", line.marker).lower()
    ended = last.text.endswith(ENDS) or last.box.right < right - 0.3 * last.box.width
    return ended and (first in ("", "1", "a", "i") or line.box.left > last.box.left + 2)


def _stands_out(line: Line, style: Style) -> bool:
    return _size(line) >= LARGER * style.body or (line.bold and not line.marker.startswith("("))


def _name_headings(parts: list[Part], style: Style) -> None:
    """Make headings of the paragraphs that stand out."""
    for number, part in enumerate(parts):
        if part.kind not in ("paragraph", "item"):
            continue
        said = " ".join(line.text for line in part.lines)
        known = style.outline.get(plain_key(said))
        if known is None and (len(said) > HEADING_CHARACTERS or not any(letter.isalpha() for letter in said)):
            continue
        size = _size(part.lines[0])
        if known is not None:
            part.kind, part.level = "heading", known
        elif size >= LARGER * style.body:
            level = 1 + sum(other > size for other in style.sizes[:MAX_LEVELS])
            part.kind, part.level = "heading", level + _depth(said)
        elif _is_bold_heading(part, parts[number + 1 :], said):
            part.kind, part.level = "heading", 1 + min(MAX_LEVELS, len(style.sizes)) + _depth(said)


def _is_bold_heading(part: Part, following: Sequence[Part], said: str) -> bool:
    if not all(line.bold for line in part.lines) or said.endswith((".", ",", ";")) or len(part.lines) > 2:
        return False
    after = following[0] if following else None
    return after is not None and not (
        after.lines and all(line.bold for line in after.lines) and after.kind == part.kind
    )


def _depth(said: str) -> int:
    """Return how deep a numbered heading is: ``2.1 Scope`` is below ``2 Rules``."""
    number = _SECTION_NUMBER.match(said)
    return number[1].count(".") if number else 0


def plain_key(text: str) -> str:
    """Return the words of a heading, for comparison with the outline."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _nest_items(parts: list[Part]) -> None:
    """Give each list item its level, by how far it is indented."""
    lefts: list[float] = []
    for part in parts:
        if part.kind != "item":
            lefts = []
            continue
        left = part.lines[0].box.left
        while lefts and left < lefts[-1] - 4:
            lefts.pop()
        if not lefts or left > lefts[-1] + 4:
            lefts.append(left)
        part.level = len(lefts) - 1


def on_top(box: Box, height: float) -> bool:
    """Return whether a box begins in the upper part of a page, where a table of the page before can go on."""
    return box.top < 0.3 * height
