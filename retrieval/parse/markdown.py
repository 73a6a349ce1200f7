"""Markdown as company repositories hold it: front matter, HTML, and the tags of a site generator left in the source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml
from markdown_it import MarkdownIt
from selectolax.lexbor import LexborHTMLParser

from retrieval.parse.html import from_html
from retrieval.parse.text import clean, decode

if TYPE_CHECKING:
    from bot.protocols import ParsedDocument

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_CODE = re.compile(r"(^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)[ \t]*$|`[^`\n]+`)", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"\{%-?\s*comment\s*-?%\}.*?\{%-?\s*endcomment\s*-?%\}|\{#.*?#\}|<!--.*?-->", re.DOTALL)
_RAW = re.compile(r"\{%-?\s*(?:end)?raw\s*-?%\}")
_TAG = re.compile(r"\{%-?\s*(?P<name>\w+)\s*(?:[\"'](?P<argument>[^\"'\n]*)[\"'])?[^%]*?-?%\}")
_VARIABLE = re.compile(r"\{\{.*?\}\}")
_ATTRIBUTES = re.compile(r"[ \t]*\{:?[ \t]*[#.][\w \t.#=\"'-]*\}[ \t]*$", re.MULTILINE)


class MarkdownParser:
    """CommonMark with tables. Nunjucks, Jinja and Liquid tags go; what they wrap stays."""

    name = "markdown"
    suffixes: tuple[str, ...] = (".md", ".markdown", ".mdx")

    def __init__(self) -> None:
        self._markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Parse, or raise :class:`bot.errors.DocumentError`."""
        text, flags = clean(decode(data, name))
        meta, body = split_front_matter(text)
        html = self._markdown.render(without_tags(body))
        title = meta.get("title")
        return from_html(html, _without_markup(str(title)) if isinstance(title, str | int | float) else "", flags, name)


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    """Return the YAML front matter (empty when there is none, or it is not a YAML mapping) and the rest."""
    match = _FRONT_MATTER.match(text)
    if not match:
        return {}, text
    try:
        meta = yaml.safe_load(match[1])
    except yaml.YAMLError:
        found = re.search(r"^title:[ \t]*[\"']?(.+?)[\"']?[ \t]*$", match[1], re.MULTILINE)
        return {"title": found[1]} if found else {}, text[match.end() :]
    return meta if isinstance(meta, dict) else {}, text[match.end() :]


def _without_markup(title: str) -> str:
    """Return a title without the HTML that site generators let stand in it."""
    return LexborHTMLParser(title).text().strip()


def without_tags(text: str) -> str:
    """Return Markdown without template tags; code is left as it is."""
    text = _RAW.sub("", _COMMENT.sub("", text))
    pieces = []
    end = 0
    for code in _CODE.finditer(text):
        pieces += [_plain(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*pieces, _plain(text[end:])])


def _plain(text: str) -> str:
    return _ATTRIBUTES.sub("", _VARIABLE.sub("", _TAG.sub(_tag_text, text)))


def _tag_text(tag: re.Match[str]) -> str:
    argument = tag["argument"] or ""
    if "channel" in tag["name"]:
        return f"#{argument}" if argument else ""
    return re.sub(r"\s", "%20", argument) if tag["name"] in ("page", "link", "url") else ""
