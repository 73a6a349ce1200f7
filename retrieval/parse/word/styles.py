"""Styles of a Word document: what a paragraph or run takes over from them, and from the styles these build on."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Literal

from retrieval.parse.formats.visibility import Look
from retrieval.parse.lines import MONOSPACED
from retrieval.parse.ooxml.package import W

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from retrieval.parse.formats.visibility import Colour

Kind = Literal["", "quote", "code", "contents", "title"]

VAL = f"{W}val"
BODY_LEVEL = 9
"""Outline level of text that is no heading; headings have 0 to 8."""

TITLE_LEVEL = -1
TINY = 4
"""Size in half-points up to which text can't be read."""

_HEADING_NAME = re.compile(r"heading\s?([1-9])$")
_QUOTES = frozenset(("quote", "intense quote", "block text", "block quotation", "quotations"))
_CODE_NAME = re.compile(r"html preformatted|macro( text)?|preformatted text|(.*\s)?(source )?code( block)?|listing")
_CODE_RUN = re.compile(r"html code|html keyboard|html sample|html typewriter|verbatim char|(inline )?code( char)?")
_HEX = re.compile(r"[0-9A-Fa-f]{6}")


class Styles:
    """The styles of a document, by id.

    :param root: of the styles' part, if there is one.
    """

    def __init__(self, root: Element | None) -> None:
        found = [] if root is None else root.findall(f"{W}style")
        self._styles = {each.get(f"{W}styleId", ""): each for each in found}
        self._default = next((key for key, each in self._styles.items() if _is_default(each)), "")
        self._defaults = None if root is None else root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr")
        self.chain = cache(self._chain)
        self.run_value = cache(self._run_value)
        self.kind = cache(self._kind)

    def _chain(self, style: str) -> tuple[Element, ...]:
        """Return a style and those it builds on, nearest first."""
        chain: list[Element] = []
        while style in self._styles and self._styles[style] not in chain:
            chain.append(self._styles[style])
            style = value(chain[-1].find(f"{W}basedOn"))
        return tuple(chain)

    def style_of(self, properties: Element | None) -> str:
        """Return the style of a paragraph."""
        return value(properties.find(f"{W}pStyle"), self._default) if properties is not None else self._default

    def name(self, style: str) -> str:
        """Return a style's name in English, as Word stores it in any language."""
        found = self._styles.get(style)
        return (
            value(found.find(f"{W}name")).lower() if found is not None else re.sub(r"(?<=\D)(?=\d)", " ", style.lower())
        )

    def paragraph(self, properties: Element | None, tag: str) -> Element | None:
        """Return a paragraph's property: its own, or that of its style."""
        own = None if properties is None else properties.find(f"{W}{tag}")
        if own is not None:
            return own
        found = (each.find(f"{W}pPr/{W}{tag}") for each in self.chain(self.style_of(properties)))
        return next((each for each in found if each is not None), None)

    def heading(self, properties: Element | None) -> int | None:
        """Return a heading's level, from 0; ``None`` for other paragraphs."""
        style = self.style_of(properties)
        if self.kind(style) == "title":
            return TITLE_LEVEL
        outline = self.paragraph(properties, "outlineLvl")
        if outline is not None:
            level = int_of(outline, BODY_LEVEL)
            return level if 0 <= level < BODY_LEVEL else None
        names = [self.name(style), *(value(each.find(f"{W}name")).lower() for each in self.chain(style))]
        return next((int(match[1]) - 1 for name in names if (match := _HEADING_NAME.match(name))), None)

    def _kind(self, style: str) -> Kind:
        for name in (self.name(style), *(value(each.find(f"{W}name")).lower() for each in self.chain(style))):
            if name == "title":
                return "title"
            if name in _QUOTES:
                return "quote"
            if _CODE_NAME.fullmatch(name):
                return "code"
            if re.fullmatch(r"toc \d", name):
                return "contents"
        return ""

    def run(self, properties: Element | None, paragraph_style: str, tag: str) -> str | None:
        """Return a run's property, such as ``color``: its own, that of its style, or that of its paragraph's style.

        A property that is only switched on is ``"on"``.
        """
        own = None if properties is None else properties.find(f"{W}{tag}")
        if own is not None:
            return own.get(VAL, "on")
        return self.run_value(_run_style(properties), paragraph_style, tag)

    def _run_value(self, run_style: str, paragraph_style: str, tag: str) -> str | None:
        for each in (*self.chain(run_style), *self.chain(paragraph_style)):
            found = each.find(f"{W}rPr/{W}{tag}")
            if found is not None:
                return found.get(VAL, "on")
        default = None if self._defaults is None else self._defaults.find(f"{W}{tag}")
        return None if default is None else default.get(VAL, "on")

    def is_code(self, properties: Element | None) -> bool:
        """Return whether a run is set as code."""
        return any(
            _CODE_RUN.fullmatch(value(each.find(f"{W}name")).lower()) for each in self.chain(_run_style(properties))
        )

    def is_monospaced(self, properties: Element | None, paragraph_style: str) -> bool:
        """Return whether a run is set in a font for code."""
        chain = (
            each.find(f"{W}rPr") for style in (_run_style(properties), paragraph_style) for each in self.chain(style)
        )
        for each in (properties, *chain):
            fonts = None if each is None else each.find(f"{W}rFonts")
            if fonts is not None and (name := fonts.get(f"{W}ascii")):
                return bool(MONOSPACED.search(name))
        return False

    def is_hidden(self, properties: Element | None, paragraph_style: str, behind: Look) -> bool:
        """Return whether nobody sees a run: it is hidden, tiny, or in the colour of what is behind it."""
        if is_on(self.run(properties, paragraph_style, "vanish")):
            return True
        size = self.run(properties, paragraph_style, "sz") or ""
        if size.isdecimal() and int(size) <= TINY:
            return True
        text = colour(self.run(properties, paragraph_style, "color"))
        if text is None:
            return False  # the automatic colour is readable on any background
        look = shaded(properties, behind)
        highlight = self.run(properties, paragraph_style, "highlight")
        if highlight not in (None, "none"):
            look = Look(background=None)
        return Look(text, look.background).hidden

    def behind_cells(self, table_style: str, behind: Look) -> Look:
        """Return what is behind a table's cells; unknown if its style colours some of them."""
        shades = (shade for each in self.chain(table_style) for shade in each.iter(f"{W}shd"))
        coloured = any((shade.get(f"{W}fill") or "auto").lower() not in ("auto", "ffffff") for shade in shades)
        return Look(background=None) if coloured else behind


def shaded(properties: Element | None, behind: Look) -> Look:
    """Return the look of what is behind the text of a run, paragraph or cell with these properties."""
    shade = None if properties is None else properties.find(f"{W}shd")
    if shade is None:
        return behind
    fill = colour(shade.get(f"{W}fill"))
    if fill is not None:
        return Look(background=fill)
    plain = shade.get(VAL, "clear") in ("clear", "nil") and shade.get(f"{W}themeFill") is None
    return behind if plain else Look(background=None)


def colour(said: str | None) -> Colour | None:
    """Return a colour given as six digits; ``None`` for ``auto`` and for no colour."""
    if said is None or not _HEX.fullmatch(said):
        return None
    return int(said[:2], 16), int(said[2:4], 16), int(said[4:], 16)


def value(element: Element | None, default: str = "") -> str:
    """Return the ``w:val`` of an element."""
    return default if element is None else element.get(VAL, default)


def int_of(element: Element | None, default: int = 0) -> int:
    said = value(element)
    return int(said) if re.fullmatch(r"-?[0-9]{1,9}", said) else default


def is_on(said: str | None) -> bool:
    """Return whether a property that can be switched off is on."""
    return said is not None and said not in ("0", "false", "off", "none")


def _run_style(properties: Element | None) -> str:
    return value(properties.find(f"{W}rStyle")) if properties is not None else ""


def _is_default(style: Element) -> bool:
    return style.get(f"{W}type") == "paragraph" and style.get(f"{W}default") in ("1", "true", "on")
