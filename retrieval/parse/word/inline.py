"""The content of a Word paragraph: runs, links, fields, equations, and what was inserted or deleted."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Span
from retrieval.parse.formats.visibility import Look
from retrieval.parse.lines import lowered, numeral, raised, safe_link
from retrieval.parse.ooxml.equations import linear
from retrieval.parse.ooxml.package import M, R, W
from retrieval.parse.word.styles import colour, is_on, shaded

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from bot.domain.documents.blocks import Style
    from retrieval.parse.word.document import Part

DELETED = frozenset((f"{W}del", f"{W}moveFrom"))
_UNSAID = frozenset(
    f"{W}{name}" for name in ("pPr", "rPr", "sdtPr", "sdtEndPr", "smartTagPr", "instrText", "delText", "rubyPr")
)
_DRAWN = frozenset(f"{W}{name}" for name in ("drawing", "pict", "object"))
_PAGES = frozenset(("PAGE", "NUMPAGES", "SECTIONPAGES"))
_LINK_FIELD = re.compile(r'\s*HYPERLINK\s+(?:\\\w\s+)*"([^"]+)"', re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\r\n]+")
_SIGNS = {f"{W}tab": " ", f"{W}cr": "\n", f"{W}noBreakHyphen": "-", f"{W}ptab": " "}
_CHARACTERS = frozenset((f"{W}t", f"{W}br", f"{W}sym", *_SIGNS))
_SYMBOLS = {
    **dict.fromkeys(("a8", "6f", "71", "72"), "☐"),
    **dict.fromkeys(("fe", "78"), "☒"),
    "fc": "✓",
    "fb": "✗",
    "e0": "→",
    "df": "←",
    "f0": "⇨",
    "a7": "▪",
    "6e": "■",
    "4a": "☺",
    "d8": "➢",
}
"""Characters of the font Wingdings, by the last two digits of their code."""


@dataclass
class _Field:
    """A field that is open: its code, and whether its result has begun."""

    code: str = ""
    shown: bool = False

    @property
    def link(self) -> str:
        found = _LINK_FIELD.match(self.code)
        return found[1] if found else ""

    @property
    def is_page(self) -> bool:
        return bool(_PAGES.intersection(self.code.upper().split()[:1]))


@dataclass(frozen=True, slots=True)
class _Place:
    """What surrounds a run.

    :param off_line: ``superscript`` or ``subscript`` for text above or below the line.
    """

    style: str
    look: Look
    code: bool = False
    inserted: bool = False
    link: str = ""
    off_line: str = ""


@dataclass
class Content:
    """What a paragraph holds.

    :param drawn: drawings and pictures, each with what is behind them.
    :param notes: kind and id of the notes it refers to, and the mark of each.
    :param paged: whether it shows a page's number, which is left out.
    """

    spans: list[Span] = field(default_factory=list)
    drawn: list[tuple[Element, Look]] = field(default_factory=list)
    notes: list[tuple[tuple[str, str], str]] = field(default_factory=list)
    paged: bool = False


class InlineReader:
    """Reads paragraphs of a part one after the other; a field may go on in the next."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._file = part.file
        self._fields: list[_Field] = []
        self._content = Content()

    def read(self, paragraph: Element, behind: Look, *, code: bool) -> Content:
        """Return what a paragraph holds.

        :param behind: what is behind the text.
        :param code: whether its white space counts.
        """
        self._content = Content()
        for begun in self._fields:
            begun.shown = True  # a code that goes on here has lost its end, and would hide the rest of the document
        properties = paragraph.find(f"{W}pPr")
        styles = self._file.styles
        style = styles.style_of(properties)
        for each in reversed(styles.chain(style)):
            behind = shaded(each.find(f"{W}pPr"), behind)
        place = _Place(style, shaded(properties, behind), code=code)
        self._walk(paragraph, place)
        return self._content

    def _walk(self, element: Element, place: _Place) -> None:
        for child in element:
            self._add(child, place)

    def _add(self, element: Element, place: _Place) -> None:
        tag = element.tag
        if tag == f"{W}r":
            self._run(element, place)
        elif tag in DELETED or tag in _UNSAID:
            return
        elif tag == f"{W}hyperlink":
            target = self._part.relations.get(element.get(f"{R}id", ""))
            link = safe_link(target.target) if target is not None and target.external else ""
            self._walk(element, replace(place, link=link or place.link))
        elif tag == f"{W}fldSimple":
            self._fields.append(_Field(element.get(f"{W}instr", ""), shown=True))
            self._walk(element, place)
            self._fields.pop()
        elif tag in (f"{M}oMath", f"{M}oMathPara"):
            before = self._content.spans[-1].text if self._content.spans else ""
            self._say(f" {linear(element)}" if before[-1:].isalnum() else linear(element), place)
        else:
            inserted = place.inserted or tag in (f"{W}ins", f"{W}moveTo")
            self._walk(element, replace(place, inserted=inserted))

    def _run(self, run: Element, place: _Place) -> None:
        properties = run.find(f"{W}rPr")
        if properties is not None and any(properties.find(tag) is not None for tag in DELETED):
            return
        if self._file.styles.is_hidden(properties, place.style, place.look):
            self._file.hide("".join(each.text or "" for each in run.iter(f"{W}t")))
            return
        style = self._style(properties, place)
        off_line = self._file.styles.run(properties, place.style, "vertAlign") or ""
        for child in run:
            self._piece(child, replace(place, off_line=off_line), style)

    def _piece(self, element: Element, place: _Place, style: Style) -> None:
        tag = element.tag
        if tag in _CHARACTERS:
            self._say(_characters(element, code=place.code), place, style)
        elif tag in _DRAWN:
            self._content.drawn.append((element, place.look))
        elif tag in (f"{W}footnoteReference", f"{W}endnoteReference"):
            self._refer(element, place)
        elif tag == f"{W}fldChar":
            self._mark(element)
        elif tag == f"{W}instrText" and self._fields and not self._fields[-1].shown:
            self._fields[-1].code += element.text or ""
        elif tag == f"{W}ruby":
            self._ruby(element, place)
        elif tag not in _UNSAID:
            self._walk(element, place)

    def _mark(self, element: Element) -> None:
        """Begin a field, go on to its result, or end it."""
        kind = element.get(f"{W}fldCharType")
        if kind == "begin":
            self._fields.append(_Field())
            box = element.find(f"{W}ffData/{W}checkBox")
            if box is not None:
                ticked = box.find(f"{W}checked") if box.find(f"{W}checked") is not None else box.find(f"{W}default")
                on = ticked is not None and is_on(ticked.get(f"{W}val", "on"))
                self._content.spans.append(Span("☒" if on else "☐"))
        elif kind == "separate" and self._fields:
            self._fields[-1].shown = True
        elif kind == "end" and self._fields:
            self._content.paged |= self._fields.pop().is_page

    def _ruby(self, element: Element, place: _Place) -> None:
        for name, before, after in (("rubyBase", "", ""), ("rt", "(", ")")):
            for each in element.findall(f"{W}{name}"):
                self._say(before, place)
                self._walk(each, place)
                self._say(after, place)

    def _refer(self, element: Element, place: _Place) -> None:
        kind = element.tag.removeprefix(W)[0]
        key = (kind, element.get(f"{W}id", ""))
        if key not in self._file.notes:
            return
        number = self._file.noted[kind] = self._file.noted.get(kind, 0) + 1
        mark = str(number) if kind == "f" else numeral(number, "i")
        self._content.notes.append((key, mark))
        self._say(f" (note {mark})", place)

    def _say(self, text: str, place: _Place, style: Style = "") -> None:
        if any(not each.shown for each in self._fields) or not text:
            return
        if any(each.is_page for each in self._fields):
            self._content.paged = True
            return
        if not place.code:
            text = self._file.shown(text)
            text = text if text == "\n" else _BLANKS.sub(" ", text)
            move = {"superscript": raised, "subscript": lowered}.get(place.off_line)
            text = move(text) if move else text
        link = next((link for each in reversed(self._fields) if (link := safe_link(each.link))), place.link)
        self._content.spans.append(Span(text, style, link))

    def _style(self, properties: Element | None, place: _Place) -> Style:
        styles = self._file.styles

        def has(tag: str) -> bool:
            return is_on(styles.run(properties, place.style, tag))

        if has("strike") or has("dstrike"):
            return "struck"
        if styles.is_code(properties):
            return "code"
        if place.inserted:
            return "inserted"
        own = styles.run(properties, "", "b")
        if is_on(own):
            return "strong"
        return "emphasis" if is_on(styles.run(properties, "", "i")) else ""


def _characters(element: Element, *, code: bool) -> str:
    """Return the characters that a piece of a run stands for."""
    if element.tag == f"{W}t":
        return element.text or ""
    if element.tag == f"{W}br":
        return "\n" if element.get(f"{W}type", "textWrapping") == "textWrapping" else " "
    if element.tag == f"{W}sym":
        dings = element.get(f"{W}font", "").startswith("Wingdings")
        return _SYMBOLS.get(element.get(f"{W}char", "").lower()[-2:], "") if dings else ""
    return "\t" if code and element.tag == f"{W}tab" else _SIGNS[element.tag]


def page_colour(document: Element) -> Look:
    """Return the look of a document's page."""
    found = document.find(f"{W}background")
    if found is None:
        return Look()
    return Look(background=colour(found.get(f"{W}color")))
