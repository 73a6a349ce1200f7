"""Which elements of a page nobody sees: no box, no size, off the page, or in the colour of what is behind them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
SAME = 16
"""Two colours whose channels differ by no more than this can't be told apart."""

_INVISIBLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(\.0+)?\s*(;|$)|font-size\s*:\s*0(\.\d+)?(px|pt|em|rem|%)?\s*(;|$)"
    r"|(left|top|text-indent)\s*:\s*-\d{3,}",
    re.IGNORECASE,
)
_COLOUR = re.compile(r"(?<![\w-])color\s*:([^;]{1,80})", re.IGNORECASE)
_BACKGROUND = re.compile(r"(?<![\w-])background(?:-color)?\s*:([^;]{1,400})", re.IGNORECASE)
_STRUCK = re.compile(r"text-decoration(?:-line)?\s*:[^;]{0,40}line-through", re.IGNORECASE)
_HEX = re.compile(r"#([0-9a-f]{3,8})\b", re.IGNORECASE)
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+([\d.]{1,6})(%?))?\s*\)", re.IGNORECASE)
_NAMES: Mapping[str, Colour] = {
    "white": WHITE,
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
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
    """

    colour: Colour | None = (0, 0, 0)
    background: Colour | None = WHITE

    @property
    def hidden(self) -> bool:
        """Whether the text can't be told from what is behind it."""
        if self.colour is None:
            return True
        behind = self.background
        return behind is not None and all(abs(a - b) <= SAME for a, b in zip(self.colour, behind, strict=True))


def look_of(attributes: Mapping[str, str | None], outer: Look) -> Look:
    """Return how the text of an element looks, given how that around it looks."""
    style = attributes.get("style") or ""
    look = outer
    background = _BACKGROUND.search(style)
    behind = background[1] if background else attributes.get("bgcolor")
    if behind:
        look = replace(look, background=_behind(behind, outer.background))
    given = _COLOUR.search(style)
    text = given[1] if given else attributes.get("color")
    if text:
        look = replace(look, colour=_text_colour(text, outer.colour))
    return look


def is_invisible(attributes: Mapping[str, str | None]) -> bool:
    """Return whether an element has no visible box, whatever its colours."""
    return "hidden" in attributes or bool(_INVISIBLE.search(attributes.get("style") or ""))


def is_struck(attributes: Mapping[str, str | None]) -> bool:
    """Return whether a style crosses the text out."""
    return bool(_STRUCK.search(attributes.get("style") or ""))


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
    found, alpha = _parsed(value)
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
        alpha = float(match[4] or 1) / (100 if match[5] else 1) if (match[4] or "1").count(".") <= 1 else 1.0
        return (red, green, blue), alpha
    words = re.findall(r"[a-z]{3,20}", value)
    return next((_NAMES[word] for word in words if word in _NAMES), None), 1.0
