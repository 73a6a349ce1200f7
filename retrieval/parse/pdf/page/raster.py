"""What a picture of a page shows besides its letters: how far it is turned, its rules, and where it is dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrieval.parse.pdf.geometry import Rule, joined_rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Grey = NDArray[np.uint8]

STEEPEST = 3.0
"""Degrees up to which a page that was laid on a scanner askew is turned back."""

_INK = 170
_SMALL = 2
_RULE = 24.0
_UNBROKEN = 0.9
_THICK = 3.5


def skew(grey: Grey) -> float:
    """Return the degrees, counterclockwise, by which a picture has to be turned for its lines to be level."""
    from PIL import Image

    small = Image.fromarray(np.where(grey[::_SMALL, ::_SMALL] < _INK, 255, 0).astype(np.uint8))

    def sharpness(angle: float) -> float:
        turned = np.asarray(small.rotate(angle, resample=Image.Resampling.BILINEAR), dtype=np.float32)
        return float(np.square(np.diff(turned.sum(axis=1))).sum())

    best = max(np.arange(-STEEPEST, STEEPEST + 0.1, 0.5), key=sharpness)
    best = max(best + np.arange(-0.4, 0.41, 0.1), key=sharpness)
    return float(best) if sharpness(float(best)) > 1.02 * sharpness(0.0) else 0.0


def turned(grey: Grey, angle: float) -> Grey:
    """Return a picture turned counterclockwise, with paper where nothing was."""
    from PIL import Image

    if not angle:
        return grey
    paper = int(np.percentile(grey, 90))
    return np.asarray(Image.fromarray(grey).rotate(angle, resample=Image.Resampling.BICUBIC, fillcolor=paper))


def rules_of(grey: Grey, scale: float) -> list[Rule]:
    """Return the level and upright rules of a picture, in points from its top left corner.

    :param scale: pixels to a point.
    """
    ink = grey < _INK
    level = _runs(ink, scale, level=True)
    return joined_rules([*level, *_runs(ink.T, scale, level=False)])


def _runs(ink: NDArray[np.bool_], scale: float, *, level: bool) -> list[Rule]:
    """Return the long runs of ink along the rows; of one that is as thick as an area, both edges."""
    length = max(2, int(_RULE * scale))
    if ink.shape[1] <= length:
        return []
    total = np.zeros((ink.shape[0], ink.shape[1] + 1), dtype=np.int32)
    np.cumsum(ink, axis=1, out=total[:, 1:])
    within = total[:, length:] - total[:, :-length] >= _UNBROKEN * length
    bands: list[list[float]] = []  # first row, last row, start, end, ink
    for row in np.flatnonzero(within.any(axis=1)):
        edges = np.flatnonzero(np.diff(np.concatenate(([0], within[row].view(np.int8), [0]))))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            _grow(bands, float(row), float(start), float(stop - 1 + length))
    found: list[Rule] = []
    for first, last, start, end, area in bands:
        thick = area / max(1.0, end - start) / scale
        ats = [(first + last + 1) / 2] if thick <= _THICK else [first, last]
        found += [Rule(level, at / scale, start / scale, end / scale) for at in ats]
    return found


def _grow(bands: list[list[float]], row: float, start: float, end: float) -> None:
    """Add a run to the band that it touches, or begin one."""
    for band in reversed(bands[-40:]):
        if row - band[1] <= 1 and start <= band[3] and band[2] <= end:
            band[1:] = [row, min(band[2], start), max(band[3], end), band[4] + end - start]
            return
    bands.append([row, row, start, end, end - start])
