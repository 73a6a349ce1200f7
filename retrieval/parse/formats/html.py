"""HTML to blocks. Markdown becomes HTML first, so headings, lists and hidden text are handled once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from selectolax.lexbor import LexborHTMLParser

from bot.domain.errors import DocumentError
from retrieval.parse.formats.walk import Walk
from retrieval.parse.text import HIDDEN_FLAG, INVISIBLE_FLAG, clean, decode, document, title_from, without_controls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from selectolax.lexbor import LexborNode

    from bot.domain.documents.parsed import ParsedDocument


class HtmlParser:
    """Web pages: the main part if the page marks one, without navigation, scripts and hidden elements."""

    name = "html"
    suffixes: tuple[str, ...] = (".html", ".htm", ".xhtml")

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        tree = LexborHTMLParser(without_controls(decode(data, name)))
        found = tree.css_first("title")
        title = clean(found.text(strip=True))[0] if found else ""
        roots = _outermost(tree.css("main")) or _outermost(tree.css("article")) or [tree.body]
        if roots == [None]:
            raise DocumentError(f"{name} has no HTML body.")
        return from_nodes([root for root in roots if root is not None], title, (), name)


def from_html(html: str, title: str, flags: tuple[str, ...], name: str) -> ParsedDocument:
    """Parse HTML made from another format. Without a ``title``, the first heading or the file's name is used.

    :raises DocumentError: nothing readable is in it.
    """
    body = LexborHTMLParser(html).body
    if body is None:
        raise DocumentError(f"{name} contains no text.")
    return from_nodes([body], title, flags, name)


def from_nodes(roots: Sequence[LexborNode], title: str, flags: tuple[str, ...], name: str) -> ParsedDocument:
    """Parse the elements below ``roots``.

    :raises DocumentError: nothing readable is in it.
    """
    walk = Walk(name)
    for root in roots:
        walk.visit(root)
    sections = walk.sections()
    first = next((section.headings[0] for section in sections if section.headings), "")
    found = [*((HIDDEN_FLAG,) if walk.hidden else ()), *((INVISIBLE_FLAG,) if walk.invisible else ())]
    return document(title or first or title_from(name), sections, (*flags, *found), name)


def _outermost(nodes: Sequence[LexborNode]) -> list[LexborNode | None]:
    """Return the nodes that are in none of the others."""
    ids = {node.mem_id for node in nodes}
    kept: list[LexborNode | None] = []
    for node in nodes:
        outer = node.parent
        while outer is not None and outer.mem_id not in ids:
            outer = outer.parent
        if outer is None:
            kept.append(node)
    return kept
