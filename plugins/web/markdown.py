"""Markdown to HTML that is safe whatever wrote it: no raw HTML, no images, no link without its host beside it.

Three walls: markdown-it's ``js-default`` escapes HTML, nh3 keeps listed tags only, and the page's
Content-Security-Policy runs no inline script and loads nothing from other hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TAGS = {
    "a", "blockquote", "br", "code", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
SCHEMES = {"http", "https", "mailto"}
HEADINGS = {"h1": "h3", "h2": "h3"}
"""An answer's headings go below those of the page."""

_PARSER = MarkdownIt("js-default", {"linkify": False, "typographer": False})


def render(text: str) -> str:
    """Return the text's HTML."""
    tokens = [_restyled(token) for token in _PARSER.parse(text)]
    rendered = _PARSER.renderer.render(tokens, _PARSER.options, {})
    return nh3.clean(
        rendered,
        tags=TAGS,
        attributes={"*": set(), "a": {"href", "target"}, "ol": {"start"}},
        url_schemes=SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )


def _restyled(token: Token) -> Token:
    if token.children:
        token.children = list(_with_hosts(token.children))
    token.tag = HEADINGS.get(token.tag, token.tag)
    return token


def _with_hosts(tokens: Sequence[Token]) -> Iterator[Token]:
    """Show where each link leads; a link that leads nowhere outside becomes plain text."""
    shown = ""
    for token in tokens:
        if token.type == "link_open":
            shown = _destination(str(token.attrs.get("href", "")))
            token.attrs["target"] = "_blank"
        if token.type == "image":
            yield Token("text", "", 0, content=f"[image: {token.content}]")
        elif token.type not in ("link_open", "link_close") or shown:
            yield token
        if token.type == "link_close" and shown and token.markup != "autolink":
            yield Token("text", "", 0, content=f" ({shown})")


def _destination(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme == "mailto":
        return parts.path
    return parts.hostname or "" if parts.scheme in SCHEMES else ""
