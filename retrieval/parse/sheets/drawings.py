"""What lies above the cells of a sheet: text boxes, and pictures by their alternative texts. Charts repeat cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Image, Paragraph
from retrieval.parse.formats.visibility import Look
from retrieval.parse.ooxml.drawing import alternative_text, paragraph_line
from retrieval.parse.ooxml.package import A
from retrieval.parse.text import HIDDEN_FLAG, INVISIBLE_FLAG

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Block
    from retrieval.parse.ooxml.package import Package

_XDR = "{http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing}"
_FLAGS = {"hidden": HIDDEN_FLAG, "invisible": INVISIBLE_FLAG}


def drawing_blocks(package: Package, sheet: str, flags: dict[str, None]) -> Iterator[Block]:
    """Yield what the drawings of a sheet say.

    :param sheet: the path of the sheet's part.
    :param flags: names of what was left out are added here.
    """
    for path in package.related(sheet, "drawing"):
        root = package.part(path)
        relations = package.relations(path)
        for shape in () if root is None else _shapes(root):
            properties = shape.find(f"*/{_XDR}cNvPr")
            if properties is not None and properties.get("hidden") in ("1", "true"):
                continue
            if shape.tag == f"{_XDR}pic" and (alt := alternative_text(properties)):
                yield Image(alt)
            for paragraph in shape.iter(f"{A}p"):
                line, left_out = paragraph_line(paragraph, relations, Look(background=None))
                flags.update(dict.fromkeys(_FLAGS[each] for each in left_out))
                if line:
                    yield Paragraph(line)


def _shapes(root: Element) -> Iterator[Element]:
    return (each for each in root.iter() if each.tag in (f"{_XDR}sp", f"{_XDR}pic"))
