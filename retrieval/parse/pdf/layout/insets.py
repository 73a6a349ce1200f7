"""Boxes beside the text, such as a note on a ground of its own: their lines are no part of the lines next to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from retrieval.parse.pdf.geometry import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.parse.pdf.geometry import Rule, Sheet, Word
    from retrieval.parse.pdf.layout.lines import P

MAX_BOXES = 200

_LARGEST = 0.5
_SLACK = 3.0


def insets(sheet: Sheet, words: Sequence[Word], tables: Sequence[Box]) -> list[tuple[Box, list[Word]]]:
    """Return the boxes that stand beside other text, each with its words.

    :param tables: boxes that are tables.
    """
    found: list[tuple[Box, list[Word]]] = []
    left = list(words)
    boxes = [area.box for area in sheet.areas] + _framed(sheet.rules)
    for box in sorted(boxes[:MAX_BOXES], key=lambda each: each.area, reverse=True):
        if box.area > _LARGEST * sheet.box.area or any(table.touches(box) for table in tables):
            continue
        inside = [word for word in left if box.holds(word.box)]
        rows = {round(word.box.bottom / max(1.0, word.type.size)) for word in inside}
        beside = _beside(box, left)
        if len(rows) < 2 or not beside or _are_aligned(inside, beside):
            continue
        taken = set(map(id, inside))
        left = [word for word in left if id(word) not in taken]
        found.append((box, inside))
    return found


def beside(flows: list[list[P]], box: Box, more: list[list[P]]) -> list[list[P]]:
    """Return flows with those of a box after the paragraph that ends beside or below it."""
    for number, flow in enumerate(flows):
        for place in range(1, len(flow)):
            before, piece = flow[place - 1].box, flow[place].box
            if piece.top >= box.bottom and piece.top - before.bottom > 0.5 * before.height:
                return [*flows[:number], flow[:place], *more, flow[place:], *flows[number + 1 :]]
    return [*flows, *more]


def _beside(box: Box, words: Sequence[Word]) -> list[Word]:
    """Return the words at the sides of a box."""
    return [
        word
        for word in words
        if box.top < word.box.centre[1] < box.bottom and not box.left - 1 < word.box.centre[0] < box.right + 1
    ]


def _are_aligned(inside: Sequence[Word], beside: Sequence[Word]) -> bool:
    """Return whether lines of a box are those beside it, as in a table with a coloured cell or column."""
    bottoms = {round(word.box.bottom * 2) for word in beside}
    return any(round(word.box.bottom * 2) in bottoms for word in inside)


def _framed(rules: Sequence[Rule]) -> list[Box]:
    """Return the rectangles that two level rules and two upright ones make."""
    level = [rule for rule in rules if rule.level][:MAX_BOXES]
    upright = [rule for rule in rules if not rule.level][:MAX_BOXES]
    found: list[Box] = []
    for one in upright:
        for two in upright:
            if two.at <= one.at + _SLACK or abs(two.start - one.start) + abs(two.end - one.end) > _SLACK:
                continue
            edges = [edge.at for edge in level if abs(edge.start - one.at) + abs(edge.end - two.at) < 2 * _SLACK]
            if all(any(abs(edge - end) < _SLACK for edge in edges) for end in (one.start, one.end)):
                found.append(Box(one.at, one.start, two.at, one.end))
    return found
