"""Delimited text: comma, semicolon, tab or pipe, in any encoding."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Paragraph, plain, words
from bot.domain.documents.parsed import ParsedSection
from bot.domain.errors import DocumentError
from retrieval.parse.grids import MAX_CELLS, MAX_COLUMNS, is_value, too_many_cells
from retrieval.parse.sheets.regions import table_of
from retrieval.parse.text import MAX_CHARACTERS, clean, decode, document, title_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.documents.blocks import Line
    from bot.domain.documents.parsed import ParsedDocument

DELIMITERS = ",;\t|"
_LOOKED_AT = 50
"""Rows by which the delimiter is told."""

_BEGINNING = 100_000
"""Characters by which the delimiter is told."""

_DECLARED = "sep="
"""Begins a first line that names the delimiter, as Excel writes it."""


class CsvParser:
    """Comma- or tab-separated values: the first row with several cells names the columns, unless it holds values."""

    name = "csv"
    suffixes: tuple[str, ...] = (".csv", ".tsv", ".tab")

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        text, flags = clean(decode(data, name))
        delimiter = ""
        if text[: len(_DECLARED)].lower() == _DECLARED:
            first, _, text = text.partition("\n")
            delimiter = first.strip("\n\r")[len(_DECLARED) :][:1]
        rows = _rows(text, delimiter or delimiter_of(text), name)
        start = next((number for number, row in enumerate(rows) if sum(map(bool, row)) > 1), 0)
        above = [Paragraph(cell) for row in rows[:start] for cell in row if cell]
        table = table_of(rows[start:], int(_has_header(rows[start:])))
        return document(title_from(name), [ParsedSection((), (*above, *table))], flags, name)


def delimiter_of(text: str) -> str:
    """Return the delimiter that cuts the first rows into the same number of cells, as many as possible."""

    def regularity(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(io.StringIO(text[:_BEGINNING], newline=""), delimiter=delimiter)
        widths = []
        try:
            for row in reader:
                widths += [len(row)] if row else []
                if len(widths) == _LOOKED_AT:
                    break
        except csv.Error:
            return 0, 0
        usual = max(widths, key=widths.count, default=0)
        return (widths.count(usual) if usual > 1 else 0), usual

    return max(DELIMITERS, key=regularity)


def _rows(text: str, delimiter: str, name: str) -> list[list[Line]]:
    csv.field_size_limit(MAX_CHARACTERS)  # a lost quotation mark makes a cell of the whole rest
    rows: list[list[Line]] = []
    cells = 0
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if not any(cell.strip() for cell in row):
                continue
            cells += len(row)
            if cells > MAX_CELLS or len(row) > MAX_COLUMNS:
                raise too_many_cells(name)
            rows.append([plain(cell.strip()) for cell in row])
    except csv.Error as error:
        raise DocumentError(f"{name} is not readable as delimited text: {error}.", hint="Save it again.") from error
    return rows


def _has_header(rows: Sequence[Sequence[Line]]) -> bool:
    """Return whether the first row names the columns: no cell holds a value, and none is the same as another."""
    names = [words(cell) for cell in rows[0]] if rows else []
    said = [name for name in names if name]
    return (
        len(names) > 1 and len(said) == len(set(said)) and len(said) > len(names) // 2 and not any(map(is_value, said))
    )
