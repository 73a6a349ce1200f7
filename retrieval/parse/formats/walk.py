"""One pass over the elements of a page, in reading order, that turns them into sections of blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from bot.domain.documents.blocks import Code, Image, Item, Paragraph, Quote, Span, words
from bot.domain.documents.parsed import ParsedSection
from bot.domain.errors import DocumentError
from retrieval.parse.formats.tables import is_layout, read_table
from retrieval.parse.formats.visibility import Look, is_invisible, is_struck, look_of
from retrieval.parse.lines import numeral, one_line, safe_link, tidied
from retrieval.parse.text import clean

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

    from bot.domain.documents.blocks import Block, Line, Style

MAX_DEPTH = 200
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HEADING_TAGS = ", ".join(_HEADINGS)
_DROPPED = frozenset(
    ("script", "style", "noscript", "template", "svg", "iframe", "object", "head", "nav", "footer", "select")
)
_BLOCKS = frozenset(
    (
        *("p", "div", "section", "article", "main", "header", "aside", "ul", "ol", "dl", "tr", "td", "th", "tbody"),
        *("figure", "figcaption", "details", "summary", "form", "address", "dt", "hr", "body", "html", "button"),
        *("pre", "dd", "li", "table", "blockquote", *(f"h{level}" for level in range(1, 7))),
    )
)
_STYLES: dict[str, Style] = {
    **dict.fromkeys(("b", "strong", "dt"), "strong"),
    **dict.fromkeys(("i", "em", "cite", "dfn"), "emphasis"),
    **dict.fromkeys(("code", "kbd", "samp", "tt"), "code"),
    **dict.fromkeys(("s", "del", "strike"), "struck"),
    "ins": "inserted",
}
_LANGUAGE = re.compile(r"(?:^|\s)(?:language-|lang-|highlight-source-|brush:\s?)([\w+#.-]{1,30})")


@dataclass(frozen=True, slots=True)
class _Place:
    """What surrounds a node."""

    depth: int = 0
    look: Look = field(default_factory=Look)
    style: Style = ""
    link: str = ""


class Walk:
    """Collects sections. ``hidden`` and ``invisible`` say whether elements and characters were left out."""

    def __init__(self, name: str, *, nested: bool = False) -> None:
        self.hidden = False
        self.invisible = False
        self._name = name
        self._nested = nested
        self._path: list[tuple[int, str]] = []
        self._done: list[ParsedSection] = []
        self._blocks: list[Block] = []
        self._line: list[Span] = []

    def sections(self) -> list[ParsedSection]:
        """Return what was found."""
        self._close()
        return self._done

    def blocks(self) -> list[Block]:
        """Return the blocks of the current section."""
        self._flush()
        return self._blocks

    def visit(self, node: LexborNode, place: _Place | None = None) -> None:
        """Add everything below a node."""
        inside = place or _Place()
        if inside.depth > MAX_DEPTH:
            raise DocumentError(f"{self._name} nests elements more than {MAX_DEPTH} deep.")
        child = node.child
        while child is not None:
            self._add(child, inside)
            child = child.next

    def _add(self, node: LexborNode, place: _Place) -> None:
        tag = node.tag or ""
        if tag == "-text":
            self._say(node.text_content or "", place)
            return
        if tag in _DROPPED or tag.startswith(("-", "!")):
            return
        attributes = node.attributes
        look = look_of(attributes, place.look)
        if is_invisible(attributes):
            self.hidden = self.hidden or bool(node.text(strip=True))
            return
        style: Style = "struck" if is_struck(attributes) else _STYLES.get(tag, place.style)
        if place.style in ("code", "struck"):
            style = place.style
        inside = replace(place, depth=place.depth + 1, look=look, style=style)
        if tag in _HEADINGS and not self._nested:
            self._open(_HEADINGS[tag], " ".join(words(self._line_of(node, inside)).split()))
        else:
            self._element(tag, node, inside)

    def _say(self, text: str, place: _Place) -> None:
        if place.look.hidden:
            self.hidden = self.hidden or bool(text.strip())
            return
        if place.style != "code":
            text, flags = clean(text)
            self.invisible = self.invisible or bool(flags)
        text = re.sub(r"\s+", " ", text)
        if text:
            self._line.append(Span(text, place.style, place.link))

    def _element(self, tag: str, node: LexborNode, place: _Place) -> None:
        match tag:
            case "br":
                self._line.append(Span("\n"))
            case "img":
                self._say(node.attributes.get("alt") or "", place)
            case "a":
                address = self._address(node.attributes.get("href") or "")
                self.visit(node, replace(place, link=address or place.link))
            case _ if tag in _BLOCKS:
                self._flush()
                self._block(tag, node, place)
                self._flush()
            case _:
                self.visit(node, place)

    def _block(self, tag: str, node: LexborNode, place: _Place) -> None:
        match tag:
            case "pre":
                self._code(node, place)
            case "ul" | "ol":
                self._list(node, place)
            case "dd":
                self._item("-", node, place)
            case "table" if not is_layout(node):
                self._table(node, place)
            case "blockquote" if not node.css_first(_HEADING_TAGS):
                self._quote(node, place)
            case "figure":
                self._figure(node, place)
            case _:
                self.visit(node, place)

    def _table(self, node: LexborNode, place: _Place) -> None:
        table = read_table(node, lambda cell: self._line_of(cell, _within(cell, place)), self._name)
        if table.header or any(any(row) for row in table.rows):
            self._blocks.append(table)

    def _list(self, node: LexborNode, place: _Place) -> None:
        number = _whole(node.attributes.get("start"), 1)
        kind = node.attributes.get("type") or "1"
        for child in node.iter():
            if child.tag in (
                "ul",
                "ol",
            ):  # invalid, and common: it belongs to the item before it
                inner = self._inner(child, place)
                self._blocks += [_deeper(block) for block in inner]
                continue
            if child.tag != "li":
                self._add(child, place)
                continue
            number = _whole(child.attributes.get("value"), number)
            marker = "-" if node.tag == "ul" else f"{numeral(number, kind)}."
            number += 1
            look = look_of(child.attributes, place.look)
            if is_invisible(child.attributes):
                self.hidden = self.hidden or bool(child.text(strip=True))
            else:
                self._item(marker, child, replace(place, depth=place.depth + 1, look=look))

    def _item(self, marker: str, node: LexborNode, place: _Place) -> None:
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

    def _inner(self, node: LexborNode, place: _Place, *, itself: bool = True) -> list[Block]:
        """Return the blocks of an element, walked on its own."""
        walk = Walk(self._name, nested=True)
        if itself:
            walk._add(node, place)
        else:
            walk.visit(node, place)
        blocks = walk.blocks()
        self.hidden, self.invisible = self.hidden or walk.hidden, self.invisible or walk.invisible
        return blocks

    def _quote(self, node: LexborNode, place: _Place) -> None:
        if inner := self._inner(node, place, itself=False):
            self._blocks.append(Quote(tuple(inner)))

    def _figure(self, node: LexborNode, place: _Place) -> None:
        caption, image = node.css_first("figcaption"), node.css_first("img")
        if caption is None or image is None or node.css_first("table, pre, ul, ol"):
            self.visit(node, place)
            self._flush()
            return
        alt, _ = clean(image.attributes.get("alt") or "")
        said = " ".join(words(self._line_of(caption, place)).split())
        if alt.strip() or said:
            self._blocks.append(Image(alt.strip(), said))

    def _code(self, node: LexborNode, place: _Place) -> None:
        if place.look.hidden:
            self.hidden = self.hidden or bool(node.text(strip=True))
            return
        inner = node.css_first("code")
        named = " ".join(each.attributes.get("class") or "" for each in (node, inner) if each is not None)
        language = _LANGUAGE.search(named)
        text = node.text().strip("\n").rstrip()
        if text.strip():
            self._blocks.append(Code(text, language[1] if language else ""))

    def _line_of(self, node: LexborNode, place: _Place) -> Line:
        """Return all that an element says, on one line."""
        if is_invisible(node.attributes):
            self.hidden = self.hidden or bool(node.text(strip=True))
            return ()
        return one_line(self._inner(node, place, itself=False))

    def _address(self, href: str) -> str:
        """Return a link's address if it leads anywhere from outside the page."""
        href = clean(href.strip())[0]
        if self._name.startswith(("http://", "https://")) and not href.startswith("#"):
            href = urljoin(self._name, href)
        return safe_link(href)

    def _flush(self) -> None:
        """End the current paragraph."""
        line = tidied(self._line)
        if line:
            self._blocks.append(Paragraph(line))
        self._line = []

    def _open(self, level: int, heading: str) -> None:
        self._close()
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        if heading:
            self._path.append((level, heading))

    def _close(self) -> None:
        self._flush()
        self._done.append(ParsedSection(tuple(heading for _, heading in self._path), tuple(self._blocks)))
        self._blocks = []


def _within(cell: LexborNode, place: _Place) -> _Place:
    """Return the place of a cell, with the colours of its row."""
    look = look_of(cell.parent.attributes, place.look) if cell.parent is not None else place.look
    return replace(place, look=look_of(cell.attributes, look))


def _deeper(block: Block) -> Block:
    return replace(block, level=block.level + 1) if isinstance(block, Item) else block


def _whole(value: str | None, default: int) -> int:
    text = (value or "").strip()
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else default
