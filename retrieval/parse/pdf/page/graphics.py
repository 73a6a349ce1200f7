"""Lines, areas and pictures of a page, in the order in which they are drawn."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from retrieval.parse.pdf.geometry import Area, Box, Picture, Rule

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from retrieval.parse.pdf.geometry import Colour

MAX_OBJECTS = 60_000
"""Objects of a page that are looked at; a drawing with more has no tables that anyone could tell."""

MAX_DEPTH = 12
MAX_SEGMENTS = 2_000
DOT = 8.0
"""Points up to which a shape can be a bullet."""

THIN = 2.5
"""Points up to which a filled rectangle is a line."""

Matrix = tuple[float, float, float, float, float, float]
_UNIT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


@dataclass(slots=True)
class Graphics:
    """What is drawn on a page besides text.

    :param dots: small shapes, which could be the bullets of a list.

    :param texts: for the address of each text object: when it is drawn, and whether it is in a layer that can be off.
    :param complete: whether all objects were looked at.
    """

    rules: list[Rule] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    dots: list[Box] = field(default_factory=list)
    texts: dict[int, tuple[int, bool]] = field(default_factory=dict)
    complete: bool = True


def read_graphics(page: Any, to_sheet: Callable[[float, float], tuple[float, float]]) -> Graphics:
    """Read what a page draws.

    :param to_sheet: turns the page's coordinates into points from its top left corner.
    """
    import pypdfium2.raw as pdfium

    found = Graphics()
    for order, (item, matrix) in enumerate(_objects(page.raw)):
        if order >= MAX_OBJECTS:
            found.complete = False
            break
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_TEXT:
            found.texts[address(item)] = order, _in_layer(item)
        elif kind == pdfium.FPDF_PAGEOBJ_IMAGE:
            found.pictures.append(Picture(_image_box(item, matrix, to_sheet), order))
        elif kind == pdfium.FPDF_PAGEOBJ_SHADING:
            found.pictures.append(Picture(_bounds(item, matrix, to_sheet), order))
        elif kind == pdfium.FPDF_PAGEOBJ_PATH:
            _path(item, matrix, to_sheet, order, found)
    return found


def address(item: Any) -> int:
    """Return what tells an object from the others of its page."""
    return ctypes.cast(item, ctypes.c_void_p).value or 0


def _objects(page: Any) -> Iterator[tuple[Any, Matrix]]:
    """Yield each object with the matrix of the forms around it."""
    import pypdfium2.raw as pdfium

    for number in range(max(0, pdfium.FPDFPage_CountObjects(page))):
        yield from _with_inner(pdfium.FPDFPage_GetObject(page, number), _UNIT, 0)


def _with_inner(item: Any, matrix: Matrix, depth: int) -> Iterator[tuple[Any, Matrix]]:
    import pypdfium2.raw as pdfium

    if pdfium.FPDFPageObj_GetType(item) != pdfium.FPDF_PAGEOBJ_FORM:
        yield item, matrix
        return
    if depth >= MAX_DEPTH:
        return
    inner = _times(_matrix(item), matrix)
    for number in range(max(0, pdfium.FPDFFormObj_CountObjects(item))):
        yield from _with_inner(pdfium.FPDFFormObj_GetObject(item, number), inner, depth + 1)


def _matrix(item: Any) -> Matrix:
    import pypdfium2.raw as pdfium

    held = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, held):
        return _UNIT
    return held.a, held.b, held.c, held.d, held.e, held.f


def _times(one: Matrix, two: Matrix) -> Matrix:
    """Return the matrix that applies the first and then the second."""
    a, b, c, d, e, f = one
    g, h, i, j, k, m = two
    return a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m


def _applied(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _in_layer(item: Any) -> bool:
    import pypdfium2.raw as pdfium

    name, length = ctypes.create_string_buffer(64), ctypes.c_ulong()
    for number in range(min(8, pdfium.FPDFPageObj_CountMarks(item))):
        mark = pdfium.FPDFPageObj_GetMark(item, number)
        pdfium.FPDFPageObjMark_GetName(mark, ctypes.cast(name, ctypes.POINTER(pdfium.FPDF_WCHAR)), 64, length)
        if name.raw[: length.value].decode("utf-16-le", "replace").strip("\0") == "OC":
            return True
    return False


def _bounds(item: Any, matrix: Matrix, to_sheet: Callable[[float, float], tuple[float, float]]) -> Box:
    import pypdfium2.raw as pdfium

    sides = [ctypes.c_float() for _ in range(4)]
    pdfium.FPDFPageObj_GetBounds(item, *sides)
    left, bottom, right, top = (side.value for side in sides)
    corners = ((left, bottom), (right, bottom), (right, top), (left, top))
    return _box([to_sheet(*_applied(matrix, *corner)) for corner in corners])


def _image_box(item: Any, matrix: Matrix, to_sheet: Callable[[float, float], tuple[float, float]]) -> Box:
    whole = _times(_matrix(item), matrix)
    return _box([to_sheet(*_applied(whole, *corner)) for corner in ((0, 0), (1, 0), (1, 1), (0, 1))])


def _box(points: list[tuple[float, float]]) -> Box:
    across, down = [x for x, _ in points], [y for _, y in points]
    return Box(min(across), min(down), max(across), max(down))


def _path(
    item: Any, outer: Matrix, to_sheet: Callable[[float, float], tuple[float, float]], order: int, found: Graphics
) -> None:
    """Add the lines and areas of a path."""
    import pypdfium2.raw as pdfium

    filled, stroked = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(item, filled, stroked)
    count = pdfium.FPDFPath_CountSegments(item)
    if not (filled.value or stroked.value) or not 0 < count <= MAX_SEGMENTS:
        return
    matrix = _times(_matrix(item), outer)
    drawn = _subpaths(item, count, lambda x, y: to_sheet(*_applied(matrix, x, y)))
    whole = _box([point for points in drawn for point in points]) if drawn else None
    if whole and max(whole.width, whole.height) <= DOT < 3 * min(whole.width, whole.height):
        found.dots.append(whole)
        return
    for points in drawn:
        box = _box(points)
        if filled.value:
            if min(box.width, box.height) <= THIN:
                _add_line(box, found)
            else:
                colour = _fill(item)
                if colour is not None:
                    found.areas.append(Area(box, colour, order))
        if stroked.value:
            for start, end in pairwise(points):
                _add_line(_box([start, end]), found)


def _subpaths(
    item: Any, count: int, place: Callable[[float, float], tuple[float, float]]
) -> list[list[tuple[float, float]]]:
    import pypdfium2.raw as pdfium

    paths: list[list[tuple[float, float]]] = []
    x, y = ctypes.c_float(), ctypes.c_float()
    for number in range(count):
        segment = pdfium.FPDFPath_GetPathSegment(item, number)
        pdfium.FPDFPathSegment_GetPoint(segment, x, y)
        if pdfium.FPDFPathSegment_GetType(segment) == pdfium.FPDF_SEGMENT_MOVETO or not paths:
            paths.append([])
        paths[-1].append(place(x.value, y.value))
        if pdfium.FPDFPathSegment_GetClose(segment):
            paths[-1].append(paths[-1][0])
    return [points for points in paths if len(points) > 1]


def _add_line(box: Box, found: Graphics) -> None:
    if box.height <= THIN < box.width:
        found.rules.append(Rule(level=True, at=(box.top + box.bottom) / 2, start=box.left, end=box.right))
    elif box.width <= THIN < box.height:
        found.rules.append(Rule(level=False, at=(box.left + box.right) / 2, start=box.top, end=box.bottom))


def _fill(item: Any) -> Colour | None:
    """Return the colour of an area; ``None`` if one can see through it."""
    import pypdfium2.raw as pdfium

    channels = [ctypes.c_uint() for _ in range(4)]
    if not pdfium.FPDFPageObj_GetFillColor(item, *channels):
        return None
    red, green, blue, alpha = (channel.value for channel in channels)
    return (red, green, blue) if alpha else None
