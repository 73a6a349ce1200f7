"""The shapes of a slide in reading order: text, tables, charts, diagrams and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Image, Paragraph, Table, words
from retrieval.parse.formats.visibility import WHITE, Look
from retrieval.parse.grids import MAX_CELLS, MAX_COLUMNS, header_rows, merged_header, shortened, too_many_cells
from retrieval.parse.lines import one_line
from retrieval.parse.ooxml.charts import chart_table
from retrieval.parse.ooxml.drawing import alternative_text, fill_of, has_fill, paragraph_line, paragraph_lines
from retrieval.parse.ooxml.package import DGM, A, C, P, R
from retrieval.parse.slides.presentation import kind_of, mark_of
from retrieval.parse.slides.text import TextReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Block, Line
    from retrieval.parse.ooxml.package import Package
    from retrieval.parse.slides.presentation import Page

SAME_ROW = 228_600
"""Distance between the upper edges of shapes beside each other, in EMU: a quarter of an inch."""

_UNREAD = frozenset(("sldNum", "dt", "sldImg", "hdr"))


@dataclass(frozen=True, slots=True)
class Box:
    """Where a shape is, in EMU."""

    left: int
    top: int
    width: int
    height: int

    def touches(self, other: Box) -> bool:
        across = self.left < other.left + other.width and other.left < self.left + self.width
        return across and self.top < other.top + other.height and other.top < self.top + self.height


class ShapeReader:
    """Reads the shapes of a page.

    :param size: the slide's; what is beyond it can't be seen.
    """

    def __init__(self, package: Package, page: Page, size: tuple[int, int]) -> None:
        self._package = package
        self._page = page
        self._area = Box(0, 0, *size)
        self._text = TextReader(page)
        self.left_out = self._text.left_out
        self._places = {shape: number for number, shape in enumerate(page.shapes)}
        self._boxes: dict[Element, Box | None] = {}

    def title(self) -> str:
        """Return the slide's title."""
        for shape in self._page.shapes:
            mark = mark_of(shape)
            if mark is not None and kind_of(mark) == "title":
                said = words(one_line(self._text.blocks(shape, None)))
                return " ".join(said.split())
        return ""

    def blocks(self, wanted: Callable[[str], bool]) -> list[Block]:
        """Return what the shapes say, in reading order.

        :param wanted: whether to read placeholders of a kind; other shapes are ``""``.
        """
        return [*self._of(self._page.shapes, wanted)]

    def _of(self, shapes: Sequence[Element], wanted: Callable[[str], bool]) -> Iterator[Block]:
        for shape in self._in_order(shapes):
            mark = mark_of(shape)
            kind = "" if mark is None else kind_of(mark)
            if kind in _UNREAD or not wanted(kind):
                continue
            found = [*self._of([*shape], wanted)] if shape.tag == f"{P}grpSp" else [*self._shape(shape)]
            if self._is_unseen(shape):
                self.left_out |= {"hidden"} if found else set()
            else:
                yield from found

    def _shape(self, shape: Element) -> Iterator[Block]:
        found = [*self._text.blocks(shape, self._behind(shape))] if shape.tag == f"{P}sp" else []
        properties = shape.find(f"*/{P}cNvPr")
        alt = alternative_text(properties)
        if alt and not found:
            yield Image(alt)
        yield from found
        for table in shape.iter(f"{A}tbl"):
            yield from self._table(table)
        for chart in shape.iter(f"{C}chart"):
            root = self._related(chart.get(f"{R}id", ""))
            yield from () if root is None else chart_table(root)
        for diagram in shape.iter(f"{DGM}relIds"):
            root = self._related(diagram.get(f"{R}dm", ""))
            for point in () if root is None else root.iter(f"{DGM}pt"):
                yield from (Paragraph(line) for each in point.iter(f"{A}p") for line in paragraph_lines(each))

    def _related(self, key: str) -> Element | None:
        target = self._page.relations.get(key)
        return self._package.part(target.target) if target is not None and not target.external else None

    def _table(self, table: Element) -> Iterator[Block]:
        if sum(1 for _ in table.iter(f"{A}tc")) > MAX_CELLS:
            raise too_many_cells(self._package.name)
        rows: list[list[Line]] = []
        for row in table.findall(f"{A}tr"):
            line: list[Line] = []
            for cell in row.findall(f"{A}tc"):
                above = rows[-1][len(line)] if rows and len(line) < len(rows[-1]) else ()
                if cell.get("hMerge") in ("1", "true") and line:
                    line.append(shortened(line[-1]))
                elif cell.get("vMerge") in ("1", "true"):
                    line.append(shortened(above))
                else:
                    line.append(self._cell(cell))
            if len(line) > MAX_COLUMNS:
                raise too_many_cells(self._package.name)
            rows.append(line)
        properties = table.find(f"{A}tblPr")
        marked = properties is not None and properties.get("firstRow") in ("1", "true")
        count = max(int(marked and len(rows) > 1), header_rows(rows, marked=marked))
        if any(words(cell).strip() for row in rows for cell in row):
            yield Table(merged_header(rows[:count]), tuple(map(tuple, rows[count:])))

    def _cell(self, cell: Element) -> Line:
        properties = cell.find(f"{A}tcPr")
        behind = fill_of(properties, self._page.background, self._page.scheme) if has_fill(properties) else None
        lines = []
        for each in cell.iter(f"{A}p"):
            line, left_out = paragraph_line(each, self._page.relations, behind, self._page.scheme)
            self.left_out |= left_out
            lines.append(line)
        return one_line(Paragraph(line) for line in lines if line)

    def _box(self, shape: Element) -> Box | None:
        """Return where a shape is: its own place, or that of the placeholder it fills."""
        if shape not in self._boxes:
            self._boxes[shape] = self._found_box(shape)
        return self._boxes[shape]

    def _found_box(self, shape: Element) -> Box | None:
        for each in (shape, *self._page.inherited(shape)):
            place = next(iter(each.iterfind(f"*/{A}xfrm")), None)
            place = next(iter(each.iterfind(f"{P}xfrm")), None) if place is None else place
            offset = None if place is None else place.find(f"{A}off")
            extent = None if place is None else place.find(f"{A}ext")
            if offset is not None and extent is not None:
                return Box(*(_whole(offset, name) for name in "xy"), *(_whole(extent, name) for name in ("cx", "cy")))
        return None

    def _in_order(self, shapes: Sequence[Element]) -> Iterator[Element]:
        """Yield shapes from top to bottom, and those beside each other from left to right."""
        placed = sorted(((self._box(shape), n, shape) for n, shape in enumerate(shapes)), key=_top)
        row: list[tuple[int, int, Element]] = []
        start = 0
        for box, number, shape in placed:
            top, left = (box.top, box.left) if box else (0, 0)
            if row and top > start + SAME_ROW:
                yield from (each for *_, each in sorted(row, key=lambda each: each[:2]))
                row = []
            start = start if row else top
            row.append((left, number, shape))
        yield from (each for *_, each in sorted(row, key=lambda each: each[:2]))

    def _is_unseen(self, shape: Element) -> bool:
        """Return whether a shape is hidden, or beside the slide."""
        properties = shape.find(f"*/{P}cNvPr")
        if properties is not None and properties.get("hidden") in ("1", "true"):
            return True
        box = self._box(shape)
        within = box is None or not self._area.width or not (box.width and box.height) or box.touches(self._area)
        return not within and shape in self._places  # shapes of a group have places of their own

    def _behind(self, shape: Element) -> Look:
        """Return what is behind a shape's text; unknown if another shape or a picture may be."""
        for each in (shape, *self._page.inherited(shape)):
            properties = each.find(f"{P}spPr")
            if has_fill(properties):
                return fill_of(properties, self._page.background, self._page.scheme)
            if properties is not None and properties.find(f"{A}noFill") is not None:
                break
        if shape.find(f"{P}style/{A}fillRef") is not None or shape not in self._places:
            return Look(background=None)
        return Look(background=None) if self._is_above_others(shape) else self._page.background

    def _is_above_others(self, shape: Element) -> bool:
        """Return whether a picture or a filled shape may lie below a shape's text, also one of the layout's."""
        own, place = self._box(shape), self._places[shape]
        below = (box for number, box in self._covering if number < place)
        return any(own is None or box is None or own.touches(box) for box in below)

    @cached_property
    def _covering(self) -> list[tuple[int, Box | None]]:
        """The boxes of what may darken the background, each with its place from the back; -1 is below all shapes."""
        covering = [(self._places[each], self._box(each)) for each in self._page.shapes if _covers(each)]
        page = self._page.above
        while page is not None:
            covering += [(-1, self._box(each)) for each in page.shapes if _covers(each)]
            page = page.above
        return covering


def _covers(shape: Element) -> bool:
    """Return whether a shape may darken what is behind others: a picture, a group, or a shape that isn't white."""
    if shape.tag == f"{P}sp":
        styled = shape.find(f"{P}style/{A}fillRef") is not None
        properties = shape.find(f"{P}spPr")
        white = has_fill(properties) and fill_of(properties, Look()).background == WHITE
        return styled or (has_fill(properties) and not white)
    return shape.tag in (f"{P}pic", f"{P}grpSp", f"{P}graphicFrame")


def _top(placed: tuple[Box | None, int, Element]) -> tuple[int, int]:
    box, number, _ = placed
    return (box.top if box else 0), number


def _whole(element: Element, name: str) -> int:
    said = element.get(name, "")
    return int(said) if said.lstrip("-").isdecimal() and len(said) < 20 else 0
