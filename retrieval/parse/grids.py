"""Tables as grids of cells: limits, repeated cells and headers, for all formats alike."""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Span, words
from bot.domain.errors import DocumentError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.documents.blocks import Line

MAX_COLUMNS = 500
MAX_CELLS = 500_000
REPEATED = 200
"""Characters of a cell that are repeated in the further rows and columns it spans."""

LONGEST_NAME = 100
"""Characters of a column's name at most."""

_LOOKED_AT = 50  # rows
_VALUE = re.compile(
    r"[^\w\s]{0,3}\s?(?:[A-Z]{3}\s)?\(?[-+−–]?[$€£¥]?\s?\d[\d\s.,:/’'–-]*(?:\s?[^\W\d_]{1,3}\.?|\s?[%‰$€£¥°)]{1,2})?"
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_MAIL_OR_PAGE = re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+|https?://\S+")
_MANY = 3  # columns


def too_many_cells(name: str) -> DocumentError:
    return DocumentError(
        f"{name} has a table with too many cells: more than {MAX_CELLS:,}, or {MAX_COLUMNS} in a row.",
        hint="Split the table.",
    )


def merged_header(rows: Sequence[Sequence[Line]]) -> tuple[Line, ...]:
    """Return one header of several rows, each column's names joined."""
    width = max(map(len, rows), default=0)
    merged: list[Line] = []
    for column in range(width):
        names = dict.fromkeys(words(row[column]).strip() for row in rows if column < len(row))
        name = " ".join(filter(None, names))
        merged.append((Span(name),) if name else ())
    return tuple(merged)


def shortened(text: Line) -> Line:
    """Return a cell as it is repeated in the further rows and columns it spans."""
    said = words(text)
    return text if len(said) <= REPEATED else (Span(f"{said[:REPEATED]}…"),)


def is_value(text: str) -> bool:
    """Return whether a cell holds a value, such as a number, a date or an address, rather than a name."""
    said = text.strip()
    return bool(_VALUE.fullmatch(said) or _MAIL_OR_PAGE.fullmatch(said))


def looks_like_header(rows: Sequence[Sequence[Line]], *, marked: bool = False) -> bool:
    """Return whether the first row of a table names its columns.

    :param marked: whether the document sets the first row apart.
    """
    first = [words(cell).strip() for cell in rows[0]] if rows else []
    below = [["".join(span.text for span in cell).strip() for cell in row] for row in islice(rows, 1, _LOOKED_AT)]
    if len(first) < 2 or not below or not all(first[1:]) or any(len(name) > LONGEST_NAME for name in first):
        return False
    numeric = [_mostly_values([row[column] for row in below if column < len(row)]) for column in range(len(first))]
    years = [bool(_YEAR.fullmatch(name)) for name in first]
    if any(is_value(name) and not (year and first[0]) for name, year in zip(first, years, strict=True)) or all(years):
        return False
    if any(year and all(_YEAR.fullmatch(row[n]) for row in below if n < len(row)) for n, year in enumerate(years)):
        return False
    bold = all(span.style == "strong" for cell in rows[0] for span in cell if span.text.strip())
    return marked or bold or any(numeric) or len(first) >= _MANY


def header_rows(rows: Sequence[Sequence[Line]], *, marked: bool = False) -> int:
    """Return how many rows from the top name columns: two if the first one groups the names of the second.

    :param marked: whether the document sets the first row apart.
    """
    if not looks_like_header(rows, marked=marked):
        return 0
    grouped = any(words(cell).strip() and cell == after for cell, after in pairwise(rows[0]))
    named = len(rows) > 2 and not any(is_value(words(cell)) for cell in rows[1])
    return 2 if grouped and named else 1


def _mostly_values(cells: Sequence[str]) -> bool:
    said = [cell for cell in cells if cell]
    return bool(said) and 2 * sum(map(is_value, said)) >= len(said)
