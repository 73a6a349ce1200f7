"""HTML to blocks. Markdown becomes HTML first, so headings, lists and hidden text are handled once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser

from bot.domain.errors import DocumentError
from retrieval.parse.formats.place import Page, Place
from retrieval.parse.formats.styles import StyleSheets
from retrieval.parse.formats.walk import Walk
from retrieval.parse.text import (
    HIDDEN_FLAG,
    INVISIBLE_FLAG,
    clean,
    decode,
    document,
    title_from,
    with_bare_headings,
    without_controls,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from selectolax.lexbor import LexborNode

    from bot.domain.documents.parsed import ParsedDocument

MAIN_SHARE = 0.1
"""A main part with less of the page's text is a frame that a script was meant to fill."""

ARTICLE_SHARE = 0.7
"""Articles with less of the page's text are parts of it among others."""

_BESIDES = "nav, footer, aside, header, script, style, noscript, template, svg, select"


class HtmlParser:
    """Web pages: the main part if the page marks one, without navigation, scripts and hidden elements."""

    name = "html"
    suffixes: tuple[str, ...] = (".html", ".htm", ".xhtml")

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        tree = LexborHTMLParser(without_controls(decode(data, name)))
        if tree.body is None:
            raise DocumentError(f"{name} has no HTML body.")
        found = tree.css_first("title")
        title = clean(found.text(strip=True))[0] if found else ""
        return from_nodes(tree, _main(tree, tree.body), title, (), name)


def from_html(html: str, title: str, flags: tuple[str, ...], name: str) -> ParsedDocument:
    """Parse HTML made from another format. Without a ``title``, the first heading or the file's name is used.

    :raises DocumentError: nothing readable is in it.
    """
    tree = LexborHTMLParser(html)
    if tree.body is None:
        raise DocumentError(f"{name} contains no text.")
    return from_nodes(tree, [tree.body], title, flags, name)


def from_nodes(
    tree: LexborHTMLParser, roots: Sequence[LexborNode], title: str, flags: tuple[str, ...], name: str
) -> ParsedDocument:
    """Parse elements of a page.

    :raises DocumentError: nothing readable is in them.
    """
    page = Page(name, tree, StyleSheets(tree), _base(tree, name))
    walk = Walk(page)
    for root in roots:
        place: Place | None = Place()
        for element in reversed([root, *_around(root)]):
            place = page.within(element, place) if place else None
        if place is not None:
            walk.visit(root, place)
    sections = with_bare_headings(walk.sections())
    first = next((section.headings[0] for section in sections if section.headings), "")
    found = [*((HIDDEN_FLAG,) if page.hidden else ()), *((INVISIBLE_FLAG,) if page.invisible else ())]
    return document(title or first or title_from(name), sections, (*flags, *found), name)


def _base(tree: LexborHTMLParser, name: str) -> str:
    """Return what a page's links are relative to: what it says, or its own address; ``""`` if nobody knows."""
    own = name if name.startswith(("http://", "https://")) else ""
    said = tree.css_first("base[href]")
    try:
        base = urljoin(own, ((said.attributes.get("href") or "") if said is not None else "").strip())
    except ValueError:
        base = own
    return base if base.startswith(("http://", "https://")) else own


def _main(tree: LexborHTMLParser, body: LexborNode) -> Sequence[LexborNode]:
    """Return the elements that hold the page's text: its main part, or its articles if little stands beside them."""
    everything = _length(body)
    for tag, share in (("main", MAIN_SHARE), ("article", ARTICLE_SHARE)):
        found = _outermost(tree.css(tag))
        length = sum(map(_length, found))
        if length and length >= share * everything:
            return found
    return [body]


def _length(node: LexborNode) -> int:
    """Return how much an element says, without the menus in it."""
    return len(node.text(strip=True)) - sum(len(each.text(strip=True)) for each in _outermost(node.css(_BESIDES)))


def _around(node: LexborNode) -> Iterator[LexborNode]:
    outer = node.parent
    while outer is not None and not (outer.tag or "-").startswith("-"):
        yield outer
        outer = outer.parent


def _outermost(nodes: Sequence[LexborNode]) -> list[LexborNode]:
    """Return the nodes that are in none of the others."""
    ids = {node.mem_id for node in nodes}
    kept = []
    for node in nodes:
        outer = node.parent
        while outer is not None and outer.mem_id not in ids:
            outer = outer.parent
        if outer is None:
            kept.append(node)
    return kept
