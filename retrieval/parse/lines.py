"""Lines and markers that parsers of several formats make alike."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.domain.documents.blocks import Code, Image, Item, Paragraph, Quote, Span
from retrieval.parse.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bot.domain.documents.blocks import Block, Line

MAX_LINK = 2_000
LINKS = frozenset(("http", "https", "mailto", "tel"))
"""Schemes of the links that are kept."""

MONOSPACED = re.compile(
    r"courier|consolas|\bmono\b|monospace|menlo|monaco|lucida console|source code|fira code|cascadia", re.IGNORECASE
)
"""Fonts in which code is set."""

CODE_SIGN = re.compile(r"^\s{2}|[{}=<>$\\|]|\w\(|[;:]\s*$")
"""What a line of code has, and a word set in its font doesn't."""

_RAISED = str.maketrans("0123456789+-−=()nix", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱˣ")
_LOWERED = str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎")
_LONG = 20  # characters

_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


def safe_link(address: str) -> str:
    """Return a link's address if it leads anywhere from outside the document, and ``""`` otherwise."""
    address = clean(address.strip())[0]
    try:
        scheme = urlsplit(address).scheme.lower()
    except ValueError:
        return ""
    return address if scheme in LINKS and len(address) <= MAX_LINK else ""


def tidied(spans: list[Span]) -> Line:
    """Return a line without blanks at its ends, around its line breaks and twice in a row."""
    kept: list[tuple[Span, list[str]]] = []  # each with the pieces of its text, put together at the end
    before = "\n"
    for span in spans:
        text = span.text
        if text == "\n":
            if before.endswith("\n\n"):
                continue
            if kept:
                kept[-1][1][-1] = kept[-1][1][-1].rstrip(" ")
        elif before.endswith((" ", "\n")):
            text = text.lstrip(" ")
        if not text:
            continue
        if kept and (kept[-1][0].style, kept[-1][0].link) == (span.style, span.link):
            kept[-1][1].append(text)
        else:
            kept.append((span, [text]))
        before = (before[-1:] + text)[-2:]
    return _trimmed([replace(span, text="".join(pieces)) for span, pieces in kept])


def _trimmed(spans: list[Span]) -> Line:
    while spans and not spans[-1].text.strip():
        spans.pop()
    while spans and not spans[0].text.strip():
        spans.pop(0)
    if spans:
        spans[-1] = replace(spans[-1], text=spans[-1].text.rstrip())
        spans[0] = replace(spans[0], text=spans[0].text.lstrip())
    return tuple(spans)


def is_linked(line: Line) -> bool:
    """Return whether all of a line is a link, which a heading has no place for."""
    return all(span.link for span in line if span.text.strip())


def one_line(blocks: Iterable[Block]) -> Line:
    """Return all that blocks say, as the text of a cell, a caption or a note."""
    spans: list[Span] = []
    for block in blocks:
        spans += [*([Span("\n")] if spans else []), *_spans(block)]
    return tuple(spans)


def raised(text: str) -> str:
    """Return text as it is written above the line, if it could be taken for part of the word or number before it.

    Letters alone, such as those of 1st, stay as they are.
    """
    return _moved(text, _RAISED, "^")


def lowered(text: str) -> str:
    """Return text as it is written below the line, if it could be taken for part of the word or number before it."""
    return _moved(text, _LOWERED, "_")


def _moved(text: str, signs: Mapping[int, int], mark: str) -> str:
    said = text.strip()
    if not said or (len(said) > 1 and said.isalpha()) or not any(each.isalnum() for each in said):
        return text
    if all(ord(each) in signs or each in " ,;" for each in said):
        return text.translate(signs)
    plain = said.startswith(("[", "(")) or len(said) > _LONG or not any(each.isdigit() for each in said)
    return text if plain else text.replace(said, f"{mark}({said})")


def numeral(number: int, kind: str) -> str:
    """Return a list number as HTML's ``type`` shows it: ``a``, ``A``, ``i``, ``I``, and digits for others."""
    if kind in ("a", "A") and number > 0:
        letters = ""
        while number:
            number, rest = divmod(number - 1, 26)
            letters = chr(ord("a") + rest) + letters
        return letters if kind == "a" else letters.upper()
    if kind in ("i", "I") and 0 < number < 4 * _ROMAN[0][0]:
        roman = ""
        for value, sign in _ROMAN:
            roman += sign * (number // value)
            number %= value
        return roman if kind == "i" else roman.upper()
    return str(number)


def _spans(block: Block) -> Line:
    match block:
        case Paragraph(line):
            return line
        case Item(marker, line):
            return (Span(f"{marker} "), *line)
        case Code(text):
            return (Span(text, "code"),)
        case Quote(blocks):
            return tuple(span for inner in blocks for span in _spans(inner))
        case Image(alt, caption):
            return (Span(alt or caption),)
        case _:
            rows = (block.header, *block.rows)
            return tuple(span for row in rows for cell in row for span in (*cell, Span(" ")))
