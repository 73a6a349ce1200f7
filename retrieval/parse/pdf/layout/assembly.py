"""Pages to sections: what a page break or a column's end cuts is joined, and headings open sections."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Code, Item, Paragraph, Span, Table, plain, words
from bot.domain.documents.parsed import ParsedSection
from retrieval.parse.grids import merged_header, shortened
from retrieval.parse.pdf.layout.aligned import with_tables
from retrieval.parse.pdf.layout.columns import flows
from retrieval.parse.pdf.layout.grids import Grid, ruled_tables
from retrieval.parse.pdf.layout.insets import beside, insets
from retrieval.parse.pdf.layout.ledgers import ledger_tables
from retrieval.parse.pdf.layout.lines import BULLETS, Line, lines_of
from retrieval.parse.pdf.layout.prose import ENDS, on_top, parts_of, style_of
from retrieval.parse.pdf.layout.text import Vocabulary, spans
from retrieval.parse.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bot.domain.documents.blocks import Block
    from bot.domain.documents.blocks import Line as Spans
    from retrieval.parse.pdf.geometry import Sheet, Word
    from retrieval.parse.pdf.layout.prose import Part

_SAME_PLACE = 8.0


def sections_of(sheets: Sequence[Sheet], outline: Mapping[str, int]) -> list[ParsedSection]:
    """Return the sections of a document.

    :param sheets: its pages without headers and footers.
    :param outline: level of each entry of the outline, by its words.
    """
    pages = [(sheet, _flows(sheet)) for sheet in sheets]
    style = style_of([flow for _, found in pages for flow in found], outline)
    vocabulary = Vocabulary([line for _, found in pages for flow in found for line in _lines(flow)])
    parts: list[Part] = []
    for sheet, found in pages:
        for flow in found:
            _extend(parts, parts_of(flow, sheet.number, style), sheet)
        for turn, turned in sheet.turned:
            upright = lines_of([_upright(word, turn, sheet) for word in turned])
            parts += parts_of(upright, sheet.number, style)
    return _sections(parts, vocabulary)


def _flows(sheet: Sheet) -> list[list[Line | Grid]]:
    tables, rest = ruled_tables(sheet)
    ledgers, rest = ledger_tables(sheet, rest)
    tables += ledgers
    boxed = insets(sheet, rest, [table.box for table in tables])
    inside = {id(word) for _, words_of in boxed for word in words_of}
    outside = [word for word in rest if id(word) not in inside]
    found = [with_tables(flow, sheet) for flow in flows(outside, tables, sheet.rules)]
    for box, words_of in boxed:
        found = beside(found, box, [with_tables(flow, sheet) for flow in flows(words_of, (), sheet.rules)])
    return found


def _lines(flow: Sequence[Line | Grid]) -> list[Line]:
    found: list[Line] = []
    for piece in flow:
        found += [piece] if isinstance(piece, Line) else [line for row in piece.rows for cell in row for line in cell]
    return found


def _upright(word: Word, turn: int, sheet: Sheet) -> Word:
    """Return a word of a line that is turned, with its box as if it was not."""
    box = word.box
    match turn:
        case 1:
            left, top, right, bottom = box.top, sheet.box.width - box.right, box.bottom, sheet.box.width - box.left
        case 2:
            left, top = sheet.box.width - box.right, sheet.box.height - box.bottom
            right, bottom = sheet.box.width - box.left, sheet.box.height - box.top
        case _:
            left, top, right, bottom = sheet.box.height - box.bottom, box.left, sheet.box.height - box.top, box.right
    return replace(word, box=replace(box, left=left, top=top, right=right, bottom=bottom))


def _extend(parts: list[Part], more: list[Part], sheet: Sheet) -> None:
    """Add the parts of a further column or page, and join what its beginning cuts."""
    if parts and more:
        last, first = parts[-1], more[0]
        if last.grid and first.grid and _goes_on(last.grid, first.grid, sheet):
            last.grid = _joined(last.grid, first.grid)
            more = more[1:]
        elif last.kind in ("paragraph", "item") and first.kind == "paragraph" and _is_cut(last, first):
            last.lines += first.lines
            more = more[1:]
    parts += more


def _is_cut(last: Part, first: Part) -> bool:
    before, after = last.lines[-1].text, first.lines[0].text
    return not before.endswith((*ENDS, ";")) and after[:1].islower()


def _goes_on(last: Grid, first: Grid, sheet: Sheet) -> bool:
    if len(last.lefts) != len(first.lefts) or not on_top(first.box, sheet.box.height):
        return False
    return all(abs(one - two) < _SAME_PLACE for one, two in zip(last.lefts, first.lefts, strict=True))


def _joined(last: Grid, first: Grid) -> Grid:
    """Return a table that goes on after a page break, where its header may stand again."""
    again = [_said(row) for row in first.rows[: last.heads]] == [_said(row) for row in last.rows[: last.heads]]
    rows = [*first.rows[last.heads :]] if again and last.heads else [*first.rows]
    if rows and not rows[0][0] and len(rows[0]) > 1 and any(rows[0]):
        rows[0] = (last.rows[-1][0], *rows[0][1:])
    return replace(last, rows=(*last.rows, *rows))


def _said(row: Sequence[Sequence[Line]]) -> str:
    return "|".join(" ".join(line.text for line in cell) for cell in row)


def _sections(parts: Sequence[Part], vocabulary: Vocabulary) -> list[ParsedSection]:
    sections: list[ParsedSection] = []
    path: list[tuple[int, str]] = []
    blocks: list[Block] = []
    page = 1
    for part in parts:
        if part.kind != "heading":
            blocks.append(_block(part, vocabulary))
            continue
        sections += _section(path, blocks, page, leaf=bool(path) and path[-1][0] >= part.level)
        blocks, page = [], part.page
        path = [(level, text) for level, text in path if level < part.level]
        path.append((part.level, words(_clean(spans(part.lines, vocabulary, styled=False)))))
    return sections + _section(path, blocks, page, leaf=True)


def _section(path: Sequence[tuple[int, str]], blocks: Sequence[Block], page: int, *, leaf: bool) -> list[ParsedSection]:
    """Return the section under a path; a heading with nothing below it is a paragraph, since people see it."""
    headings = tuple(text for _, text in path)
    if blocks or not headings or not leaf:
        return [ParsedSection(headings, tuple(blocks))]
    return [ParsedSection(headings[:-1], (Paragraph(plain(headings[-1]), page=page),))]


def _block(part: Part, vocabulary: Vocabulary) -> Block:
    if part.grid is not None:
        return _table(part.grid, part.page, vocabulary)
    if part.kind == "code":
        return Code(_code(part.lines), page=part.page)
    if part.kind == "item":
        first = Line(part.lines[0].words[1:])
        line = _clean(spans([first, *part.lines[1:]], vocabulary))
        marker = "-" if part.marker in BULLETS else part.marker
        return Item(marker, line, part.level, page=part.page)
    return Paragraph(_clean(spans(part.lines, vocabulary)), page=part.page)


def _clean(line: Spans) -> Spans:
    return tuple(Span(clean(span.text)[0], span.style, span.link) for span in line)


def _code(lines: Sequence[Line]) -> str:
    """Return code with its white space, which is counted in letters of the same width."""
    left = min(line.box.left for line in lines)
    width = max(0.1, sum(line.words[0].box.width for line in lines) / sum(len(line.words[0].text) for line in lines))
    out: list[str] = []
    before: Line | None = None
    for line in lines:
        if before is not None and line.box.top - before.box.bottom > 0.7 * line.box.height:
            out.append("")
        text = ""
        for word in line.words:
            column = round((word.box.left - left) / width)
            text += " " * max(0 if word.glued or not text else 1, column - len(text)) + word.text
        out.append(text)
        before = line
    return "\n".join(out)


def _table(grid: Grid, page: int, vocabulary: Vocabulary) -> Table:
    known: dict[int, Spans] = {}
    rows: list[list[Spans]] = []
    for row in grid.rows:
        cells: list[Spans] = []
        for cell in row:
            again = id(cell) in known
            text = known.setdefault(id(cell), _clean(spans(cell, vocabulary, styled=False)))
            cells.append(shortened(text) if again else text)
        rows.append(cells)
    return Table(merged_header(rows[: grid.heads]), tuple(map(tuple, rows[grid.heads :])), page=page)
