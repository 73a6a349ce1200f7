"""Reads one page of pdfium's into what a person sees of it."""

from __future__ import annotations

import ctypes
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from retrieval.parse.lines import MAX_LINK, safe_link
from retrieval.parse.pdf.geometry import Box, Rule, Sheet, Type, Word, joined_rules
from retrieval.parse.pdf.page.glyphs import is_private, read_ink, read_words
from retrieval.parse.pdf.page.graphics import address, read_graphics
from retrieval.parse.pdf.page.visibility import seen_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retrieval.parse.pdf.page.glyphs import Ink, Painted
    from retrieval.parse.pdf.page.graphics import Graphics

Link = tuple[tuple[float, float, float, float], str]
"""The left, bottom, right and top of what can be clicked on a page, and where it leads."""

MAX_LINKS = 5_000
MAX_BULLETS = 300
PICTURE = 0.04
"""Share of a page that a picture must cover to be looked at for text."""

_UNREADABLE = 0.3
_FLATTENED = 1
_CLIP_PATHS = 8
_STRUCK = (0.35, 0.68)


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of a page that is shown, and its quarter turns.

    :param turn: clockwise quarter turns by which the page is shown.
    """

    left: float
    bottom: float
    right: float
    top: float
    turn: int

    @property
    def box(self) -> Box:
        """The sheet, from its top left corner."""
        width, height = self.right - self.left, self.top - self.bottom
        return Box(0, 0, height, width) if self.turn % 2 else Box(0, 0, width, height)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return a point of the page in points from the sheet's top left corner."""
        match self.turn:
            case 0:
                return x - self.left, self.top - y
            case 1:
                return y - self.bottom, x - self.left
            case 2:
                return self.right - x, y - self.bottom
            case _:
                return self.top - y, self.right - x

    def box_of(self, left: float, bottom: float, right: float, top: float) -> Box:
        (a, b), (c, d) = self.place(left, bottom), self.place(right, top)
        return Box(min(a, c), min(b, d), max(a, c), max(b, d))

    def turns(self, a: float, b: float) -> int:
        """Return the quarter turns, clockwise on the sheet, of a direction on the page."""
        own = (0 if a > 0 else 2) if abs(a) >= abs(b) else (3 if b > 0 else 1)
        return (own + self.turn) % 4


def opened(pdf: Any, index: int) -> tuple[Any, list[Link]]:
    """Open a page with the values of its form as part of it; return it and its links."""
    page = pdf[index]
    links = _links(page)
    if _has_form_values(page) and page.flatten() == _FLATTENED:
        page.close()
        page = pdf[index]
    return page, links


def read_sheet(page: Any, links: Sequence[Link], number: int, name: str) -> Sheet:
    """Read a page.

    :param number: of the page, from 1.
    :raises DocumentError: it has too many characters.
    """
    frame = _frame(page)
    graphics, painted, unknown = _painted(page, frame, name)
    turns = Counter(each.ink.turn for each in painted).most_common(1)
    if turns and turns[0][0]:  # most of the page runs in another direction
        page.set_rotation((page.get_rotation() - 90 * turns[0][0]) % 360)
        frame = _frame(page)
        graphics, painted, unknown = _painted(page, frame, name)
    seen = seen_words(painted, graphics, page, frame.box)
    layer = len(seen.layer) > len(seen.shown)
    kept = [*seen.shown, *seen.layer] if layer else seen.shown
    bullets = _bullets(graphics, kept)
    every = [*bullets, *(each.word for each in kept)]
    if unknown or _garbled(every):
        return Sheet(number, frame.box, (), pictures=(frame.box,), hidden=seen.hidden)
    rules, strikes = _rules_and_strikes(graphics, every)
    boxes = [(frame.box_of(*sides), target) for sides, target in links]
    turned: dict[int, list[Word]] = {}
    for turn, word in [*((0, bullet) for bullet in bullets), *((each.ink.turn, each.word) for each in kept)]:
        turned.setdefault(turn, []).append(_marked(word, boxes, strikes))
    return Sheet(
        number,
        frame.box,
        tuple(turned.pop(0, ())),
        tuple(rules),
        tuple(replace(area, box=area.box.within(frame.box)) for area in graphics.areas if area.box.touches(frame.box)),
        tuple((turn, tuple(found)) for turn, found in sorted(turned.items())),
        () if layer else _pictures(graphics, frame.box, every),
        hidden=seen.hidden or (bool(seen.layer) and not layer),
        layer=layer,
    )


def _painted(page: Any, frame: Frame, name: str) -> tuple[Graphics, list[Painted], bool]:
    """Return what is drawn on a page, its words, and whether its fonts have no alphabet."""
    graphics = read_graphics(page, frame.place)
    fonts: dict[int, Type] = {}

    def ink_of(item: Any) -> Ink:
        drawn = graphics.texts.get(address(item), (0, False))
        return read_ink(item, frame.turns, drawn, _clip(item, frame), fonts)

    def box_of(place: Any) -> Box:
        return frame.box_of(place.left, place.bottom, place.right, place.top)

    text_page = page.get_textpage()
    try:
        return graphics, read_words(text_page, ink_of, box_of, name), _without_alphabet(text_page)
    finally:
        text_page.close()


def _bullets(graphics: Graphics, words: Sequence[Painted]) -> list[Word]:
    """Return the small shapes that stand before the first word of a line, as bullets."""
    found: list[Word] = []
    for dot in graphics.dots[:MAX_BULLETS]:
        x, y = dot.centre
        row = [each.word for each in words if not each.ink.turn and each.word.box.top < y < each.word.box.bottom]
        after = [word for word in row if word.box.left >= dot.right]
        near = min(after, key=lambda word: word.box.left, default=None)
        if near is None or near.box.left - x > 3 * near.type.size or dot.height > 0.8 * near.type.size:
            continue
        before = [word.box.right for word in row if word.box.left < dot.right]
        if not before or dot.left - max(before) > 2 * near.type.size:
            box = Box(dot.left, near.box.top, dot.right, near.box.bottom)
            found.append(Word("•", box, near.type, near.order))
    return found


def _frame(page: Any) -> Frame:
    left, bottom, right, top = page.get_cropbox()
    outer = page.get_mediabox()
    left, bottom = max(left, outer[0]), max(bottom, outer[1])
    right, top = min(right, outer[2]), min(top, outer[3])
    if right - left < 1 or top - bottom < 1:
        left, bottom, right, top = outer
    return Frame(left, bottom, right, top, page.get_rotation() // 90 % 4)


def _clip(item: Any, frame: Frame) -> Box | None:
    """Return the box to which a text object is clipped. Objects in forms are clipped in the form's own coordinates."""
    import pypdfium2.raw as pdfium

    path = pdfium.FPDFPageObj_GetClipPath(item)
    count = pdfium.FPDFClipPath_CountPaths(path) if path else 0
    x, y = ctypes.c_float(), ctypes.c_float()
    kept: Box | None = None
    for number in range(min(count, _CLIP_PATHS)):
        points = []
        for segment_number in range(min(64, pdfium.FPDFClipPath_CountPathSegments(path, number))):
            segment = pdfium.FPDFClipPath_GetPathSegment(path, number, segment_number)
            pdfium.FPDFPathSegment_GetPoint(segment, x, y)
            points.append(frame.place(x.value, y.value))
        if points:
            across, down = [a for a, _ in points], [b for _, b in points]
            box = Box(min(across), min(down), max(across), max(down))
            kept = box if kept is None else box.within(kept)
    return kept


def _has_form_values(page: Any) -> bool:
    """Return whether fields or notes are drawn upon the page."""
    import pypdfium2.raw as pdfium

    shown = (pdfium.FPDF_ANNOT_WIDGET, pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_STAMP)
    for number in range(min(MAX_LINKS, max(0, pdfium.FPDFPage_GetAnnotCount(page.raw)))):
        note = pdfium.FPDFPage_GetAnnot(page.raw, number)
        kind = pdfium.FPDFAnnot_GetSubtype(note) if note else -1
        if note:
            pdfium.FPDFPage_CloseAnnot(note)
        if kind in shown:
            return True
    return False


def _links(page: Any) -> list[Link]:
    """Return where links lead, and the rectangles of the page that are sensitive to a click."""
    import pypdfium2.raw as pdfium

    found: list[Link] = []
    position, link = ctypes.c_int(0), pdfium.FPDF_LINK()
    while len(found) < MAX_LINKS and pdfium.FPDFLink_Enumerate(page.raw, position, link):
        action = pdfium.FPDFLink_GetAction(link)
        if not action or pdfium.FPDFAction_GetType(action) != pdfium.PDFACTION_URI:
            continue
        target = ctypes.create_string_buffer(MAX_LINK)
        pdfium.FPDFAction_GetURIPath(page.pdf.raw, action, target, MAX_LINK)
        target_address = safe_link(target.value.decode("utf-8", "replace"))
        sides = pdfium.FS_RECTF()
        if target_address and pdfium.FPDFLink_GetAnnotRect(link, sides):
            found.append(((sides.left, sides.bottom, sides.right, sides.top), target_address))
    return found


def _rules_and_strikes(graphics: Graphics, words: Sequence[Word]) -> tuple[list[Rule], list[Rule]]:
    """Return the rules, and those among them that cross words out."""
    rules = joined_rules(graphics.rules)
    strikes = []
    for rule in rules:
        if not rule.level:
            continue
        crossed = [word for word in words if _crosses(rule, word)]
        if crossed and sum(word.box.width for word in crossed) > 0.6 * rule.length:
            strikes.append(rule)
    return [rule for rule in rules if rule not in strikes], strikes


def _crosses(rule: Rule, word: Word) -> bool:
    box = word.box
    above, below = _STRUCK
    within = box.top + above * box.height <= rule.at <= box.top + below * box.height
    covered = min(rule.end, box.right) - max(rule.start, box.left)
    return within and covered > 0.7 * box.width


def _marked(word: Word, links: Sequence[tuple[Box, str]], strikes: Sequence[Rule]) -> Word:
    link = next((target for box, target in links if box.holds(word.box)), "")
    struck = any(_crosses(rule, word) for rule in strikes)
    return replace(word, link=link, struck=struck) if link or struck else word


def _without_alphabet(text_page: Any) -> bool:
    """Return whether the fonts of a page don't tell which letters their glyphs are."""
    import pypdfium2.raw as pdfium

    count = text_page.count_chars()
    unknown = sum(pdfium.FPDFText_HasUnicodeMapError(text_page.raw, index) == 1 for index in range(count))
    return bool(unknown > _UNREADABLE * max(1, count))


def _garbled(words: Sequence[Word]) -> bool:
    """Return whether the fonts don't say which letters their glyphs are."""
    letters = [letter for word in words for letter in word.text]
    return bool(letters) and sum(map(is_private, letters)) > _UNREADABLE * len(letters)


def _pictures(graphics: Graphics, frame: Box, words: Sequence[Word]) -> tuple[Box, ...]:
    """Return the larger pictures with hardly a word on them."""
    kept: list[Box] = []
    for picture in graphics.pictures:
        inside = picture.box.within(frame)
        if inside.width <= 0 or inside.height <= 0 or inside.area < PICTURE * frame.area:
            continue
        covered = sum(word.box.area for word in words if inside.holds(word.box))
        if covered < 0.01 * inside.area and not any(inside.shared(other) > 0.9 * inside.area for other in kept):
            kept.append(inside)
    return tuple(kept)
