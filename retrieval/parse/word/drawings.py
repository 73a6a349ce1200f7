"""Drawings of Word documents: text boxes, shapes, pictures, charts and diagrams, in DrawingML and in VML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Image, Paragraph, plain
from retrieval.parse.formats.visibility import Look
from retrieval.parse.ooxml.charts import chart_table
from retrieval.parse.ooxml.drawing import alternative_text, fill_of, paragraph_lines
from retrieval.parse.ooxml.package import DGM, WPS, A, C, R, V, W
from retrieval.parse.word.styles import colour

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Block
    from retrieval.parse.word.document import Part

_BOX = f"{W}txbxContent"
_SHAPES = frozenset(f"{V}{name}" for name in ("shape", "rect", "roundrect", "oval", "line", "polyline", "arc"))
_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"


class Drawings:
    """Reads drawings of a part.

    :param boxed: returns the blocks of a text box, given what is behind its text.
    """

    def __init__(self, part: Part, boxed: Callable[[Part, Element, Look], Sequence[Block]]) -> None:
        self._part = part
        self._boxed = boxed

    def blocks(self, drawing: Element, behind: Look) -> list[Block]:
        """Return what a drawing says."""
        found = [*self._within(drawing, behind)]
        alt = next((alternative_text(each) for each in drawing.iter(f"{_WP}docPr")), "")
        return [*([Image(self._part.file.shown(alt))] if alt else []), *found]

    def _within(self, element: Element, behind: Look) -> Iterator[Block]:
        for child in element:
            if child.tag == _BOX:
                yield from self._boxed(self._part, child, behind)
            elif child.tag == f"{WPS}wsp":
                yield from self._within(child, fill_of(child.find(f"{WPS}spPr"), behind))
            elif child.tag in _SHAPES:
                yield from self._vml(child, behind)
            elif child.tag == f"{C}chart":
                yield from self._chart(child)
            elif child.tag == f"{DGM}relIds":
                yield from self._diagram(child)
            else:
                yield from self._within(child, behind)

    def _vml(self, shape: Element, behind: Look) -> Iterator[Block]:
        filled = shape.get("filled", "t") not in ("f", "false", "0")
        fill = shape.get("fillcolor")
        if filled:
            behind = Look(background=colour((fill or "").lstrip("#")) if fill else None)
        said = [shape.get("alt", ""), *(each.get("string", "") for each in shape.iter(f"{V}textpath"))]
        for text in filter(None, dict.fromkeys(" ".join(each.split()) for each in said)):
            yield Paragraph(plain(self._part.file.shown(text)))
        yield from self._within(shape, behind)

    def _chart(self, chart: Element) -> Iterator[Block]:
        target = self._part.relations.get(chart.get(f"{R}id", ""))
        root = self._part.file.package.part(target.target) if target is not None and not target.external else None
        if root is not None:
            yield from chart_table(root)

    def _diagram(self, diagram: Element) -> Iterator[Block]:
        target = self._part.relations.get(diagram.get(f"{R}dm", ""))
        root = self._part.file.package.part(target.target) if target is not None and not target.external else None
        for point in () if root is None else root.iter(f"{DGM}pt"):
            for paragraph in point.iter(f"{A}p"):
                for line in paragraph_lines(paragraph):
                    yield Paragraph(line)
