"""HTML to sections. Markdown and DOCX become HTML first, so headings, lists and hidden text are handled once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from selectolax.lexbor import LexborHTMLParser

from bot.errors import DocumentError
from bot.protocols import ParsedSection
from retrieval.parse.text import HIDDEN_FLAG, clean, decode, document, title_from

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

    from bot.protocols import ParsedDocument

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_DROPPED = frozenset(
    ("script", "style", "noscript", "template", "svg", "iframe", "object", "head", "nav", "footer", "button", "select")
)
_BLOCKS = frozenset(
    (
        *("p", "div", "section", "article", "main", "header", "aside", "ul", "ol", "dl", "table"),
        *("blockquote", "figure", "figcaption", "details", "summary", "form", "address", "dt", "hr", "body", "html"),
    )
)
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(\.0+)?\s*(;|$)|font-size\s*:\s*0(\.\d+)?(px|pt|em|rem|%)?\s*(;|$)"
    r"|(?<![\w-])color\s*:\s*(white|transparent|#fff(fff)?|rgba?\(\s*255\s*,\s*255\s*,\s*255[^)]*\))\s*(!important\s*)?(;|$)"
    r"|(left|top|text-indent)\s*:\s*-\d{3,}",
    re.IGNORECASE,
)
_MAX_DEPTH = 200


class HtmlParser:
    """Web pages: the main part where the page marks one, without navigation, scripts and hidden elements."""

    name = "html"
    suffixes: tuple[str, ...] = (".html", ".htm", ".xhtml")

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Parse, or raise :class:`bot.errors.DocumentError`."""
        text, flags = clean(decode(data, name))
        tree = LexborHTMLParser(text)
        found = tree.css_first("title")
        title = found.text(strip=True) if found else ""
        root = tree.css_first("main") or tree.css_first("article") or tree.body
        if root is None:
            raise DocumentError(f"{name} holds no HTML body.")
        return from_nodes(root, title, flags, name)


def from_html(html: str, title: str, flags: tuple[str, ...], name: str) -> ParsedDocument:
    """Parse HTML made from another format. ``title`` empty means: the first heading, else the file's name.

    :raises DocumentError: nothing readable is in it.
    """
    body = LexborHTMLParser(html).body
    if body is None:
        raise DocumentError(f"{name} holds no text.")
    return from_nodes(body, title, flags, name)


def from_nodes(root: LexborNode, title: str, flags: tuple[str, ...], name: str) -> ParsedDocument:
    """Parse the elements below ``root``.

    :raises DocumentError: nothing readable is in it.
    """
    walk = _Walk(name)
    walk.visit(root, 0)
    sections = walk.sections()
    first = next((section.headings[0] for section in sections if section.headings), "")
    hidden = (HIDDEN_FLAG,) if walk.hidden else ()
    return document(title or first or title_from(name), sections, (*flags, *hidden), name)


class _Walk:
    """One pass over the elements, in reading order."""

    def __init__(self, name: str) -> None:
        self.hidden = False
        self._name = name
        self._path: list[tuple[int, str]] = []
        self._done: list[ParsedSection] = []
        self._parts: list[str] = []

    def sections(self) -> list[ParsedSection]:
        """Return what was found."""
        self._close()
        return self._done

    def visit(self, node: LexborNode, depth: int) -> None:
        """Add a node and everything below it."""
        if depth > _MAX_DEPTH:
            raise DocumentError(f"{self._name} nests elements more than {_MAX_DEPTH} deep.")
        child = node.child
        while child is not None:
            self._add(child, depth)
            child = child.next

    def _add(self, node: LexborNode, depth: int) -> None:
        tag = node.tag or ""
        if tag == "-text":
            self._parts.append(re.sub(r"\s+", " ", node.text_content or ""))
        elif tag in _DROPPED or tag.startswith(("-", "!")):
            return
        elif _is_hidden(node):
            self.hidden = self.hidden or bool(node.text(strip=True))
        elif tag in _HEADINGS:
            self._open(_HEADINGS[tag], _line(node))
        else:
            self._element(tag, node, depth)

    def _element(self, tag: str, node: LexborNode, depth: int) -> None:
        if tag == "pre":
            self._parts.append(f"\n\n{node.text().rstrip()}\n\n")
        elif tag == "br":
            self._parts.append("\n")
        elif tag == "img":
            self._parts.append(node.attributes.get("alt") or "")
        elif tag == "tr":
            cells = [_line(cell) for cell in node.iter() if cell.tag in ("td", "th") and not _is_hidden(cell)]
            self._parts.append("\n" + " | ".join(cells))
        elif tag in ("li", "dd"):
            self._parts.append("\n- ")
            self.visit(node, depth + 1)
        elif tag in _BLOCKS:
            self._parts.append("\n\n")
            self.visit(node, depth + 1)
            self._parts.append("\n\n")
        else:
            self.visit(node, depth + 1)

    def _open(self, level: int, heading: str) -> None:
        self._close()
        while self._path and self._path[-1][0] >= level:
            self._path.pop()
        if heading:
            self._path.append((level, heading))

    def _close(self) -> None:
        text = re.sub(r"[ \t]*\n[ \t]*", "\n", "".join(self._parts))
        text = re.sub(r"\n{2,}(?=- )", "\n", re.sub(r"(?<=\n)-\n+(?=\S)", "- ", text))
        self._done.append(ParsedSection(tuple(heading for _, heading in self._path), text))
        self._parts = []


def _line(node: LexborNode) -> str:
    return " ".join(node.text(separator=" ").split()) if node.child is not None else ""


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    return "hidden" in attributes or bool(_HIDDEN_STYLE.search(attributes.get("style") or ""))
