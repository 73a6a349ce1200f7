"""Which elements of a page nobody sees: no box, no size, off the page, or in the colour of what is behind them."""

from __future__ import annotations

import re
from colorsys import hls_to_rgb
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
SAME = 16
"""Two colours whose channels differ by no more than this can't be told apart."""

_GONE: Mapping[str, re.Pattern[str]] = {
    "display": re.compile(r"none\b"),
    "visibility": re.compile(r"hidden|collapse"),
    "content-visibility": re.compile(r"hidden"),
    "opacity": re.compile(r"(?=[\d.])0?\.?0{0,9}%?(?:\s|!|$)"),
    "transform": re.compile(r"scale\(\s{0,9}0?\.?0{0,9}\s{0,9}[,)]"),
    "clip": re.compile(r"rect\(\s*[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?[\s,]+[01](?:px)?\s*\)"),
    "clip-path": re.compile(r"inset\(\s*(?:50|100)%|circle\(\s*0"),
    **dict.fromkeys(("left", "top", "text-indent", "margin-left"), re.compile(r"-\d{3,}")),
}
"""Values of properties with which an element has no visible box; ``.1`` and ``0.5`` are no zeros."""

_BOXES = ("height", "max-height", "width")
_NOTHING = re.compile(r"[01](?:\.0*)?(?:px|pt|em|rem|%)?(?:\s|!|$)")
_SIZE = re.compile(r"(\d{1,4}(?:\.\d{0,4})?|\.\d{1,4})(px|pt|em|rem|%)?(?:\s|!|$)")
_TINY = {"px": 2.0, "pt": 2.0, "em": 0.1, "rem": 0.1, "%": 10.0, None: 0.0}
"""Sizes of letters up to which nobody can read them, by their unit."""

_HSL = re.compile(r"hsla?\(\s*(\d{1,3})(?:deg)?[\s,]+(\d{1,3})%?[\s,]+(\d{1,3})%?(?:[\s,/]+([\d.]{1,6})(%?))?\s*\)")
_HEX = re.compile(r"#([0-9a-f]{3,8})\b", re.IGNORECASE)
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+([\d.]{1,6})(%?))?\s*\)", re.IGNORECASE)
_NAMES: Mapping[str, Colour] = {
    "white": WHITE,
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "azure": (240, 255, 255),
    "whitesmoke": (245, 245, 245),
    "ghostwhite": (248, 248, 255),
    "mintcream": (245, 255, 250),
    "aliceblue": (240, 248, 255),
    "floralwhite": (255, 250, 240),
    "lavenderblush": (255, 240, 245),
    "black": (0, 0, 0),
    "silver": (192, 192, 192),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "red": (255, 0, 0),
    "maroon": (128, 0, 0),
    "green": (0, 128, 0),
    "navy": (0, 0, 128),
    "blue": (0, 0, 255),
    "teal": (0, 128, 128),
    "purple": (128, 0, 128),
    "orange": (255, 165, 0),
    "yellow": (255, 255, 0),
}


@dataclass(frozen=True, slots=True)
class Look:
    """How text looks at a place of a page.

    :param colour: the text's colour; ``None`` if it is transparent.
    :param background: the colour behind it; ``None`` if that is a picture or unknown.
    :param tiny: whether its letters are too small to read.
    """

    colour: Colour | None = (0, 0, 0)
    background: Colour | None = WHITE
    tiny: bool = False

    @property
    def hidden(self) -> bool:
        """Whether the text is too small to read, or can't be told from what is behind it."""
        if self.tiny or self.colour is None:
            return True
        behind = self.background
        return behind is not None and all(abs(a - b) <= SAME for a, b in zip(self.colour, behind, strict=True))


def look_of(style: Mapping[str, str], attributes: Mapping[str, str | None], outer: Look) -> Look:
    """Return how the text of an element looks, given how that around it looks.

    :param style: the element's declarations.
    """
    look = outer
    backgrounds = [value for name, value in style.items() if name in ("background", "background-color")]
    behind = backgrounds[-1] if backgrounds else attributes.get("bgcolor")
    if behind:
        look = replace(look, background=_behind(behind, outer.background))
    text = style.get("color") or attributes.get("color") or attributes.get("text")
    if text:
        look = replace(look, colour=_text_colour(text, outer.colour))
    size = _SIZE.match(style.get("font-size", ""))
    return look if size is None else replace(look, tiny=_is_tiny(float(size[1]), size[2], outer))


def is_invisible(style: Mapping[str, str], attributes: Mapping[str, str | None]) -> bool:
    """Return whether an element has no visible box, whatever its colours."""
    if attributes.get("hidden", "until-found") != "until-found":
        return True
    if any(pattern.match(style[name]) for name, pattern in _GONE.items() if name in style):
        return True
    clipped = style.get("overflow", "").startswith(("hidden", "clip"))
    return clipped and any(_NOTHING.match(style.get(name, "")) for name in _BOXES)


def is_struck(style: Mapping[str, str]) -> bool:
    """Return whether a style crosses the text out."""
    return any("line-through" in style.get(name, "") for name in ("text-decoration", "text-decoration-line"))


def _is_tiny(size: float, unit: str | None, outer: Look) -> bool:
    """Return whether nobody can read letters of a size. Sizes in ``em`` and per cent are relative to that around."""
    relative = unit in ("em", "%") and size > 0
    return size <= _TINY[unit] or (relative and outer.tiny)


def _behind(value: str, outer: Colour | None) -> Colour | None:
    value = value.strip().lower()
    if value.split("!")[0].strip() in ("none", "transparent", "inherit", "initial", "unset"):
        return outer
    found, alpha = _parsed(value)
    if found is None or "url(" in value or "gradient" in value:
        return None
    return found if alpha > 0 else outer


def _text_colour(value: str, outer: Colour | None) -> Colour | None:
    value = value.strip().lower()
    if value.startswith("transparent"):
        return None
    found, alpha = (None, 1.0) if "var(" in value else _parsed(value)
    if found is None:
        return outer if outer is not None else (0, 0, 0)
    return found if alpha > 0 else None


def _parsed(value: str) -> tuple[Colour | None, float]:
    """Return a CSS colour and its opacity, from 0 to 1."""
    if match := _HEX.search(value):
        digits = match[1]
        wide = "".join(2 * digit for digit in digits) if len(digits) in (3, 4) else digits
        alpha = int(wide[6:8], 16) / 255 if len(wide) == len("rrggbbaa") else 1.0
        if len(wide) < len("rrggbb"):
            return None, 1.0
        return (int(wide[:2], 16), int(wide[2:4], 16), int(wide[4:6], 16)), alpha
    if match := _RGB.search(value):
        red, green, blue = (min(255, int(match[part])) for part in (1, 2, 3))
        return (red, green, blue), _opacity(match[4], match[5])
    if match := _HSL.search(value):
        turn, colourful, light = (min(int(match[part]), top) / top for part, top in ((1, 360), (2, 100), (3, 100)))
        mixed = hls_to_rgb(turn, light, colourful)
        return (round(255 * mixed[0]), round(255 * mixed[1]), round(255 * mixed[2])), _opacity(match[4], match[5])
    words = re.findall(r"[a-z]{3,20}", value)
    return next((_NAMES[word] for word in words if word in _NAMES), None), 1.0


def _opacity(said: str | None, percent: str | None) -> float:
    """Return an opacity as a share; one that can't be read is full."""
    try:
        return float(said or 1) / (100 if percent else 1)
    except ValueError:
        return 1.0
