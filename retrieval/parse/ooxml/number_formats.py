"""Numbers as spreadsheets show them: percent, currency, dates, times and a fixed number of decimals."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GENERAL = "General"
BUILT_IN: Mapping[int, str] = {
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    5: "#,##0_);(#,##0)",
    6: "#,##0_);(#,##0)",
    7: "#,##0.00_);(#,##0.00)",
    8: "#,##0.00_);(#,##0.00)",
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    14: "yyyy-mm-dd",
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    20: "h:mm",
    21: "h:mm:ss",
    22: "yyyy-mm-dd h:mm",
    37: "#,##0_);(#,##0)",
    38: "#,##0_);(#,##0)",
    39: "#,##0.00_);(#,##0.00)",
    40: "#,##0.00_);(#,##0.00)",
    41: "#,##0_);(#,##0)",
    42: "#,##0_);(#,##0)",
    43: "#,##0.00_);(#,##0.00)",
    44: "#,##0.00_);(#,##0.00)",
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
    48: "##0.0E+0",
    49: "@",
}
"""Formats that a file names by number only.

Some depend on the reader's country: here, their dates are ISO and their amounts have no currency.
"""

_TOKENS = re.compile(
    r'"(?P<text>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[\$(?P<currency>[^\]-]{0,60})(?:-[^\]]{0,60})?\]|\[(?P<span>h+|m+|s+)\]|\[[^\]]{0,60}\]'
    r"|(?P<half>AM/PM|A/P)|(?P<date>y+|m+|d+|h+|s+)(?P<fraction>\.0+)?|(?P<number>[0#?][0#?,]*(?:\.[0#?]*,*)?)"
    r"|(?P<power>E[+-]0+)|(?P<percent>%)|(?P<general>General)|(?P<any>@)|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 - a cell has no zone
_LAST_DAY = 2_958_466  # of the year 9999
_NO_LEAP_DAY = 60  # Excel counts a 29th of February 1900
_SIGNIFICANT = 11
_POSITIVE, _NEGATIVE, _ZERO = range(3)
_DAY = 86_400
_UNITS = {"h": 3_600, "m": 60, "s": 1}


class _Token(NamedTuple):
    kind: str
    said: str


def shown(number: float, code: str, *, since_1904: bool = False) -> str:
    """Return a number as a format shows it. A format that isn't known shows it as it is.

    :param code: such as ``0.0%`` or ``[$€-407] #,##0.00``.
    :param since_1904: whether the workbook counts days from 1904.
    """
    sections = _sections(code)
    if any(token.kind in ("date", "span") for token in sections[_POSITIVE]):
        return _date(number, sections[_POSITIVE], since_1904) or plain(number)
    place = _POSITIVE
    if number < 0 and len(sections) > _NEGATIVE:
        place = _NEGATIVE
    elif not number and len(sections) > _ZERO:
        place = _ZERO
    tokens = sections[place]
    signed = -number if place == _NEGATIVE else number
    return _number(signed, tokens).strip() if tokens else ""


def plain(number: float) -> str:
    """Return a number without a format, as short as spreadsheets do."""
    if isfinite(number) and number == int(number) and abs(number) < 10**_SIGNIFICANT:
        return str(int(number))
    return f"{number:.{_SIGNIFICANT}g}"


@cache
def _sections(code: str) -> tuple[tuple[_Token, ...], ...]:
    """Return the tokens of a format for positive numbers, negative ones, zero and text."""
    sections: list[list[_Token]] = [[]]
    for match in _TOKENS.finditer(code[:255]):
        kind = match.lastgroup or ""
        if kind == "other" and match[0] == ";":
            sections.append([])
        elif kind == "fraction":
            sections[-1] += [_Token("date", match["date"].lower()), _Token("fraction", match["fraction"])]
        elif kind == "date":
            sections[-1].append(_Token(kind, match[kind].lower()))
        elif kind:
            sections[-1].append(_Token(kind, match[kind] or ""))
    return tuple(map(tuple, sections))


def _number(number: float, tokens: tuple[_Token, ...]) -> str:
    if _Token("other", "/") in tokens:
        return plain(number)  # a fraction
    value = number * 100 ** sum(token.kind == "percent" for token in tokens)
    power = next((token.said for token in tokens if token.kind == "power"), "")
    pieces: list[str] = []
    written = False
    for kind, said in tokens:
        if kind == "number" and not written:
            pieces.append(f"{value:.{_decimals(said)}E}" if power else _fixed(value, said))
            written = True
        elif kind == "general" or (kind == "any" and not written):
            pieces.append(plain(value))
            written = True
        elif kind == "percent":
            pieces.append("%")
        elif kind in ("text", "escaped", "currency", "other"):
            pieces.append(said)
    text = "".join(pieces)
    return f"-{text.replace('-', '', 1)}" if text.lstrip().startswith(("$-", "€-", "£-", "¥-")) else text


def _decimals(form: str) -> int:
    return sum(char in "0#?" for char in form.partition(".")[2])


def _fixed(value: float, form: str) -> str:
    """Return a number with as many decimals as a format has, and separators if it has them."""
    kept = form.rstrip(",")
    whole, _, decimals = kept.partition(".")
    scaled = value / 1000 ** (len(form) - len(kept))
    try:
        rounded = Decimal(repr(scaled)).quantize(Decimal(1).scaleb(-_decimals(kept)), ROUND_HALF_UP)
    except InvalidOperation:
        return plain(value)
    text = f"{rounded:,f}" if "," in whole else f"{rounded:f}"
    optional = len(decimals) - len(decimals.rstrip("#?"))
    while optional and text.endswith("0") and "." in text:
        text, optional = text[:-1], optional - 1
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    least = sum(char == "0" for char in whole)
    head, dot, tail = digits.rstrip(".").partition(".")
    return f"{sign}{head.zfill(least)}{dot}{tail}"


def _date(number: float, tokens: tuple[_Token, ...], since_1904: bool) -> str:  # noqa: FBT001 - private
    """Return a date, a time or a duration; ``""`` if the calendar has no such day."""
    if not 0 <= number < _LAST_DAY:
        return ""
    days = number + 1 if 1 <= number < _NO_LEAP_DAY and not since_1904 else number
    seconds = round(days * _DAY)
    moment = (_EPOCH_1904 if since_1904 else _EPOCH) + timedelta(seconds=seconds)
    half = any(token.kind == "half" for token in tokens)
    clock = [token.said[0].lower() if token.kind in ("date", "span") else "" for token in tokens]
    pieces = []
    for place, (kind, said) in enumerate(tokens):
        if kind == "date":
            before = next(filter(None, reversed(clock[:place])), "")
            after = next(filter(None, clock[place + 1 :]), "")
            minutes = said[0] == "m" and (before == "h" or after == "s")
            pieces.append(_minutes(moment, said) if minutes else _PARTS[said[0]](moment, len(said), half))
        elif kind == "span":
            pieces.append(f"{round(number * _DAY) // _UNITS[said[0].lower()]:0{len(said)}d}")
        elif kind == "half":
            pieces.append(f"{moment:%p}")
        elif kind in ("text", "escaped", "other"):
            pieces.append(said)
    return "".join(pieces).strip()


def _minutes(moment: datetime, said: str) -> str:
    return f"{moment.minute:0{len(said)}d}"


def _year(moment: datetime, width: int, _: object) -> str:
    return f"{moment:%Y}" if width > 2 else f"{moment.year % 100:02d}"


def _month(moment: datetime, width: int, _: object) -> str:
    return f"{moment.month:0{width}d}" if width <= 2 else f"{moment:%B}" if width == 4 else f"{moment:%b}"


def _day(moment: datetime, width: int, _: object) -> str:
    return f"{moment.day:0{width}d}" if width <= 2 else f"{moment:%A}" if width == 4 else f"{moment:%a}"


def _hour(moment: datetime, width: int, half: object) -> str:
    return f"{(moment.hour - 1) % 12 + 1 if half else moment.hour:0{width}d}"


_PARTS: Mapping[str, Callable[[datetime, int, bool], str]] = {
    "y": _year,
    "m": _month,
    "d": _day,
    "h": _hour,
    "s": lambda moment, width, _: f"{moment.second:0{width}d}",
}
"""What shows each part of a date. Months and days of the week have English names."""
