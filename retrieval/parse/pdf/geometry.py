"""What stands on a page and where: words, rules, areas and pictures, in points from its top left corner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Colour = tuple[int, int, int]

SCAN = 0.4
"""Share of a page without words that a picture must cover for the page to be a scan."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle; ``top`` is less than ``bottom``."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def holds(self, other: Box, slack: float = 0.0) -> bool:
        """Return whether the centre of another box is inside."""
        x, y = other.centre
        return self.left - slack <= x <= self.right + slack and self.top - slack <= y <= self.bottom + slack

    def within(self, other: Box) -> Box:
        """Return the part of this box that is in another."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        return Box(left, top, min(self.right, other.right), min(self.bottom, other.bottom))

    def touches(self, other: Box) -> bool:
        """Return whether two boxes overlap."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def shared(self, other: Box) -> float:
        """Return the area that two boxes share."""
        return self.within(other).area


@dataclass(frozen=True, slots=True)
class Type:
    """How a word is set. ``size`` is in points."""

    size: float
    bold: bool = False
    italic: bool = False
    mono: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """Glyphs without a gap between them.

    :param order: its place in the file, which for scripts from right to left is the order of reading.
    :param glued: whether no space is before it, as between a word and a footnote's sign.
    """

    text: str
    box: Box
    type: Type
    order: int = 0
    glued: bool = False
    link: str = ""
    struck: bool = False


@dataclass(frozen=True, slots=True)
class Area:
    """A filled rectangle, drawn ``order``-th on the page."""

    box: Box
    colour: Colour
    order: int


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, drawn ``order``-th on the page."""

    box: Box
    order: int


@dataclass(frozen=True, slots=True)
class Rule:
    """A straight line along a side of the page: ``at`` is its y if it is level and its x if it is upright."""

    level: bool
    at: float
    start: float
    end: float

    @property
    def length(self) -> float:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a person sees on one page.

    :param number: of the page, from 1.
    :param turned: words of lines that run in another direction, by their quarter turns clockwise.
    :param pictures: where it could show text that no word says: pictures, and the whole of it if its fonts have no
        alphabet.
    :param hidden: whether the page has text that nobody sees, which was left out.
    :param layer: whether the words are the invisible text layer of a scan.
    """

    number: int
    box: Box
    words: tuple[Word, ...]
    rules: tuple[Rule, ...] = ()
    areas: tuple[Area, ...] = ()
    turned: tuple[tuple[int, tuple[Word, ...]], ...] = ()
    pictures: tuple[Box, ...] = ()
    hidden: bool = False
    layer: bool = False

    @property
    def is_scan(self) -> bool:
        """Whether most of what it shows is a picture."""
        return not self.layer and sum(box.area for box in self.pictures) > SCAN * self.box.area


def around(boxes: Iterable[Box]) -> Box:
    """Return the smallest box that holds all; there is at least one."""
    every = list(boxes)
    return Box(
        min(box.left for box in every),
        min(box.top for box in every),
        max(box.right for box in every),
        max(box.bottom for box in every),
    )


def clustered(values: Iterable[float], slack: float) -> list[float]:
    """Return values in order, with those no further than ``slack`` from their neighbour put together."""
    groups: list[list[float]] = []
    for value in sorted(values):
        if groups and value - groups[-1][-1] <= slack:
            groups[-1].append(value)
        else:
            groups.append([value])
    return [sum(group) / len(group) for group in groups]


def joined_rules(rules: Sequence[Rule], slack: float = 2.0) -> list[Rule]:
    """Return rules with those that continue each other, or lie upon each other, put together."""
    kept: list[Rule] = []
    for rule in sorted(rules, key=lambda each: (each.level, round(each.at / slack), each.start)):
        last = kept[-1] if kept else None
        if last and last.level == rule.level and abs(last.at - rule.at) <= slack and rule.start <= last.end + slack:
            kept[-1] = Rule(last.level, last.at, last.start, max(last.end, rule.end))
        else:
            kept.append(rule)
    return kept
