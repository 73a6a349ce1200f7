"""Which words of a page nobody sees: off the page, without ink, covered, or in the colour of what is behind them.

Most words are plainly seen and cost nothing. Of the others, the page is rendered, and its pixels decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from retrieval.parse.pdf.geometry import Box, Colour
    from retrieval.parse.pdf.page.glyphs import Painted
    from retrieval.parse.pdf.page.graphics import Graphics

SMALLEST = 2.0
"""Points below which nobody reads type."""

SAME = 16
"""Two colours whose channels differ by no more than this can't be told apart."""

SCALE = 2.0
"""Pixels to a point at which doubtful words are looked at."""

MAX_PIXELS = 12_000_000

_NEAR = 64
_LIGHT = 200
_WITHOUT_INK = (3, 7)
_COVERAGE = 0.004
_ON_THE_WAY = 0.3
_SCAN_CONTRAST = 60
_LEAST_SCAN = 0.02


@dataclass(frozen=True, slots=True)
class Seen:
    """Words sorted by whether they are seen.

    :param layer: words without ink over a picture that shows something: the text layer of a scan.
    """

    shown: list[Painted]
    layer: list[Painted]
    hidden: bool


def seen_words(words: Sequence[Painted], graphics: Graphics, page: Any, frame: Box) -> Seen:
    """Tell the words that are seen from those that are not.

    :param frame: the sheet.
    """
    doubt = _Doubt(graphics)
    shown: list[Painted] = []
    layer: list[Painted] = []
    hidden = False
    pixels: NDArray[np.uint8] | None = None
    scale = min(SCALE, (MAX_PIXELS / max(1.0, frame.area)) ** 0.5)
    for painted in words:
        if painted.word.type.size < SMALLEST or not frame.holds(painted.word.box) or painted.ink.colour is None:
            hidden = True
            continue
        without_ink = painted.ink.mode in _WITHOUT_INK
        if not without_ink and not doubt.about(painted):
            shown.append(painted)
            continue
        if without_ink and not any(picture.box.touches(painted.word.box) for picture in graphics.pictures):
            hidden = True
            continue
        if pixels is None:
            pixels = rendered(page, scale)
        part = _part(pixels, painted.word.box, scale)
        if without_ink and _shows_something(part):
            layer.append(painted)
        elif not without_ink and _shows_ink(part, painted.ink.colour):
            shown.append(painted)
        else:
            hidden = True
    return Seen(shown, layer, hidden)


def rendered(page: Any, scale: float, crop: tuple[float, float, float, float] = (0, 0, 0, 0)) -> NDArray[np.uint8]:
    """Return a page as pixels with red, green and blue, as it is shown.

    :param crop: points left off at the left, bottom, right and top.
    """
    bitmap = page.render(scale=scale, crop=crop, rev_byteorder=True)
    found: NDArray[np.uint8] = bitmap.to_numpy()
    return np.ascontiguousarray(found[..., :3])


class _Doubt:
    """Tells which words could be unseen, by what is drawn before and after them."""

    def __init__(self, graphics: Graphics) -> None:
        self._complete = graphics.complete
        drawn = [*((area.box, area.order, area.colour) for area in graphics.areas)]
        drawn += [(picture.box, picture.order, (-1000, -1000, -1000)) for picture in graphics.pictures]
        self._boxes = np.array([(b.left, b.top, b.right, b.bottom) for b, _, _ in drawn]).reshape(-1, 4)
        self._orders = np.array([order for _, order, _ in drawn])
        self._colours = np.array([colour for *_, colour in drawn]).reshape(-1, 3)

    def about(self, painted: Painted) -> bool:
        ink, box = painted.ink, painted.word.box
        if not self._complete or ink.clear or ink.layer or (ink.colour and min(ink.colour) >= _LIGHT):
            return True
        if ink.clip is not None and not ink.clip.holds(box):
            return True
        if not len(self._boxes):
            return False
        left, top, right, bottom = self._boxes.T
        over = (left < box.right) & (right > box.left) & (top < box.bottom) & (bottom > box.top)
        if not over.any():
            return False
        alike = np.abs(self._colours - np.array(ink.colour)).max(axis=1) <= _NEAR
        return bool((over & ((self._orders > ink.order) | alike)).any())


def _part(pixels: NDArray[np.uint8], box: Box, scale: float) -> NDArray[np.int16]:
    """Return the pixels of a word and a little around it."""
    pad = 0.15 * box.height
    top, bottom = int(max(0, (box.top - pad) * scale)), int((box.bottom + pad) * scale) + 1
    left, right = int(max(0, (box.left - pad) * scale)), int((box.right + pad) * scale) + 1
    return pixels[top:bottom, left:right].reshape(-1, 3).astype(np.int16)


def _shows_something(part: NDArray[np.int16]) -> bool:
    if not len(part):
        return False
    contrast = np.abs(part - np.median(part, axis=0)).max(axis=1)
    return bool((contrast > _SCAN_CONTRAST).mean() > _LEAST_SCAN)


def _shows_ink(part: NDArray[np.int16], colour: Colour | None) -> bool:
    """Return whether some pixels are on the way from what is behind a word to its own colour."""
    if not len(part) or colour is None:
        return False
    behind = np.median(part, axis=0)
    way = np.array(colour) - behind
    if np.abs(way).max() <= SAME:
        return False
    along = ((part - behind) @ way) / float(way @ way)
    return bool((along > _ON_THE_WAY).mean() > _COVERAGE)
