"""One pass over the elements of a page, in reading order, that turns them into sections of blocks."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from bot.domain.documents.blocks import Code, Image, Item, Paragraph, Quote, Span, words
from bot.domain.errors import DocumentError
from retrieval.parse.formats.place import Place
from retrieval.parse.formats.tables import code_cells, is_layout, read_table, rows_of
from retrieval.parse.lines import lowered, numeral, one_line, raised, safe_link, tidied
from retrieval.parse.outline import Outline
from retrieval.parse.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from selectolax.lexbor import LexborNode

    from bot.domain.documents.blocks import Block, Line
    from bot.domain.documents.parsed import ParsedSection
    from retrieval.parse.formats.place import Page

MAX_DEPTH = 200
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HEADING_TAGS = ", ".join(_HEADINGS)
_DROPPED = frozenset(
    ("script", "style", "noscript", "template", "svg", "iframe", "object", "head", "nav", "footer", "select")
) | frozenset(("video", "audio", "canvas", "datalist", "rp", "annotation"))
_BLOCKS = frozenset(
    (
        *("p", "div", "section", "article", "main", "header", "aside", "ul", "ol", "dl", "tr", "td", "th", "tbody"),
        *("figure", "figcaption", "details", "summary", "form", "address", "dt", "hr", "body", "html", "dialog"),
        *("pre", "xmp", "listing", "textarea", "dd", "li", "table", "blockquote"),
        *(f"h{level}" for level in range(1, 7)),
    )
)
_LANGUAGE = re.compile(r"(?:^|\s)(?:language-|lang-|highlight-source-|brush:\s?)([\w+#.-]{1,30})")


_COUNTED = {
    **dict.fromkeys(("lower-alpha", "lower-latin"), "a"),
    **dict.fromkeys(("upper-alpha", "upper-latin"), "A"),
    "lower-roman": "i",
    "upper-roman": "I",
    "decimal": "1",
}
_PERMALINKS = frozenset("¶#§🔗")
"""Signs after headings that link to the headings themselves."""

_BULLETS = frozenset(("none", "disc", "circle", "square"))
_TICKS = frozenset(("checkbox", "radio"))


class Walk:
    """Collects the sections of a page."""

    def __init__(self, page: Page, *, nested: bool = False) -> None:
        self._page = page
        self._nested = nested
        self._outline = Outline()
        self._blocks: list[Block] = []
        self._line: list[Span] = []

    def sections(self) -> list[ParsedSection]:
        """Return what was found."""
        self._close()
        return self._outline.sections()

    def blocks(self) -> list[Block]:
        """Return the blocks of the current section."""
        self._flush()
        return self._blocks

    def visit(self, node: LexborNode, place: Place | None = None) -> None:
        """Add everything below a node."""
        inside = place or Place()
        if inside.depth > MAX_DEPTH:
            raise DocumentError(f"{self._page.name} nests elements more than {MAX_DEPTH} deep.")
        for child in _children(node):
            self._add(child, inside)

    def _add(self, node: LexborNode, place: Place) -> None:
        tag = node.tag or ""
        if tag == "-text":
            self._say(node.text_content or "", place)
            return
        if tag in _DROPPED or tag.startswith(("-", "!")):
            return
        inside = self._page.within(node, place)
        if inside is None:
            return
        level = 0 if self._nested else _HEADINGS.get(tag) or _said_level(node.attributes)
        if level:
            self._heading(level, self._line_of(node, inside))
        else:
            self._element(tag, node, inside)
        if not self._nested and not self._line:
            self._add_notes()

    def _say(self, text: str, place: Place) -> None:
        if place.look.hidden:
            self._page.hidden = self._page.hidden or bool(text.strip())
            return
        if place.style != "code":
            text, flags = clean(text)
            self._page.invisible = self._page.invisible or bool(flags)
        for number, line in enumerate(text.split("\n") if place.spaced else (text,)):
            self._line += [Span("\n")] if number else []
            if said := re.sub(r"\s+", " ", line):
                self._line.append(Span(said, place.style, place.link))

    def _element(self, tag: str, node: LexborNode, place: Place) -> None:
        match tag:
            case "a" | "sup" if _is_reference(node) and self._refers(node):
                pass
            case "a":
                self._link(node, place)
            case "sup" | "sub":
                self._moved(tag, node, place)
            case "br" | "img" | "input" | "q" | "rt" | "button":
                self._inline(tag, node, place)
            case _ if tag in _BLOCKS or (place.style == "code" and place.spaced and "\n" in node.text().strip()):
                self._flush()
                self._block(tag, node, place)
                self._flush()
            case _:
                self.visit(node, place)

    def _inline(self, tag: str, node: LexborNode, place: Place) -> None:
        before = after = ""
        match tag:
            case "br":
                self._line.append(Span("\n"))
            case "img":
                before = node.attributes.get("alt") or ""
            case "input" if node.attributes.get("type") in _TICKS:
                before = "☒ " if "checked" in node.attributes else "☐ "
            case "q" | "rt":
                before, after = "“”" if tag == "q" else "()"
            case "button" if self._line and not self._line[-1].text[-1:].isspace():
                before = " "
        self._say(before, place)
        self.visit(node, place)
        self._say(after, place)

    def _link(self, node: LexborNode, place: Place) -> None:
        attributes = node.attributes
        href = attributes.get("href") or ""
        address = self._address(href)
        if href.startswith("#") and (self._page.in_note or node.text(strip=True) in _PERMALINKS):
            return  # back from a footnote, or to the heading itself
        inside = replace(place, link=address or place.link)
        self.visit(node, inside)
        if address and not node.text(strip=True) and not any(img.attributes.get("alt") for img in node.css("img")):
            pictured = address if node.css_first("img, svg") else ""
            self._say(attributes.get("aria-label") or attributes.get("title") or pictured, inside)

    def _refers(self, node: LexborNode) -> bool:
        """Say the mark of a footnote if an element refers to one."""
        mark = self._page.refer(node)
        if not mark:
            return False
        self._line += [] if self._page.in_note else [Span(f" (note {mark})")]
        return True

    def _add_notes(self) -> None:
        """Put the footnotes that the last block refers to below it."""
        if self._page.in_note or not self._page.notes:
            return
        self._flush()
        self._page.in_note = True
        for mark, note in self._page.notes:
            line = self._line_of(note, Place())
            self._blocks += [Paragraph((Span(f"Note {mark}: "), *line))] if line else []
        self._page.notes, self._page.in_note = [], False

    def _moved(self, tag: str, node: LexborNode, place: Place) -> None:
        """Add text above or below the line: 10³ is not 103."""
        start = len(self._line)
        self.visit(node, place)
        said = self._line[start:]
        if said:
            text = "".join(span.text for span in said)
            self._line[start:] = [replace(said[0], text=raised(text) if tag == "sup" else lowered(text))]

    def _block(self, tag: str, node: LexborNode, place: Place) -> None:
        match tag:
            case "pre" | "xmp" | "listing":
                self._code([node], place)
            case "ul" | "ol":
                self._list(node, place)
            case "dd":
                self._item("-", node, place)
            case "table" if cells := code_cells(node):
                self._code(cells, place)
            case "table" if not is_layout(node):
                self._table(node, place)
            case "blockquote" if not node.css_first(_HEADING_TAGS):
                self._quote(node, place)
            case "figure":
                self._figure(node, place)
            case "code" | "samp" | "tt" | "kbd":
                self._code([node], place)
            case _:
                self.visit(node, place)

    def _table(self, node: LexborNode, place: Place) -> None:
        rows = [(row, inside) for row in rows_of(node) if (inside := self._through(row, node, place))]
        caption = node.css_first("caption")
        said = self._entered(caption, place) if caption else ()
        table = read_table(rows, self._entered, " ".join(words(said).split()), self._page.name)
        if table.header or any(any(row) for row in table.rows):
            self._blocks.append(table)

    def _through(self, row: LexborNode, table: LexborNode, place: Place) -> Place | None:
        """Return the place inside a row, with what its part of the table says of it."""
        steps = [row]
        while (parent := steps[-1].parent) is not None and parent.mem_id != table.mem_id:
            steps.append(parent)
        inside: Place | None = place
        for step in reversed(steps):
            inside = self._page.within(step, inside) if inside else None
        return inside

    def _list(self, node: LexborNode, place: Place) -> None:
        attributes = node.attributes
        style = self._page.sheets.of(node, attributes)
        shown = (style.get("list-style-type") or style.get("list-style") or "").split()
        named = next((_COUNTED[name] for name in shown if name in _COUNTED), "")
        kind = attributes.get("type") or named or "1"
        bullets = not named if node.tag == "ul" else bool(_BULLETS.intersection(shown))
        items = [child for child in _children(node) if child.tag == "li"]
        step = -1 if "reversed" in attributes else 1
        number = _whole(attributes.get("start"), 1 if step > 0 else len(items))
        for child in _children(node):
            if child.tag in ("ul", "ol"):  # invalid, and common: it belongs to the item before it
                self._blocks += [_deeper(block) for block in self._inner(child, place)]
                continue
            inside = self._page.within(child, place) if child.tag == "li" else None
            if inside is not None:
                number = _whole(child.attributes.get("value"), number)
                own = child.attributes.get("type") or kind
                self._item("-" if bullets else f"{numeral(number, own)}.", child, inside)
                number += step
            elif child.tag != "li":
                self._add(child, place)

    def _item(self, marker: str, node: LexborNode, place: Place) -> None:
        self._flush()
        if node.css_first(_HEADING_TAGS) and not self._nested:  # a list that arranges the page
            self.visit(node, place)
            self._flush()
            return
        found = self._inner(node, place, itself=False)
        line: Line = ()
        if found and isinstance(found[0], Paragraph):
            line, found = found[0].line, found[1:]
        nested = next((n for n, block in enumerate(found) if isinstance(block, Item)), len(found))
        if line or nested:
            self._blocks.append(Item(marker, line, 0, tuple(found[:nested])))
        self._blocks += [_deeper(block) for block in found[nested:]]

    def _inner(self, node: LexborNode, place: Place, *, itself: bool = True) -> list[Block]:
        """Return the blocks of an element, walked on its own."""
        walk = Walk(self._page, nested=True)
        if itself:
            walk._add(node, place)
        else:
            walk.visit(node, place)
        return walk.blocks()

    def _quote(self, node: LexborNode, place: Place) -> None:
        if inner := self._inner(node, place, itself=False):
            self._blocks.append(Quote(tuple(inner)))

    def _figure(self, node: LexborNode, place: Place) -> None:
        caption, image = node.css_first("figcaption"), node.css_first("img")
        if caption is None or image is None or node.css_first("table, pre, ul, ol, img ~ img"):
            self.visit(node, place)
            self._flush()
            return
        alt, _ = clean(image.attributes.get("alt") or "")
        said = " ".join(words(self._entered(caption, place)).split())
        if alt.strip() or said:
            self._blocks.append(Image(alt.strip(), said))

    def _code(self, nodes: list[LexborNode], place: Place) -> None:
        """Add a block of code: the text of some elements, one below the other."""
        inner = [each for node in nodes for each in (node, node.css_first("code")) if each is not None]
        language = _LANGUAGE.search(" ".join(each.attributes.get("class") or "" for each in inner))
        lines = ["".join(self._code_text(node, place)).strip("\n") for node in nodes]
        text = "\n".join(lines).strip("\n").rstrip()
        if text.strip():
            self._blocks.append(Code(text, language[1] if language else ""))

    def _code_text(self, node: LexborNode, place: Place) -> Iterator[str]:
        """Yield the text of code with its white space, without what is hidden or crossed out."""
        for child in _children(node):
            tag = child.tag or ""
            if tag == "-text":
                text = child.text_content or ""
                self._page.hidden = self._page.hidden or (place.look.hidden and bool(text.strip()))
                yield "" if place.look.hidden or place.style == "struck" else text
            elif tag == "br":
                yield "\n"
            elif tag not in _DROPPED and place.depth <= MAX_DEPTH and (inside := self._page.within(child, place)):
                text = "".join(self._code_text(child, inside))
                yield text
                yield "\n" if tag in _BLOCKS and not text.endswith("\n") else ""

    def _entered(self, node: LexborNode, place: Place) -> Line:
        """Return all that an element says, on one line; nothing if nobody sees it."""
        inside = self._page.within(node, place)
        return self._line_of(node, inside) if inside else ()

    def _line_of(self, node: LexborNode, place: Place) -> Line:
        """Return all that is said inside an element, on one line."""
        return one_line(self._inner(node, place, itself=False))

    def _address(self, href: str) -> str:
        """Return a link's address if it leads anywhere from outside the page."""
        href = clean(href.strip())[0]
        if self._page.base and not href.startswith("#"):
            try:
                href = urljoin(self._page.base, href)
            except ValueError:  # such as a half of an IPv6 address
                return ""
        return safe_link(href)

    def _flush(self) -> None:
        """End the current paragraph."""
        line = tidied(self._line)
        if line:
            self._blocks.append(Paragraph(line))
        self._line = []

    def _heading(self, level: int, line: Line) -> None:
        """Begin a section; a heading that shows nothing, such as an empty one, begins none."""
        heading = " ".join(words(line).split())
        if not line:
            return
        own_notes, self._page.notes = self._page.notes, []
        self._close()
        self._page.notes = own_notes
        self._outline.open(level, heading)
        own = self._page.name.partition("#")[0]
        if heading and all(span.link.partition("#")[0] not in ("", own) for span in line if span.text.strip()):
            self._blocks.append(Paragraph(line))  # a heading has no place for a link

    def _close(self) -> None:
        self._flush()
        self._add_notes()
        self._outline.add(self._blocks)
        self._blocks = []


def _children(node: LexborNode) -> Iterator[LexborNode]:
    """Yield the nodes directly below a node, its texts among them."""
    child = node.child
    while child is not None:
        yield child
        child = child.next


def _is_reference(node: LexborNode) -> bool:
    """Return whether an element may refer to a footnote: a raised link to a place in the page."""
    if node.tag == "sup":
        return node.css_first("a[href^='#']") is not None
    attributes = node.attributes
    raised = attributes.get("role") == "doc-noteref" or node.css_first("sup") is not None
    return raised and (attributes.get("href") or "").startswith("#")


def _said_level(attributes: Mapping[str, str | None]) -> int:
    """Return the level of an element that says it is a heading; 0 for others."""
    if attributes.get("role") != "heading":
        return 0
    return min(max(_whole(attributes.get("aria-level"), 2), 1), len(_HEADINGS))


def _deeper(block: Block) -> Block:
    return replace(block, level=block.level + 1) if isinstance(block, Item) else block


def _whole(value: str | None, default: int) -> int:
    text = (value or "").strip()
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else default
