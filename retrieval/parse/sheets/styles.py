"""How an Excel workbook shows its cells: number formats, fonts and fills, by the number of a cell's style."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from retrieval.parse.formats.visibility import WHITE, Look
from retrieval.parse.lines import lowered, raised
from retrieval.parse.ooxml.number_formats import BUILT_IN, GENERAL
from retrieval.parse.ooxml.package import S

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Style
    from retrieval.parse.formats.visibility import Colour

T = TypeVar("T")

_WHITE_THEME = "0"
_STYLES: Mapping[str, Style] = {"strike": "struck", "b": "strong", "i": "emphasis"}
_SYSTEM_WHITE = ("1", "9")
"""White among the colours that a file names by number."""


@dataclass(frozen=True, slots=True)
class CellStyle:
    """How a cell is shown.

    :param code: its number format.
    :param hidden: whether its text has the colour of what is behind it.
    """

    code: str = GENERAL
    style: Style = ""
    hidden: bool = False


def cell_styles(root: Element | None) -> Sequence[CellStyle]:
    """Return the styles of cells by their number."""
    if root is None:
        return ()
    codes = {each.get("numFmtId", ""): each.get("formatCode", GENERAL) for each in root.iter(f"{S}numFmt")}
    fonts = [(run_style(each), _colour(each.find(f"{S}color"))) for each in root.findall(f"{S}fonts/{S}font")]
    fills = [_fill(each) for each in root.findall(f"{S}fills/{S}fill")]
    found = []
    for each in root.findall(f"{S}cellXfs/{S}xf"):
        number = each.get("numFmtId", "0")
        built_in = BUILT_IN.get(int(number), GENERAL) if number.isdecimal() else GENERAL
        style, colour = _at(fonts, each.get("fontId", ""), ("", None))
        background = _at(fills, each.get("fillId", ""), WHITE)
        hidden = colour is not None and Look(colour, background).hidden
        found.append(CellStyle(codes.get(number, built_in), style, hidden))
    return found


def run_style(font: Element | None) -> Style:
    """Return how a font sets text."""
    for tag, style in _STYLES.items():
        found = None if font is None else font.find(f"{S}{tag}")
        if found is not None and found.get("val", "1") not in ("0", "false"):
            return style
    return ""


def in_place(text: str, font: Element | None) -> str:
    """Return text as it is written above or below the line, if its font says so."""
    found = None if font is None else font.find(f"{S}vertAlign")
    move = {"superscript": raised, "subscript": lowered}.get("" if found is None else found.get("val", ""))
    return move(text) if move else text


def _fill(fill: Element) -> Colour | None:
    """Return a fill's colour; ``None`` if it is a pattern, a gradient, or only a theme knows it."""
    pattern = fill.find(f"{S}patternFill")
    if pattern is None:
        return None
    if pattern.get("patternType", "none") == "none":
        return WHITE
    return _colour(pattern.find(f"{S}fgColor"))


def _colour(element: Element | None) -> Colour | None:
    if element is None:
        return None
    said = element.get("rgb", "")[-6:]
    if len(said) == len("rrggbb"):
        try:
            return int(said[:2], 16), int(said[2:4], 16), int(said[4:], 16)
        except ValueError:
            return None
    if element.get("theme") == _WHITE_THEME and not element.get("tint"):
        return WHITE
    return WHITE if element.get("indexed") in _SYSTEM_WHITE else None


def _at(values: Sequence[T], number: str, default: T) -> T:
    return values[int(number)] if number.isdecimal() and int(number) < len(values) else default
