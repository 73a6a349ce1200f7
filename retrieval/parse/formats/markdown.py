"""Markdown as found in company repositories: with front matter, HTML, and template tags of site generators."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from selectolax.lexbor import LexborHTMLParser

from bot.domain.errors import DocumentError
from retrieval.parse.formats.html import from_html
from retrieval.parse.formats.markup import commonmark
from retrieval.parse.text import clean, decode, without_controls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.documents.parsed import ParsedDocument

MAX_FRONT_MATTER = 64_000
"""Characters within which front matter ends; what goes on for longer is text."""

_FRONT_MATTER = re.compile(r"\A---[ \t]*+\n(.*?)\n(?:---|\.\.\.)[ \t]*+(?:\n|\Z)", re.DOTALL)
_TOML = re.compile(r"\A\+\+\+[ \t]*+\n(.*?)\n\+\+\+[ \t]*+(?:\n|\Z)", re.DOTALL)
_KEYS = re.compile(
    r"^(?:(?i:title|layout|tags?|permalink|slug|aliases|redirect_(?:from|to)|readers)|date|authors?|description|summary|url|"
    r"lang|language|weight|order|draft|published|category|categories|sidebar\w*|nav_\w+|parent|id|toc|type|status|version|"
    r"last_\w+|updated|created|owner|keywords|excerpt|image|menu\w*|section|hide\w*)[ \t]*+:",
    re.MULTILINE,
)
"""Keys of which front matter has at least one; a note between two rules, such as ``Important: …``, has none.

Most count in small letters only: ``Date: 12 May`` and ``Place: Room 3`` between rules are for people.
"""

_TITLE = re.compile(r"^title:(.+)$", re.MULTILINE)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE_KEY = "<<"


class MarkdownParser:
    """CommonMark with tables. Nunjucks, Jinja and Liquid tags are removed; the text between them stays."""

    name = "markdown"
    suffixes: tuple[str, ...] = (".md", ".markdown", ".mdx")

    def __init__(self) -> None:
        self._markdown = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        meta, body = split_front_matter(without_controls(decode(data, name)), name)
        tokens = _between_rules_as_text(self._markdown.parse(commonmark(body)))
        html = self._markdown.renderer.render(tokens, self._markdown.options, {})
        if "readers" in meta:
            raise DocumentError(
                f"{name} names readers in its front matter, which Mentee doesn't apply.",
                hint="Remove them there, and restrict the document with `mentee documents add … --readers PRINCIPAL`.",
            )
        title = meta.get("title")
        said, flags = clean(_without_markup(str(title))) if isinstance(title, str | int | float) else ("", ())
        return from_html(html, said, flags, name)


def _between_rules_as_text(tokens: Sequence[Token]) -> list[Token]:
    """Turn headings between two rules into text. CommonMark reads the second rule as the underline of a heading."""
    made: list[Token] = []
    rule_end, note = -1, False
    for token in tokens:
        if token.type == "heading_open" and token.markup == "-" and token.map and token.map[0] == rule_end:
            note = True
            made.append(token.copy(type="paragraph_open", tag="p", markup=""))
        elif token.type == "heading_close" and note:
            note = False
            made += [token.copy(type="paragraph_close", tag="p", markup=""), Token("hr", "hr", 0, block=True)]
        else:
            made.append(token)
        if token.type == "hr" and token.markup.startswith("-") and token.map:
            rule_end = token.map[1]
    return made


def split_front_matter(text: str, name: str) -> tuple[dict[str, Any], str]:
    """Return the front matter, YAML or TOML, and the rest. Text between two rules is text, even if it has a colon.

    :raises DocumentError: it refers to other places in itself, by which a few lines can unfold into gigabytes.
    """
    if toml := _TOML.match(text, 0, MAX_FRONT_MATTER):
        try:
            return tomllib.loads(toml[1]), text[toml.end() :]
        except tomllib.TOMLDecodeError:
            return {}, text
    match = _FRONT_MATTER.match(text, 0, MAX_FRONT_MATTER)
    if not match or not _is_mapping(match[1], name) or not _KEYS.search(match[1]):
        return {}, text
    try:
        meta = yaml.load(match[1], Loader=_LOADER)  # noqa: S506 - either is a safe loader
    except (yaml.YAMLError, ValueError):  # a date such as 2024-99-99 is a ValueError
        found = _TITLE.search(match[1])
        return {"title": found[1].strip().strip("\"'")} if found else {}, text[match.end() :]
    return meta, text[match.end() :]


def _is_mapping(source: str, name: str) -> bool:
    """Return whether YAML is a mapping, broken though it may be."""
    mapping = False
    try:
        for event in yaml.parse(source, Loader=_LOADER):
            if not mapping and isinstance(event, yaml.NodeEvent):
                if not isinstance(event, yaml.MappingStartEvent):
                    return False
                mapping = True
            merge = isinstance(event, yaml.ScalarEvent) and event.implicit[0] and event.value == _MERGE_KEY
            if merge or isinstance(event, yaml.AliasEvent):
                raise DocumentError(
                    f"The front matter of {name} has aliases or merge keys.", hint="Write the values out."
                )
    except yaml.YAMLError:
        return mapping or bool(_TITLE.search(source))
    return mapping


def _without_markup(title: str) -> str:
    """Return a title without HTML, which some site generators allow in it."""
    return LexborHTMLParser(title).text().strip()
