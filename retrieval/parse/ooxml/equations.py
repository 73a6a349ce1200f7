"""Equations of Office files in the linear form that Word itself shows: ``x=(-b±√(b^2-4ac))/2a``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from retrieval.parse.ooxml.package import M

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from xml.etree.ElementTree import Element

_OPERAND = re.compile(r"[\w.,%\u2032]*|[^\W\d_]\w*[⁡(].*", re.DOTALL)
_SCRIPTS = ("sSup", "sSub", "sSubSup", "f", "func")
"""Forms after which a letter or digit would seem to belong to them."""

_OPERATORS = re.compile("[\u2061-\u2064]")  # function application and the like, which nobody sees
_WORD = re.compile(r"\w")
_PROPERTIES = re.compile(r"\{[^{}]*\}\w+Pr$")


def linear(equation: Element) -> str:
    """Return an equation, an ``m:oMath`` or ``m:oMathPara``, as a line of text."""
    return " ".join(_OPERATORS.sub("", _content(equation)).split())


def _content(element: Element | None) -> str:
    pieces: list[str] = []
    apart = False
    for child in () if element is None else element:
        if piece := _said(child):
            pieces += [" "] if apart and _WORD.match(piece) else []
            pieces.append(piece)
            apart = child.tag.removeprefix(M) in _SCRIPTS
    return "".join(pieces)


def _said(element: Element) -> str:
    kind = element.tag.removeprefix(M)
    if kind == "t":
        return element.text or ""
    if kind in _FORMS:
        return _FORMS[kind](element)
    return "" if _PROPERTIES.match(element.tag) else _content(element)


def _part(element: Element, name: str) -> str:
    return _content(element.find(f"{M}{name}"))


def _operand(element: Element, name: str) -> str:
    """Return a part, in parentheses unless it stands as one thing without them."""
    said = _part(element, name)
    return said if _OPERAND.fullmatch(said) or _is_delimited(element.find(f"{M}{name}")) else f"({said})"


def _is_delimited(element: Element | None) -> bool:
    """Return whether a part is one thing in parentheses."""
    parts = [] if element is None else [each for each in element if not _PROPERTIES.match(each.tag)]
    return len(parts) == 1 and parts[0].tag == f"{M}d"


def _property(element: Element, name: str, default: str) -> str:
    """Return a property of a form, such as the sign of a sum."""
    found = element.find(f"{M}{element.tag.removeprefix(M)}Pr/{M}{name}")
    return default if found is None else found.get(f"{M}val", default)


def _fraction(element: Element) -> str:
    if _property(element, "type", "bar") == "noBar":
        return f"({_part(element, 'num')}¦{_part(element, 'den')})"
    return f"{_operand(element, 'num')}/{_operand(element, 'den')}"


def _radical(element: Element) -> str:
    degree = _part(element, "deg")
    sign = {"": "√", "3": "∛", "4": "∜"}.get(degree, f"{degree}√")
    return f"{sign}{_operand(element, 'e')}"


def _sum(element: Element) -> str:
    below, above = _part(element, "sub"), _part(element, "sup")
    limits = (f"_({below})" if below else "") + (f"^({above})" if above else "")
    return f"{_property(element, 'chr', '∫')}{limits} {_part(element, 'e')}"


def _delimited(element: Element) -> str:
    inside = _property(element, "sepChr", "|").join(_content(each) for each in element.findall(f"{M}e"))
    return f"{_property(element, 'begChr', '(')}{inside}{_property(element, 'endChr', ')')}"


def _function(element: Element) -> str:
    return f"{_part(element, 'fName')} {_operand(element, 'e')}"


def _accent(element: Element) -> str:
    said = _part(element, "e")
    return said + _property(element, "chr", "\u0302") if len(said) == 1 else f"({said}){_property(element, 'chr', '^')}"


def _matrix(element: Element) -> str:
    rows = (", ".join(_content(cell) for cell in row.findall(f"{M}e")) for row in element.findall(f"{M}mr"))
    return f"[{'; '.join(rows)}]"


def _lines(element: Element) -> str:
    return "; ".join(_content(each) for each in element.findall(f"{M}e"))


def _unseen(element: Element) -> str:
    return "" if _property(element, "show", "1") in ("0", "off", "false") else _part(element, "e")


_FORMS: Mapping[str, Callable[[Element], str]] = {
    "f": _fraction,
    "rad": _radical,
    "nary": _sum,
    "d": _delimited,
    "func": _function,
    "acc": _accent,
    "bar": lambda each: f"{_operand(each, 'e')}\u0305",
    "m": _matrix,
    "eqArr": _lines,
    "phant": _unseen,
    "sSup": lambda each: f"{_operand(each, 'e')}^{_operand(each, 'sup')}",
    "sSub": lambda each: f"{_operand(each, 'e')}_{_operand(each, 'sub')}",
    "sSubSup": lambda each: f"{_operand(each, 'e')}_{_operand(each, 'sub')}^{_operand(each, 'sup')}",
    "sPre": lambda each: f"_{_operand(each, 'sub')}^{_operand(each, 'sup')} {_operand(each, 'e')}",
    "limLow": lambda each: f"{_part(each, 'e')}_({_part(each, 'lim')})",
    "limUpp": lambda each: f"{_part(each, 'e')}^({_part(each, 'lim')})",
}
