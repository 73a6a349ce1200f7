"""Renders untrusted Markdown as safe HTML: no raw HTML, no images, and the host of each link is shown beside it.

Three layers of defence: markdown-it's ``js-default`` escapes HTML, nh3 keeps only the listed tags, and the page's
Content-Security-Policy forbids inline scripts and other hosts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

from bot.domain.documents.rendering import with_plain_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TAGS = {
    "a", "blockquote", "br", "code", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
SCHEMES = {"http", "https", "mailto"}
HEADINGS = {"h1": "h3", "h2": "h3"}
"""An answer's headings rank below those of the page."""

WORD_JOINER = "\u2060"
"""Stands unseen in a number in brackets that names no source, so that the page makes no button of it."""

_PARSER = MarkdownIt("js-default", {"linkify": False, "typographer": False})


def render(text: str) -> str:
    """Return the text's HTML."""
    tokens = [_restyled(token) for token in _PARSER.parse(with_plain_numbers(text, WORD_JOINER))]
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
    """Show the host of each link whose text isn't its address; a link without a host becomes plain text."""
    address = shown = said = ""
    for token in tokens:
        said += token.content
        if token.type == "link_open":
            address, said = str(token.attrs.get("href", "")), ""
            shown = _destination(address)
            token.attrs["target"] = "_blank"
        if token.type == "image":
            yield Token("text", "", 0, content=f"[image: {token.content}]")
        elif token.type not in ("link_open", "link_close") or shown:
            yield token
        if token.type == "link_close" and shown and said != address:
            yield Token("text", "", 0, content=f" ({shown})")


def _destination(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme == "mailto":
        return parts.path
    return parts.hostname or "" if parts.scheme in SCHEMES else ""
