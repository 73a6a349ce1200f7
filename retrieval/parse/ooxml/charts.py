"""Charts of Office files as tables: a row for each category, a column for each series."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Paragraph, Table, plain, words
from retrieval.parse.ooxml.drawing import paragraph_lines
from retrieval.parse.ooxml.number_formats import GENERAL, shown
from retrieval.parse.ooxml.package import A, C

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Block

MAX_POINTS = 20_000
"""Points of a series at most; the others are left out."""

_AXES = tuple(f"{C}{name}" for name in ("catAx", "dateAx", "valAx", "serAx"))


def chart_table(root: Element) -> Iterator[Block]:
    """Yield a chart as a table under its title.

    :param root: a ``c:chartSpace``.
    """
    chart = root.find(f"{C}chart")
    plot = None if chart is None else chart.find(f"{C}plotArea")
    if chart is None or plot is None:
        return
    title = _title(chart)
    series = [*plot.iter(f"{C}ser")]
    names = [_name(each) for each in series]
    columns = [_points(each.find(f"{C}val"), each.find(f"{C}yVal")) for each in series]
    categories: dict[int, str] = {}
    for each in series:
        categories = _points(each.find(f"{C}cat"), each.find(f"{C}xVal")) | categories
    places = sorted({*categories, *(place for column in columns for place in column)})
    if not places:
        if title:
            yield Paragraph(plain(title))
        return
    axes = [_title(axis) for tag in _AXES for axis in plot.findall(tag)]
    header = [axes[0] if axes else "", *(name or (axes[1] if len(axes) > 1 else "") for name in names)]
    rows = ([categories.get(place, str(place + 1)), *(column.get(place, "") for column in columns)] for place in places)
    yield Table(tuple(map(plain, header)), tuple(tuple(map(plain, row)) for row in rows), title)


def _title(element: Element) -> str:
    title = element.find(f"{C}title")
    if title is None:
        return ""
    lines = (line for paragraph in title.iter(f"{A}p") for line in paragraph_lines(paragraph))
    said = " ".join(words(line) for line in lines)
    return " ".join((said or " ".join(_values(title).values())).split())


def _name(series: Element) -> str:
    text = series.find(f"{C}tx")
    return "" if text is None else " ".join(" ".join(_values(text).values()).split())


def _points(*elements: Element | None) -> dict[int, str]:
    element = next((each for each in elements if each is not None), None)
    return {} if element is None else _values(element)


def _values(element: Element) -> dict[int, str]:
    """Return the cached values of a reference by their place."""
    levels = element.findall(f".//{C}lvl")
    if levels:  # categories of several levels, the innermost first
        return _joined([_cached(level, GENERAL) for level in reversed(levels)])
    for cache in element.iter():
        if cache.tag in (f"{C}strCache", f"{C}numCache", f"{C}strLit", f"{C}numLit"):
            code = cache.find(f"{C}formatCode")
            return _cached(cache, (code.text or GENERAL) if code is not None else "")
    direct = element.find(f"{C}v")
    return {} if direct is None else {0: direct.text or ""}


def _cached(cache: Element, code: str) -> dict[int, str]:
    values: dict[int, str] = {}
    for point in cache.findall(f"{C}pt")[:MAX_POINTS]:
        place, said = point.get("idx", ""), point.find(f"{C}v")
        if place.isdecimal() and said is not None:
            values[int(place[:9])] = _written(said.text or "", point.get("formatCode") or code)
    return values


def _joined(levels: Sequence[Mapping[int, str]]) -> dict[int, str]:
    """Return categories after the groups that they are in."""
    places = sorted({place for level in levels for place in level})
    current = [""] * len(levels)
    joined = {}
    for place in places:
        current = [level.get(place, before) for level, before in zip(levels, current, strict=True)]
        joined[place] = " ".join(filter(None, current))
    return joined


def _written(said: str, code: str) -> str:
    if not code:
        return said
    try:
        return shown(float(said), code)
    except ValueError:
        return said
