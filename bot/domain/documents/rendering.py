"""Blocks as text for the model and the index, and as Markdown for people.

The text says in words what a layout shows: a row of a table names its header's cells, and what is crossed out is left
out. The Markdown looks like the document. Both come in :class:`Unit` objects, the smallest pieces that can stand alone.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Code, Image, Item, Line, Paragraph, Quote, Span, Table, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bot.domain.documents.blocks import Block

HEADER_CHARACTERS = 80
"""Characters of a header's cell that each row repeats."""

INDENT = "  "
_SPECIAL = re.compile(r"[\\`*_\[\]<>~|]")
_LINE_START = re.compile(r"^([ \t]*+(?:\d{1,9}(?=[.)]))?)((?<=\d)[.)]|(?<!\d)(?:[-+=]+|#{1,6}))(?=\s|$)", re.MULTILINE)
_LITERAL = re.compile(r"```.*?```|`[^`\n]*`|\\\[(\d{1,3})\\\]", re.DOTALL)
_BACKTICKS = re.compile(r"`+")
_STRONG = {"strong": "**", "emphasis": "*", "struck": "~~"}
_BLANK = Span(" ")


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a text that Markdown shows in another way, such as a link.

    :param start: where it begins in the text.
    :param end: where it ends.
    :param markdown: what stands for it in Markdown.
    """

    start: int
    end: int
    markdown: str

    @property
    def block(self) -> bool:
        """Whether it is a block of its own, which is shown whole or not at all."""
        return self.markdown.startswith("\n")


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of a document that is never cut, unless it is longer than a chunk.

    :param table: Markdown of the header that has to stand above it; rows of one table have the same.
    :param tight: whether it follows the unit before it without an empty line, as list items and rows do.
    :param divisible: whether it may be cut at sentences.
    :param page: the page where it begins; 0 in documents without pages.
    """

    text: str
    markdown: str
    marks: tuple[Mark, ...] = ()
    table: str = ""
    tight: bool = False
    divisible: bool = False
    page: int = 0


@dataclass(frozen=True, slots=True)
class Rendered:
    """Units put together: the text, its Markdown, and the stretches of the text that Markdown shows differently.

    :param pages: where each page begins in the text, as (place, page) in reading order.
    """

    text: str
    markdown: str
    marks: tuple[Mark, ...] = ()
    pages: tuple[tuple[int, int], ...] = ()

    def page_at(self, place: int) -> int:
        """Return the page of a place in the text; 0 in documents without pages."""
        return next((page for start, page in reversed(self.pages) if start <= place), 0)


def units(blocks: Sequence[Block]) -> list[Unit]:
    """Return the units of blocks, in reading order."""
    return [replace(unit, page=unit.page or block.page) for block in blocks for unit in _units(block)]


def joined(parts: Sequence[Unit]) -> Rendered:
    """Put units together."""
    texts: list[str] = []
    shown: list[str] = []
    marks: list[Mark] = []
    length = 0
    table = ""
    pages: list[tuple[int, int]] = []
    for unit in parts:
        gap = "" if not length or not unit.text else "\n" if unit.tight else "\n\n"
        start = length + len(gap)
        texts += [gap, unit.text]
        length = start + len(unit.text)
        pages += [(start, unit.page)] if unit.page and unit.page != (pages[-1][1] if pages else 0) else []
        marks += [Mark(mark.start + start, mark.end + start, mark.markdown) for mark in unit.marks]
        above = unit.table if unit.table != table or not unit.tight else ""
        space = "" if not any(shown) else "\n" if unit.tight and not above else "\n\n"
        shown += [space, above, unit.markdown]
        table = unit.table
    return Rendered("".join(texts), "".join(shown), tuple(marks), tuple(pages))


def rendered(blocks: Sequence[Block]) -> Rendered:
    """Render blocks."""
    return joined(units(blocks))


def excerpt(text: str, marks: Sequence[Mark], start: int, end: int) -> str:
    """Return part of a text with its links and code in Markdown. A mark that is only partly in it is left plain."""
    pieces: list[str] = []
    at = start
    for mark in marks:
        if at <= mark.start and mark.end <= end:
            pieces += [text[at : mark.start], mark.markdown]
            at = mark.end
    return "".join([*pieces, text[at:end]])


def current(text: str, marks: Sequence[Mark], start: int, end: int) -> str:
    """Return part of a text like :func:`excerpt`, but without crossed-out text, which no longer applies."""
    return excerpt(text, [mark for mark in marks if mark.start < mark.end], start, end)


def widened(marks: Sequence[Mark], start: int, end: int) -> tuple[int, int]:
    """Return a stretch of text that holds every block of code it touches whole."""
    touched = [mark for mark in marks if mark.block and mark.start < end and start < mark.end]
    return min([start, *(mark.start for mark in touched)]), max([end, *(mark.end for mark in touched)])


def inline(line: Line) -> Rendered:
    """Render one line."""
    text, shown = "", ""
    marks: list[Mark] = []
    for number, span in enumerate(line):
        markdown = _span(span, *_neighbours(line, number))
        shown += markdown
        said = "" if span.style == "struck" else span.text
        if said.startswith(" ") and (text.endswith(" ") or (number and not text)):  # around what is crossed out
            said = said.lstrip(" ")
            marks[-1:] = [Mark(mark.start, mark.end, f"{mark.markdown} ") for mark in marks[-1:]]
        if span.style or span.link:
            marks.append(Mark(len(text), len(text) + len(said), markdown))
        text += said
    return Rendered(text, _broken(_LINE_START.sub(r"\1\\\2", shown)), tuple(marks))


def escaped(text: str) -> str:
    """Return text as Markdown that shows it as it is."""
    return _broken(_LINE_START.sub(r"\1\\\2", _escaped(text)))


def _broken(markdown: str) -> str:
    """Return Markdown whose line breaks are shown as such."""
    return markdown.replace("\n", "  \n")


def with_plain_numbers(markdown: str, between: str = "") -> str:
    r"""Return an answer's Markdown with ``[1]`` for each ``\[1\]``, which names no source. Code stays as it is.

    :param between: put after the bracket, so that a page doesn't take it for a source.
    """
    return _LITERAL.sub(lambda match: f"[{between}{match[1]}]" if match[1] else match[0], markdown)


def fenced(code: str, language: str = "") -> str:
    """Return code between fences that it doesn't contain."""
    longest = max((len(run) for run in _BACKTICKS.findall(code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def _units(block: Block) -> Iterator[Unit]:
    match block:
        case Paragraph(line):
            yield _line_unit(inline(line))
        case Item():
            yield from _item(block)
        case Table():
            yield from _rows(block)
        case Code(text, language):
            shown = fenced(text, language)
            yield Unit(text, shown, (Mark(0, len(text), f"\n{shown}\n"),))
        case Quote(blocks):
            yield from (_indented(unit, "> ") for unit in units(blocks))
        case Image(alt, caption):
            said = "\n".join(dict.fromkeys(part for part in (alt, caption) if part))
            if said:
                yield Unit(said, escaped(said))


def _line_unit(line: Rendered) -> Unit:
    return Unit(line.text, line.markdown, line.marks, divisible=True)


def _item(item: Item) -> Iterator[Unit]:
    line = inline(item.line)
    indent = INDENT * item.level
    lead = f"{indent}{item.marker} "
    marks = tuple(Mark(mark.start + len(lead), mark.end + len(lead), mark.markdown) for mark in line.marks)
    shown = f"{'   ' * item.level}{_marker(item.marker)} {line.markdown}"
    said = lead + line.text if line.text or item.blocks or not line.markdown else ""  # all of it is crossed out
    yield Unit(said, shown, marks if said else (), tight=True)
    inner = "   " * (item.level + 1)
    for unit in units(item.blocks):
        yield _indented(unit, inner)


def _marker(marker: str) -> str:
    """Return a list marker of Markdown; one that Markdown doesn't have, such as ``b)``, is shown as text."""
    return marker if marker == "-" or re.fullmatch(r"\d{1,9}[.)]", marker) else f"- {escaped(marker)}"


def _indented(unit: Unit, lead: str) -> Unit:
    def indent(markdown: str) -> str:
        return "\n".join(f"{lead}{line}".rstrip() for line in markdown.split("\n"))

    table = indent(unit.table.rstrip("\n")) + "\n" if unit.table else ""
    return replace(unit, markdown=indent(unit.markdown), table=table)


def _rows(table: Table) -> Iterator[Unit]:
    width = max((len(row) for row in (table.header, *table.rows)), default=0)
    if table.caption:
        yield Unit(table.caption, escaped(table.caption))
    head = _table_row(table.header, width) + "\n" + "|" + " --- |" * width + "\n"
    if not table.rows and table.header:
        yield Unit(" | ".join(words(cell) for cell in table.header), "", table=head)
    for number, row in enumerate(table.rows):
        said = _statement(table.header, row)
        if any(mark.block for mark in said.marks):  # Markdown tables can't contain blocks of code
            yield Unit(said.text, said.markdown, said.marks)
        elif said.text:
            yield Unit(said.text, _table_row(row, width), said.marks, table=head, tight=number > 0)


def _statement(header: Sequence[Line], row: Sequence[Line]) -> Rendered:
    """Return a row in words: its first cell, then each other cell after its header."""
    names = [" ".join(words(cell).split())[:HEADER_CHARACTERS] for cell in header]
    text = shown = ""
    marks: list[Mark] = []
    cells = 0
    for column, line in enumerate(map(_cell, row)):
        if not line.text.strip():
            continue
        gap = ("", ": ", ", ")[min(cells, 2)] if any(names) else " | " if cells else ""
        label = f"{names[column]} " if column < len(names) and names[column] and (column or len(row) == 1) else ""
        lead = f"{gap}{label}"
        if text and marks and marks[-1].block and marks[-1].end == len(text):
            lead = f"\n{label}"
        if lead and line.marks and line.marks[0].block and not line.marks[0].start:
            lead = f"{lead.rstrip()}\n"
        start = len(text) + len(lead)
        text += f"{lead}{line.text}"
        shown += f"{_escaped(lead)}{line.markdown}"
        marks += [Mark(mark.start + start, mark.end + start, mark.markdown) for mark in line.marks]
        cells += 1
    return Rendered(text, shown, tuple(marks))


def _cell(line: Line) -> Rendered:
    """Render a cell on one line. Code of several lines keeps its line breaks."""
    text = shown = ""
    marks: list[Mark] = []
    for lines, spans in groupby(line, _has_lines):
        if lines:
            code = "\n".join(span.text.strip("\n") for span in spans)
            text = f"{text.rstrip()}\n" if text else ""
            marks.append(Mark(len(text), len(text) + len(code), f"\n{fenced(code)}\n"))
            text += code
            shown = f"{shown.rstrip()}\n{fenced(code)}\n"
            continue
        part = inline(tuple(spans))
        start = len(text) + bool(text)
        text += ("\n" if text else "") + part.text.replace("\n", " ")
        shown += part.markdown
        marks += [Mark(mark.start + start, mark.end + start, mark.markdown) for mark in part.marks]
    return Rendered(text, shown, tuple(marks))


def _has_lines(span: Span) -> bool:
    return span.style == "code" and "\n" in span.text.strip("\n")


def _table_row(cells: Sequence[Line], width: int) -> str:
    shown = [" ".join(inline(cell).markdown.split()) for cell in cells]
    return "| " + " | ".join([*shown, *[""] * (width - len(shown))]) + " |"


def _neighbours(line: Line, number: int) -> tuple[Span, Span]:
    """Return the spans before and after one; at the ends of a line, a blank."""
    before = line[number - 1] if number else _BLANK
    return before, line[number + 1] if number + 1 < len(line) else _BLANK


def _span(span: Span, before: Span, after: Span) -> str:
    """Return a span in Markdown, which takes marks for such only beside the right characters."""
    if span.style == "code":
        shown = _inline_code(span.text)
    elif not span.text.strip():
        return span.text
    elif span.link:
        shown = _marked(span, _BLANK, _BLANK)
    else:
        shown = _marked(span, before, after)
    return f"[{shown.strip()}]({_address(span.link)})" if span.link else shown


def _marked(span: Span, before: Span, after: Span) -> str:
    mark = _STRONG.get(span.style, "")
    if span.style == "emphasis" and (_touches(before, -1) or _touches(after, 0)):
        mark = ""  # *a***b** has more than one reading
    inner = span.text.strip()
    start = span.text.index(inner)
    end = start + len(inner)
    if mark and not start and _is_letter(before, -1):
        start += len(inner) - len(inner.lstrip(_marks_of(inner)))
    if mark and end == len(span.text) and _is_letter(after, 0):
        end -= len(inner) - len(inner.rstrip(_marks_of(inner)))
    if start >= end:
        return _escaped(span.text)
    return f"{_escaped(span.text[:start])}{mark}{_escaped(span.text[start:end])}{mark}{_escaped(span.text[end:])}"


def _touches(beside: Span, at: int) -> bool:
    """Return whether a neighbour has a mark next to the span's own."""
    return beside.style == "strong" and not beside.link and not beside.text[at:][:1].isspace()


def _is_letter(beside: Span, at: int) -> bool:
    """Return whether a neighbour has a letter or the like next to the span, so that a mark can't follow a sign."""
    character = beside.text[at:][:1]
    plain = beside.style not in ("code", "strong", "struck") and not beside.link
    return plain and bool(character) and not character.isspace() and unicodedata.category(character)[0] != "P"


def _marks_of(text: str) -> str:
    """Return the characters of a text that are no letters and digits."""
    return "".join({character for character in text if unicodedata.category(character)[0] in "PSZ"})


def _inline_code(text: str) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text)


def _address(link: str) -> str:
    return link.replace(" ", "%20").replace("(", "%28").replace(")", "%29").replace("<", "%3C").replace(">", "%3E")
