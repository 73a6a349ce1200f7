"""Numbers of lists and headings as Word shows them, such as ``3.``, ``b)`` or ``Article 2.1``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retrieval.parse.lines import numeral
from retrieval.parse.ooxml.package import W
from retrieval.parse.word.styles import int_of, is_on, value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from xml.etree.ElementTree import Element

    from retrieval.parse.word.styles import Styles

LEVELS = 9
BULLET = "-"
_FORMATS = {"lowerLetter": "a", "upperLetter": "A", "lowerRoman": "i", "upperRoman": "I"}
_PLACE = re.compile(r"%([1-9])")
_CIRCLED = 0x2460 - 1
_MAX_CIRCLED = 20
MAX_REPEATED = 10
"""Letters of a number at most: 260 is the last that is written so."""


@dataclass(frozen=True, slots=True)
class _Level:
    """How a level is numbered.

    :param restart: after a paragraph of which level, counted from 1, its numbers begin anew; 0 is never.
    """

    start: int = 1
    form: str = "decimal"
    text: str = ""
    restart: int | None = None
    legal: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """What stands before a paragraph: a marker, or nothing but its level."""

    marker: str
    level: int


@dataclass
class _List:
    """A list's definition and its counters, which all lists made from it share."""

    levels: dict[int, _Level]
    counters: dict[int, int] = field(default_factory=dict)


class Numbering:
    """Counts the numbered paragraphs of a document in the order in which they are asked for.

    :param root: of the numbering's part, if there is one.
    """

    def __init__(self, root: Element | None, styles: Styles) -> None:
        self._styles = styles
        self._lists: dict[str, _List] = {}
        self._links: dict[str, str] = {}
        self._numbers: dict[str, Element] = {}
        self._begun: set[str] = set()
        for each in () if root is None else root.findall(f"{W}abstractNum"):
            key = each.get(f"{W}abstractNumId", "")
            self._lists[key] = _List({int_at(level): _level(level) for level in each.findall(f"{W}lvl")})
            self._links[key] = value(each.find(f"{W}numStyleLink"))
        for each in () if root is None else root.findall(f"{W}num"):
            self._numbers[each.get(f"{W}numId", "")] = each

    def of(self, properties: Element | None) -> Number | None:
        """Return the next paragraph's number; ``None`` if it is in no list."""
        placed = self._styles.paragraph(properties, "numPr")
        if placed is None:
            return None
        number = value(placed.find(f"{W}numId"))
        definition = self._numbers.get(number)
        if not number:  # a heading's style may give the level alone
            outer = self._inherited(properties)
            number, definition = outer, self._numbers.get(outer)
        if definition is None:
            return None
        level = min(max(int_of(placed.find(f"{W}ilvl")), 0), LEVELS - 1)
        return self._next(number, definition, level)

    def _inherited(self, properties: Element | None) -> str:
        chain = self._styles.chain(self._styles.style_of(properties))
        found = (value(each.find(f"{W}pPr/{W}numPr/{W}numId")) for each in chain)
        return next((number for number in found if number), "")

    def _next(self, number: str, definition: Element, level: int) -> Number | None:
        found = self._list_of(definition)
        if found is None:
            return None
        levels = found.levels | self._overridden(definition)
        if number not in self._begun:
            self._begun.add(number)
            for each in definition.findall(f"{W}lvlOverride"):
                if (start := each.find(f"{W}startOverride")) is not None:
                    found.counters[int_at(each)] = int_of(start, 1) - 1
        own = levels.get(level, _Level(form="bullet"))
        counters = found.counters
        counters[level] = counters.get(level, own.start - 1) + 1
        for deeper in range(level + 1, LEVELS):
            restart = levels.get(deeper, _Level()).restart
            if restart is None or level < restart:
                counters.pop(deeper, None)
        return Number(_marker(own, levels, counters), level)

    def _list_of(self, definition: Element, depth: int = 0) -> _List | None:
        key = value(definition.find(f"{W}abstractNumId"))
        link = self._links.get(key, "")
        if not link or depth > LEVELS:
            return self._lists.get(key)
        numbers = (value(each.find(f"{W}pPr/{W}numPr/{W}numId")) for each in self._styles.chain(link))
        target = next((self._numbers[number] for number in numbers if number in self._numbers), None)
        return self._lists.get(key) if target is None else self._list_of(target, depth + 1)

    def _overridden(self, definition: Element) -> dict[int, _Level]:
        given = [(each, each.find(f"{W}lvl")) for each in definition.findall(f"{W}lvlOverride")]
        return {int_at(each): _level(level) for each, level in given if level is not None}


def int_at(element: Element) -> int:
    """Return the level that an element is about."""
    said = element.get(f"{W}ilvl", "")
    return int(said) if re.fullmatch(r"[0-8]", said) else 0


def _level(element: Element) -> _Level:
    restart = element.find(f"{W}lvlRestart")
    legal = element.find(f"{W}isLgl")
    return _Level(
        start=int_of(element.find(f"{W}start"), 1),
        form=value(element.find(f"{W}numFmt"), "decimal"),
        text=value(element.find(f"{W}lvlText")),
        restart=None if restart is None else int_of(restart),
        legal=legal is not None and is_on(value(legal, "on")),
    )


def _marker(own: _Level, levels: Mapping[int, _Level], counters: Mapping[int, int]) -> str:
    if own.form == "bullet":
        return BULLET
    if own.form == "none":
        return _PLACE.sub("", own.text).strip()

    def shown(match: re.Match[str]) -> str:
        place = int(match[1]) - 1
        level = levels.get(place, _Level())
        return _written(counters.get(place, level.start), "decimal" if own.legal else level.form)

    return " ".join(_PLACE.sub(shown, own.text).split())


def _written(number: int, form: str) -> str:
    """Return a number in one of Word's formats; those of scripts that we don't know are decimal."""
    if form in _FORMATS:
        letters = numeral(number, _FORMATS[form])
        return letters if "Roman" in form or not letters.isalpha() else _repeated(number, letters)
    if form == "decimalZero":
        return f"{number:02d}"
    if form == "ordinal":
        ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
        return f"{number}{ending}"
    if form.startswith("decimalEnclosedCircle") and 0 < number <= _MAX_CIRCLED:
        return chr(_CIRCLED + number)
    if form == "bullet":
        return ""
    return str(number)


def _repeated(number: int, letters: str) -> str:
    """Return a letter as Word goes on after z: aa, bb, cc."""
    first = ord("a") if letters.islower() else ord("A")
    rounds, rest = divmod(number - 1, 26)
    return chr(first + rest) * (rounds + 1) if rounds < MAX_REPEATED else str(number)
