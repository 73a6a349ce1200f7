"""Text recognition of scans, by RapidOCR: its models come with its wheel, so that it needs no network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from retrieval.parse.pdf.geometry import Area, Box, Type, Word, around
from retrieval.parse.pdf.page.raster import rules_of, skew, turned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from retrieval.parse.pdf.geometry import Rule

SCALE = 2.0
"""Pixels to a point at which scans are read: 144 dpi."""

LONGEST_SIDE = 2_600
"""Pixels of a page's longer side; scans that were saved with one point to a pixel are larger than paper."""

STRIP = 420
"""Pixels of height that are read at a time, which bounds the memory."""

SURE = 0.5
"""What is read with less confidence is taken for a stain."""

CLEAR = 0.95
"""How sure the recogniser is of a page that lies as it should, at least; upside down, it is less."""

TYPE_SHARE = 0.8
"""Size of the type of a line, as a share of the height of its box."""

_SAME_SIZE = 0.42
_MOST = 0.5
_EITHER_WAY = 0.85
_DARK = 140
_GROUND = 0.45


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was read in a picture, in points from the sheet's top left corner.

    :param sure: how sure the recogniser is of the letters, from 0 to 1.
    :param upright: share of the letters in lines that run up or down.
    """

    words: tuple[Word, ...]
    rules: tuple[Rule, ...]
    areas: tuple[Area, ...]
    sure: float = 1.0
    upright: float = 0.0

    @property
    def legible(self) -> float:
        """How much of it can be relied on, in letters."""
        return sum(len(word.text) for word in self.words) * (1 - self.upright) * self.sure

    @property
    def turns(self) -> tuple[int, ...]:
        """The quarter turns, clockwise, that could bring the picture upright, the likeliest first.

        The recogniser turns lines that run down by itself; those that run up come to it upside down.
        """
        if self.upright > _MOST:
            return (3, 1) if self.sure >= _EITHER_WAY else (1, 3)
        return (2,) if self.sure < CLEAR else ()


def is_installed() -> bool:
    """Return whether scans can be read."""
    return find_spec("rapidocr") is not None and find_spec("onnxruntime") is not None


def scale_of(sheet: Box) -> float:
    """Return the pixels to a point at which a page is read."""
    return min(SCALE, LONGEST_SIDE / max(1.0, sheet.width, sheet.height))


def looks_written(pixels: NDArray[np.uint8]) -> bool:
    """Return whether a picture has a ground of one colour, as pages and drawings have and photographs don't."""
    shades = np.bincount(_grey(pixels).ravel() >> 4, minlength=16)
    return bool((shades[:-1] + shades[1:]).max() > _GROUND * shades.sum())


def recognise(pixels: NDArray[np.uint8], box: Box, scale: float) -> Recognised:
    """Read a picture.

    :param pixels: of the picture alone.
    :param box: where it is on the sheet.
    :param scale: pixels to a point.
    """
    grey = _grey(pixels)
    grey = turned(grey, skew(grey))
    words: list[Word] = []
    areas: list[Area] = []
    letters = sure = upright = 0.0
    for top, strip in _strips(grey):
        for line, score, runs_down in _lines(strip):
            length = sum(len(word.text) for word in line)
            letters, sure, upright = letters + length, sure + score * length, upright + runs_down * length
            placed = [_placed(word, box, top, scale) for word in line]
            words += [replace(word, order=len(words) + number) for number, word in enumerate(placed)]
            shade = _shade(strip, line)
            if shade < _DARK:
                areas.append(Area(around(word.box for word in placed), (shade, shade, shade), len(areas)))
    rules = [
        replace(
            rule,
            at=rule.at + (box.top if rule.level else box.left),
            start=rule.start + (box.left if rule.level else box.top),
            end=rule.end + (box.left if rule.level else box.top),
        )
        for rule in rules_of(grey, scale)
    ]
    whole = max(letters, 1.0)
    return Recognised(tuple(_evened(words)), tuple(rules), tuple(areas), sure / whole, upright / whole)


def _grey(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey: NDArray[np.uint8] = pixels.mean(axis=2, dtype=np.float32).astype(np.uint8)
    return grey


@cache
def _engine() -> Any:
    from rapidocr import RapidOCR

    one_thread = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,
            "Global.text_score": SURE,
            "EngineConfig.onnxruntime.enable_cpu_mem_arena": False,
            "Rec.rec_batch_num": 1,
            "Det.limit_type": "max",
            "Det.limit_side_len": 2_000,
            **one_thread,
        }
    )


def _strips(grey: NDArray[np.uint8]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield parts of a picture from top to bottom, cut where the least ink is."""
    ink = (grey < np.median(grey) - 40).sum(axis=1)
    top, height = 0, len(grey)
    while top < height:
        bottom = height
        if height - top > 1.4 * STRIP:
            near = ink[top + STRIP : top + int(1.4 * STRIP)]
            bottom = top + STRIP + _middle_of_gap(near)
        yield top, grey[top:bottom]
        top = bottom


def _middle_of_gap(ink: NDArray[np.int_]) -> int:
    """Return the middle of the longest stretch with the least ink."""
    empty = np.concatenate(([0], (ink <= ink.min() + 2).view(np.int8), [0]))
    edges = np.flatnonzero(np.diff(empty))
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return int(starts[longest] + stops[longest]) // 2


def _lines(strip: NDArray[np.uint8]) -> Iterator[tuple[list[Word], float, bool]]:
    """Yield the words of each line in pixels of the strip, how sure the recogniser is, and if the line is upright."""
    found = _engine()(np.repeat(strip[..., None], 3, axis=2), return_word_box=True)
    if not found.txts:
        return
    for quad, parts, score in zip(found.boxes, found.word_results, found.scores, strict=True):
        upright = bool(np.ptp(quad[:, 1]) > np.ptp(quad[:, 0]))
        top, bottom = float(quad[:2, 1].mean()), float(quad[2:, 1].mean())
        words = [
            Word(str(text), Box(_side(corners, min), top, _side(corners, max), bottom), Type(bottom - top))
            for text, _, corners in parts
            if str(text).strip()
        ]
        if words:
            yield words, float(score), upright


def _side(corners: Sequence[Sequence[float]], which: Any) -> float:
    return float(which(corner[0] for corner in corners))


def _placed(word: Word, box: Box, top: int, scale: float) -> Word:
    """Return a word on the sheet; the box of a line is higher than its letters."""
    size = TYPE_SHARE * word.box.height / scale
    pad = 0.1 * word.box.height
    place = Box(
        box.left + word.box.left / scale,
        box.top + (top + word.box.top + pad) / scale,
        box.left + word.box.right / scale,
        box.top + (top + word.box.bottom - pad) / scale,
    )
    return replace(word, box=place, type=Type(size))


def _evened(words: Sequence[Word]) -> list[Word]:
    """Return words whose type is about as large as most of it with the same size: boxes are not that exact."""
    if not words:
        return []
    middle = float(np.median([word.type.size for word in words for _ in word.text]))
    near = [abs(word.type.size - middle) < _SAME_SIZE * middle for word in words]
    return [
        replace(word, type=Type(round(middle, 1) if same else round(word.type.size)))
        for word, same in zip(words, near, strict=True)
    ]


def _shade(strip: NDArray[np.uint8], words: Sequence[Word]) -> int:
    """Return how light the ground behind a line is, from 0 to 255."""
    box = around(word.box for word in words)
    part = strip[max(0, int(box.top)) : int(box.bottom) + 1, max(0, int(box.left)) : int(box.right) + 1]
    return int(np.median(part)) if part.size else 255
