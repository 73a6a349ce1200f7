"""The text of a slide's shapes: paragraphs and list items with their bullets and numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Code, Item, Paragraph
from retrieval.parse.lines import CODE_SIGN, MONOSPACED, numeral
from retrieval.parse.ooxml.drawing import paragraph_line
from retrieval.parse.ooxml.package import A, P
from retrieval.parse.slides.presentation import kind_of, mark_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Block
    from retrieval.parse.formats.visibility import Look
    from retrieval.parse.slides.presentation import Page

LEVELS = 9
_BULLETS = frozenset(f"{A}{name}" for name in ("buNone", "buChar", "buAutoNum", "buBlip"))
_SCHEME = re.compile(r"(arabic|alphaLc|alphaUc|romanLc|romanUc)(Plain|Period|ParenR|ParenBoth)")
_FORMS = {"arabic": "1", "alphaLc": "a", "alphaUc": "A", "romanLc": "i", "romanUc": "I"}
_AROUND = {"Plain": "{}", "Period": "{}.", "ParenR": "{})", "ParenBoth": "({})"}


class TextReader:
    """Reads the text of shapes of a page.

    :param left_out: what wasn't read: ``hidden``, ``invisible``.
    """

    def __init__(self, page: Page) -> None:
        self._page = page
        self.left_out: set[str] = set()

    def blocks(self, shape: Element, behind: Look | None) -> Iterator[Block]:
        """Yield a shape's paragraphs.

        :param behind: what is behind its text; ``None`` if all of it can be seen.
        """
        body = shape.find(f"{P}txBody")
        if body is None:
            return
        styles = [*self._styles(shape, body)]
        counters: dict[int, tuple[str, int]] = {}
        code: list[str] = []
        for paragraph in body.findall(f"{A}p"):
            if (said := _code(paragraph, within=bool(code))) is not None:
                code.append(said)
                continue
            yield from _gathered(code)
            code = []
            line, left_out = paragraph_line(paragraph, self._page.relations, behind, self._page.scheme)
            self.left_out |= left_out
            if not line:
                continue
            level = _level(paragraph)
            marker = _marker(self._bullet(paragraph, styles, level), level, counters)
            yield Item(marker, line, level) if marker else Paragraph(line)
        yield from _gathered(code)

    def _styles(self, shape: Element, body: Element) -> Iterator[Element]:
        """Yield the list styles that apply, nearest first."""
        for each in (body.find(f"{A}lstStyle"), *self._inherited(shape)):
            if each is not None:
                yield each

    def _inherited(self, shape: Element) -> Iterator[Element | None]:
        for each in self._page.inherited(shape):
            yield each.find(f"{P}txBody/{A}lstStyle")
        mark = mark_of(shape)
        master = self._page
        while master.above is not None:
            master = master.above
        if mark is not None:
            named = {"title": "titleStyle", "body": "bodyStyle"}.get(kind_of(mark), "otherStyle")
            yield master.root.find(f"{P}txStyles/{P}{named}")

    def _bullet(self, paragraph: Element, styles: Sequence[Element], level: int) -> Element | None:
        """Return what says how a paragraph is marked: its own, or that of a style."""
        own = paragraph.find(f"{A}pPr")
        for each in (own, *(style.find(f"{A}lvl{level + 1}pPr") for style in styles)):
            found = None if each is None else next((child for child in each if child.tag in _BULLETS), None)
            if found is not None:
                return found
        return None


def _code(paragraph: Element, *, within: bool) -> str | None:
    """Return a line of code by its font, with its white space; ``None`` for other paragraphs.

    :param within: whether it follows one, and may be empty.
    """
    runs = [run for run in paragraph.findall(f"{A}r") if (run.findtext(f"{A}t") or "").strip()]
    fonts = [run.find(f"{A}rPr/{A}latin") for run in runs]
    if not runs:
        return "" if within else None
    if not all(font is not None and MONOSPACED.search(font.get("typeface", "")) for font in fonts):
        return None
    pieces = (element.findtext(f"{A}t") or "\n" * (element.tag == f"{A}br") for element in paragraph)
    text = "".join(pieces).replace("\v", "\n")
    return text if within or CODE_SIGN.search(text) else None


def _gathered(code: Sequence[str]) -> Iterator[Block]:
    text = "\n".join(code).strip("\n").rstrip()
    if text:
        yield Code(text)


def _level(paragraph: Element) -> int:
    properties = paragraph.find(f"{A}pPr")
    said = "0" if properties is None else properties.get("lvl", "0")
    return int(said) if said in "012345678" and said else 0


def _marker(bullet: Element | None, level: int, counters: dict[int, tuple[str, int]]) -> str:
    """Return a paragraph's marker, and count it."""
    for deeper in range(level + 1, LEVELS):
        counters.pop(deeper, None)
    if bullet is None or bullet.tag == f"{A}buNone":
        counters.pop(level, None)
        return ""
    if bullet.tag != f"{A}buAutoNum":
        counters.pop(level, None)
        return "-"
    kind, start = bullet.get("type", "arabicPeriod"), bullet.get("startAt", "1")
    before, number = counters.get(level, ("", 0))
    number = number + 1 if before == kind else int(start) if start.isdecimal() else 1
    counters[level] = (kind, number)
    scheme = _SCHEME.fullmatch(kind)
    if scheme is None:
        return f"{number}."
    return _AROUND[scheme[2]].format(numeral(number, _FORMS[scheme[1]]))
