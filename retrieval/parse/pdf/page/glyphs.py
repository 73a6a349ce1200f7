"""The words of a page, from pdfium's characters and their boxes."""

from __future__ import annotations

import ctypes
import unicodedata
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from bot.domain.errors import DocumentError
from retrieval.parse.pdf.geometry import Box, Type, Word, around
from retrieval.parse.pdf.page.graphics import address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from retrieval.parse.pdf.geometry import Colour

MAX_GLYPHS = 400_000
"""Characters of one page; a page that a person reads has some thousand."""

GAP = 0.22
"""Width of a gap between two words, as a share of the type's size."""

_BASELINE = 0.35
_BOLD = 600
_DIFFERENT, _ONE_WIDTH = 8, 0.02
_FIXED, _ITALIC, _FORCE_BOLD = 1 << 0, 1 << 6, 1 << 18
_HYPHENS = {"\x02": "-", "\ufffe": "-", "\xad": "-", "\u2010": "-", "\u2011": "-", "\xa0": " "}
_LIGATURES = range(0xFB00, 0xFB07)
_ARABIC_FORMS = (range(0xFB50, 0xFE00), range(0xFE70, 0xFEFF))
_PRIVATE = (range(0xE000, 0xF900), range(0xFFF9, 0x10000), range(0x20))
_BULLETS = {"\uf0b7": "•", "\uf0a7": "▪", "\uf0d8": "➢", "\uf0fc": "✓", "\uf02d": "-"}  # Word's Symbol and Wingdings


@dataclass(frozen=True, slots=True)
class Ink:
    """How a text object is drawn.

    :param turn: quarter turns, clockwise, by which its lines are turned on the page.
    :param mode: PDF's text rendering mode; 3 draws nothing.
    :param colour: of the letters; ``None`` if one can see through them entirely.
    :param clip: the part of the page that is painted; ``None`` if that is all of it.
    """

    type: Type
    turn: int
    mode: int
    colour: Colour | None
    clear: bool
    font: int
    order: int
    layer: bool
    clip: Box | None = None


@dataclass(frozen=True, slots=True)
class Painted:
    """A word and how it is drawn. Its box lies on the page as it is shown."""

    word: Word
    ink: Ink


@dataclass(frozen=True, slots=True)
class _Glyph:
    text: str
    box: Box
    ink: Ink


def read_words(text_page: Any, ink_of: Callable[[Any], Ink], to_box: Callable[[Any], Box], name: str) -> list[Painted]:
    """Return the words of a page in the order of the file.

    :param ink_of: returns how a text object is drawn.
    :param to_box: turns a rectangle of the page into a box on the sheet.
    :raises DocumentError: the page has more characters than anyone could read.
    """
    count = text_page.count_chars()
    if count > MAX_GLYPHS:
        raise DocumentError(
            f"{name} has a page with {count:,} characters, more than {MAX_GLYPHS:,}.", hint="Split the page."
        )
    words: list[Painted] = []
    held: list[_Glyph] = []
    widths: dict[int, dict[str, float]] = {}
    glued = False
    for glyph in _glyphs(text_page, ink_of, to_box, count):
        broken = glyph is None or (bool(held) and _breaks(held[-1], glyph))
        if held and (broken or glyph is None or (held[-1].ink is not glyph.ink and _differs(held[-1].ink, glyph.ink))):
            words.append(_word(held, len(words), glued=glued))
            glued = not broken
            held = []
        if glyph is None:
            glued = False
        else:
            held.append(glyph)
        if glyph is not None and glyph.text.isalnum() and not glyph.ink.turn:
            widths.setdefault(glyph.ink.font, {})[glyph.text] = glyph.box.width / max(0.1, glyph.ink.type.size)
    if held:
        words.append(_word(held, len(words), glued=glued))
    fixed = {font for font, found in widths.items() if _is_fixed(found)}
    return [_fixed(painted) if painted.ink.font in fixed else painted for painted in words]


def is_private(text: str) -> bool:
    """Return whether a character says nothing without its font."""
    return any(ord(text[0]) in part for part in _PRIVATE)


def _glyphs(
    text_page: Any, ink_of: Callable[[Any], Ink], to_box: Callable[[Any], Box], count: int
) -> Iterator[_Glyph | None]:
    """Yield the glyphs, and ``None`` for white space."""
    import pypdfium2.raw as pdfium

    raw, place = text_page.raw, pdfium.FS_RECTF()
    inks: dict[int, Ink] = {}
    for index in range(count):
        code = pdfium.FPDFText_GetUnicode(raw, index)
        text = _readable(code)
        owner = pdfium.FPDFText_GetTextObject(raw, index)
        if not text or text.isspace() or not owner:
            if text or not owner:
                yield None
            continue
        key = address(owner)
        ink = inks.get(key)
        if ink is None:
            ink = inks[key] = ink_of(owner)
        pdfium.FPDFText_GetLooseCharBox(raw, index, place)
        yield _Glyph(text, to_box(place), ink)


@cache
def _readable(code: int) -> str:
    text = chr(code) if code < 0x110000 else "\ufffd"
    if code in _LIGATURES or any(code in part for part in _ARABIC_FORMS):
        return unicodedata.normalize("NFKC", text)
    return _HYPHENS.get(text) or _BULLETS.get(text) or text


def _is_fixed(widths: Mapping[str, float]) -> bool:
    """Return whether the letters of a font are all of one width."""
    return len(widths) >= _DIFFERENT and max(widths.values()) - min(widths.values()) < _ONE_WIDTH


def _fixed(painted: Painted) -> Painted:
    return replace(painted, word=replace(painted.word, type=replace(painted.word.type, mono=True)))


def _along(box: Box, turn: int) -> tuple[float, float, float]:
    """Return where a box starts and ends along its line, and the line's place."""
    match turn:
        case 0:
            return box.left, box.right, box.bottom
        case 1:
            return box.top, box.bottom, -box.left
        case 2:
            return -box.right, -box.left, -box.top
        case _:
            return -box.bottom, -box.top, box.right


def _breaks(last: _Glyph, glyph: _Glyph) -> bool:
    """Return whether white space is between two glyphs."""
    if last.ink.turn != glyph.ink.turn:
        return True
    size = max(last.ink.type.size, glyph.ink.type.size, 1.0)
    before, after = _along(last.box, last.ink.turn), _along(glyph.box, glyph.ink.turn)
    if abs(before[2] - after[2]) > _BASELINE * size + abs(last.ink.type.size - glyph.ink.type.size):
        return True
    rightward, leftward = after[0] - before[1], before[0] - after[1]
    return rightward > GAP * size if after[0] >= before[0] else leftward > GAP * size


def _differs(one: Ink, two: Ink) -> bool:
    return (one.type, one.turn, one.mode, one.colour, one.layer) != (
        two.type,
        two.turn,
        two.mode,
        two.colour,
        two.layer,
    )


def _word(glyphs: Sequence[_Glyph], order: int, *, glued: bool) -> Painted:
    ink = glyphs[0].ink
    if ink.turn == 0 and sum(map(_is_backward, glyphs)) > len(glyphs) // 2:
        glyphs = sorted(glyphs, key=lambda glyph: -glyph.box.right)  # pdfium gives some words in the order of the eye
    text = "".join(glyph.text for glyph in glyphs)
    box = around(glyph.box for glyph in glyphs)
    last = glyphs[-1].ink
    ink = replace(ink, order=max(ink.order, last.order))
    return Painted(Word(text, box, ink.type, order, glued), ink)


def _is_backward(glyph: _Glyph) -> bool:
    return unicodedata.bidirectional(glyph.text[0]) in ("R", "AL", "NSM")


def read_ink(
    item: Any,
    turn_of: Callable[[float, float], int],
    drawn: tuple[int, bool],
    clip: Box | None,
    fonts: dict[int, Type],
) -> Ink:
    """Return how a text object of pdfium is drawn.

    :param turn_of: returns the quarter turns of a direction on the page.
    :param drawn: when it is drawn, and whether in a layer.
    :param fonts: those that are known, to which its own is added.
    """
    import pypdfium2.raw as pdfium

    size, matrix = ctypes.c_float(), pdfium.FS_MATRIX()
    pdfium.FPDFTextObj_GetFontSize(item, size)
    pdfium.FPDFPageObj_GetMatrix(item, matrix)
    height = abs(size.value) * max(1e-9, (matrix.c**2 + matrix.d**2) ** 0.5)
    mode = pdfium.FPDFTextObj_GetTextRenderMode(item)
    channels = [ctypes.c_uint() for _ in range(4)]
    outline = mode in (pdfium.FPDF_TEXTRENDERMODE_STROKE, pdfium.FPDF_TEXTRENDERMODE_STROKE_CLIP)
    (pdfium.FPDFPageObj_GetStrokeColor if outline else pdfium.FPDFPageObj_GetFillColor)(item, *channels)
    red, green, blue, alpha = (channel.value for channel in channels)
    font = pdfium.FPDFTextObj_GetFont(item)
    known = address(font)
    if known not in fonts:
        fonts[known] = _type(font)
    return Ink(
        replace(fonts[known], size=round(height, 1)),
        turn_of(matrix.a, matrix.b),
        mode,
        (red, green, blue) if alpha else None,
        alpha < 255,
        known,
        *drawn,
        clip,
    )


def _type(font: Any) -> Type:
    """Return how a font looks, whatever its size."""
    import pypdfium2.raw as pdfium

    if not font:
        return Type(0)
    name = ctypes.create_string_buffer(128)
    pdfium.FPDFFont_GetBaseFontName(font, name, 128)
    called = name.value.decode("utf-8", "replace").lower()
    flags, angle = pdfium.FPDFFont_GetFlags(font), ctypes.c_int()
    pdfium.FPDFFont_GetItalicAngle(font, angle)
    bold = pdfium.FPDFFont_GetWeight(font) >= _BOLD or bool(flags & _FORCE_BOLD)
    return Type(
        0,
        bold=bold or any(part in called for part in ("bold", "black", "heavy", "-bd", "verabd")),
        italic=bool(flags & _ITALIC) or angle.value != 0 or "italic" in called or "oblique" in called,
        mono=bool(flags & _FIXED) or any(part in called for part in ("courier", "mono", "consolas", "cmtt")),
    )
