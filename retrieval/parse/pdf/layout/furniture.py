"""Headers, footers and page numbers: what stands at the edge of page after page and belongs to none of them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from retrieval.parse.pdf.layout.lines import Line, lines_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.parse.pdf.geometry import Sheet, Word

EDGE = 0.12
"""Share of a page's height, at its top and at its bottom, where headers and footers stand."""

_DEEPEST = 4
_APART = 0.6
_NUMBERED_PAGES = 4
_SHARE = 0.4
_PAGE_NUMBER = re.compile(
    r"(?:(?:page|seite|página|pagina|s\.|p\.)\s*)?(?:[-–]\s*)?(?:\d{1,4}|[ivxl]{1,6})"
    r"(?:\s*(?:/|of|von|de|di|sur)\s*\d{1,4})?(?:\s*[-–])?",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?:page|seite|página|pagina)\s*\d{1,4}(?:\s*(?:/|of|von|de|di|sur)\s*\d{1,4})?", re.IGNORECASE)

Row = tuple[Line, ...]


def without_furniture(sheets: Sequence[Sheet]) -> list[Sheet]:
    """Return the pages without what repeats at their edges, and without page numbers."""
    edges = [(_edge(sheet, top=True), _edge(sheet, top=False)) for sheet in sheets]
    counted: Counter[tuple[bool, str]] = Counter()
    for sheet, (upper, lower) in zip(sheets, edges, strict=True):
        counted.update({(True, _key(row)) for row in upper} | {(False, _key(row)) for row in lower})
        counted.update({key for row in (*upper, *lower) for key in _numbered(row, sheet)})
    kept = []
    for sheet, (upper, lower) in zip(sheets, edges, strict=True):
        gone: set[int] = set()
        for top, rows in ((True, upper), (False, lower)):
            for row in _repeating(rows, sheet, counted, len(sheets), top=top):
                gone.update(id(word) for line in row for word in line.words)
        kept.append(replace(sheet, words=tuple(word for word in sheet.words if id(word) not in gone)))
    return kept


def _edge(sheet: Sheet, *, top: bool) -> list[Row]:
    """Return the rows at an edge, the outermost first."""
    border = EDGE * sheet.box.height if top else (1 - EDGE) * sheet.box.height
    words = [word for word in sheet.words if (word.box.centre[1] < border) == top]
    rows = [tuple(row) for row in rows_of(lines_of(words))]
    return rows[:_DEEPEST] if top else rows[::-1][:_DEEPEST]


def _said(row: Row) -> str:
    return " ".join(line.text for line in row)


def _key(row: Row) -> str:
    """Return what a row says, whatever page it is on, and about where."""
    return f"{re.sub(r'[0-9]+', '#', _said(row).lower())} {round(row[0].box.centre[1] / 12)}"


def _numbered(row: Row, sheet: Sheet) -> set[tuple[bool, str]]:
    """Return keys of a row that begins or ends with a number that grows with the pages, as with a chapter's name."""
    place = round(row[0].box.centre[1] / 6)
    numbers = re.findall(r"^\d{1,4}\b|\b\d{1,4}$", _said(row).strip())
    return {(False, f"page {int(number) - sheet.number} at {place}") for number in numbers}


def _repeating(
    rows: Sequence[Row], sheet: Sheet, counted: Counter[tuple[bool, str]], pages: int, *, top: bool
) -> list[Row]:
    """Return the outermost rows that repeat, if a gap parts them from the text."""
    count = 0
    while count < len(rows) and _repeats(rows[count], sheet, counted, pages, top=top):
        count += 1
    while count and not _apart(rows[count - 1], sheet, rows[:count], top=top):
        count -= 1
    return list(rows[:count])


def _repeats(row: Row, sheet: Sheet, counted: Counter[tuple[bool, str]], pages: int, *, top: bool) -> bool:
    said = _said(row).strip()
    if _NUMBERED.fullmatch(said):
        return True
    if _PAGE_NUMBER.fullmatch(said) and (str(sheet.number) in re.findall(r"\d+", said) or pages > 1):
        return True
    if any(counted[key] >= _NUMBERED_PAGES for key in _numbered(row, sheet)):
        return True
    return counted[top, _key(row)] >= max(2, min(3, pages), round(_SHARE * pages) if pages < 8 else 3)


def _apart(row: Row, sheet: Sheet, gone: Sequence[Row], *, top: bool) -> bool:
    """Return whether a gap is between a row and the text."""
    taken = {id(word) for each in gone for line in each for word in line.words}
    rest: list[Word] = [word for word in sheet.words if id(word) not in taken]
    if not rest:
        return True
    box, height = row[0].box, max(line.box.height for line in row)
    gap = min(w.box.top for w in rest) - box.bottom if top else box.top - max(w.box.bottom for w in rest)
    return gap > _APART * height
