"""DrawingML: text, fills and alternative texts, as slides, charts and Word's shapes have them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Span
from retrieval.parse.formats.visibility import Look
from retrieval.parse.lines import lowered, raised, safe_link, tidied
from retrieval.parse.ooxml.equations import linear
from retrieval.parse.ooxml.package import A, M, R
from retrieval.parse.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Line, Style
    from retrieval.parse.formats.visibility import Colour
    from retrieval.parse.ooxml.package import Relation

_DECORATIVE = "{http://schemas.microsoft.com/office/drawing/2017/decorative}decorative"
_FILLS = tuple(f"{A}{name}" for name in ("solidFill", "gradFill", "blipFill", "pattFill", "grpFill", "noFill"))
_GUESSED = re.compile(
    r"(?:\n|^)[^\n]{0,80}(?:automatically generated|automatisch generiert|AI-generated content)[^\n]{0,40}\s*$",
    re.IGNORECASE,
)
"""What Word adds to a description that it made up itself."""

_FILE = re.compile(r"[\w() -]{1,80}\.(?:png|jpe?g|gif|bmp|tiff?|svg|emf|wmf)", re.IGNORECASE)
"""A description that is only the file's name."""

_TINY = 200  # hundredths of a point


def alternative_text(properties: Element | None) -> str:
    """Return the description of a picture or chart, unless it is only decoration or can't be seen."""
    if properties is None or properties.get("hidden") in ("1", "true"):
        return ""
    if any(each.get("val") in ("1", "true") for each in properties.iter(_DECORATIVE)):
        return ""
    said = " ".join((_GUESSED.sub("", properties.get("descr") or "") or properties.get("title") or "").split())
    return "" if _FILE.fullmatch(said) else said


def has_fill(properties: Element | None) -> bool:
    """Return whether a shape says itself that it is filled."""
    return properties is not None and any(each.tag in _FILLS and each.tag != f"{A}noFill" for each in properties)


def fill_of(properties: Element | None, behind: Look, scheme: Mapping[str, Colour] | None = None) -> Look:
    """Return the look of what is behind a shape's text; unknown if its fill comes from a theme or is a picture."""
    fill = None if properties is None else next((each for each in properties if each.tag in _FILLS), None)
    if fill is None:
        return Look(background=None)
    if fill.tag == f"{A}noFill":
        return behind
    return Look(background=solid(fill, scheme) if fill.tag == f"{A}solidFill" else None)


def solid(fill: Element, scheme: Mapping[str, Colour] | None = None) -> Colour | None:
    """Return the colour of a fill; ``None`` if it is changed in some way, or not in the scheme.

    :param scheme: the colours of a theme by their names.
    """
    named = fill.find(f"{A}schemeClr")
    if named is not None and not len(named):
        return (scheme or {}).get(named.get("val", ""))
    found = fill.find(f"{A}srgbClr")
    return None if found is None or len(found) else _colour(found.get("val", ""))


def scheme_of(theme: Element, names: Element | None) -> Mapping[str, Colour]:
    """Return the colours of a theme by their names.

    :param names: the master's ``p:clrMap``, which gives some of them further names.
    """
    found: dict[str, Colour] = {}
    for each in theme.iterfind(f"{A}themeElements/{A}clrScheme/*"):
        for said in each:
            colour = _colour(said.get("lastClr") or said.get("val") or "")
            if colour is not None:
                found[each.tag.removeprefix(A)] = colour
    given = {} if names is None else names.attrib
    return found | {name: found[own] for name, own in given.items() if own in found}


def _colour(said: str) -> Colour | None:
    if not re.fullmatch(r"[0-9A-Fa-f]{6}", said):
        return None
    return int(said[:2], 16), int(said[2:4], 16), int(said[4:], 16)


def paragraph_line(
    paragraph: Element,
    relations: Mapping[str, Relation],
    behind: Look | None = None,
    scheme: Mapping[str, Colour] | None = None,
) -> tuple[Line, frozenset[str]]:
    """Return what a paragraph, an ``a:p``, says, and what was left out of it: ``hidden``, ``invisible``."""
    spans: list[Span] = []
    left_out: set[str] = set()
    for element in paragraph:
        if element.tag == f"{A}br":
            spans.append(Span("\n"))
        elif element.tag in (f"{A}r", f"{A}fld"):
            if element.get("type") == "slidenum":
                continue
            span = _run(element, relations)
            if behind is not None and _is_hidden(element.find(f"{A}rPr"), behind, scheme):
                left_out |= {"hidden"} if span.text.strip() else set()
                continue
            text, flags = clean(span.text)
            left_out |= {"invisible"} if flags else set()
            spans.append(Span(re.sub(r"[ \t]+", " ", text.replace("\v", "\n")), span.style, span.link))
        else:
            spans += (Span(f" {linear(each)} ") for each in element.iter() if each.tag == f"{M}oMath")
    return tidied(spans), frozenset(left_out)


def paragraph_lines(paragraph: Element) -> Iterator[Line]:
    """Yield what a paragraph says, if it says anything, without links."""
    line, _ = paragraph_line(paragraph, {})
    if line:
        yield line


def _run(run: Element, relations: Mapping[str, Relation]) -> Span:
    properties = run.find(f"{A}rPr")
    text = run.find(f"{A}t")
    said = (text.text or "") if text is not None else ""
    if properties is None:
        return Span(said)
    baseline = properties.get("baseline", "0")
    if baseline not in ("0", "0%"):
        said = lowered(said) if baseline.startswith("-") else raised(said)
    style: Style = ""
    if properties.get("strike", "noStrike") != "noStrike":
        style = "struck"
    elif properties.get("b") in ("1", "true"):
        style = "strong"
    elif properties.get("i") in ("1", "true"):
        style = "emphasis"
    link = properties.find(f"{A}hlinkClick")
    target = None if link is None else relations.get(link.get(f"{R}id", ""))
    return Span(said, style, safe_link(target.target) if target is not None and target.external else "")


def _is_hidden(properties: Element | None, behind: Look, scheme: Mapping[str, Colour] | None) -> bool:
    """Return whether nobody can see a run: it is tiny, transparent, or in the colour of what is behind it."""
    if properties is None:
        return False
    size = properties.get("sz", "")
    if size.isdecimal() and int(size) <= _TINY:
        return True
    fill = properties.find(f"{A}solidFill")
    if fill is None:
        return False
    alpha = fill.find(f"*/{A}alpha")
    if alpha is not None and alpha.get("val") in ("0", "0%"):
        return True
    colour = solid(fill, scheme)
    return colour is not None and Look(colour, behind.background).hidden
