"""Parsing a document: detect its real kind, pick the parser, and run it in a child process."""

from __future__ import annotations

import importlib
import re
from functools import cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bot.domain.documents.parsed import MAX_BYTES
from bot.domain.errors import DocumentError
from retrieval.parse.detection import describe, kind_of
from retrieval.parse.formats.html import HtmlParser
from retrieval.parse.formats.markdown import MarkdownParser
from retrieval.parse.formats.text import TextParser
from retrieval.parse.kinds import KINDS, in_words
from retrieval.parse.sandbox import MOST_SECONDS, parse_in_child
from retrieval.parse.text import EmptyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bot.domain.documents.parsed import ParsedDocument
    from bot.domain.ports import Parser
    from bot.hooks.host import PluginHost

TEXT_PARSERS = (TextParser, MarkdownParser, HtmlParser)
"""Parsers of most documents, which a warm process has ready. The others need large libraries."""

MAX_DEPTH = 5
"""Documents around another at most, such as mails forwarded in mails."""

_BUILT_IN = "retrieval.parse."


@runtime_checkable
class Container(Protocol):
    """A parser of files that contain others, such as mails."""

    def parse_with(self, data: bytes, name: str, read: Callable[[bytes, str], ParsedDocument]) -> ParsedDocument:
        """Parse the file, and those in it by ``read``, which raises :class:`bot.DocumentError`."""


def built_in_parsers() -> tuple[Parser, ...]:
    """Return the parsers that come with Mentee."""
    return tuple(kind.parser() for kind in KINDS)


def parsers_of(plugins: PluginHost) -> dict[str, Parser]:
    """Return the parsers that an instance's plugins offer, by suffix."""
    return by_suffix(plugins.register_parsers())


def by_suffix(parsers: Sequence[Parser]) -> dict[str, Parser]:
    """Return the parser of each suffix; a later parser wins."""
    return {suffix.lower(): parser for parser in parsers for suffix in parser.suffixes}


def is_document(name: str, parsers: Mapping[str, Parser]) -> bool:
    """Return whether a file of a folder looks like a document: its suffix has a parser."""
    return suffix_of(name) in parsers


def suffix_of(name: str) -> str:
    """Return the lower-case suffix of a path or web address."""
    return PurePosixPath(re.split(r"[?#]", name)[0]).suffix.lower()


def parse(
    data: bytes,
    name: str,
    parsers: Mapping[str, Parser],
    *,
    characters: int | None = None,
    most_seconds: int = MOST_SECONDS,
) -> ParsedDocument:
    """Parse a document by its content; the name only decides between text formats.

    Blocking, up to half a minute, and up to ``most_seconds`` if it is a scan.

    Nothing of it is read in this process, not even to tell its kind.

    :param name: path or address.
    :param characters: the text is cut after about so many; ``None`` returns all of it.
    :raises DocumentError: it is empty, too large, of no known kind, or damaged.
    """
    if not data.strip():
        raise EmptyError(f"{name} is empty.")
    if len(data) > MAX_BYTES:
        raise DocumentError(
            f"{name} has {len(data) / 1e6:.0f} MB, more than {MAX_BYTES // 1_000_000} MB.", hint="Split it."
        )
    return parse_in_child(data, name, parsers, characters=characters, most_seconds=most_seconds)


def read(data: bytes, name: str, parsers: Mapping[str, Sequence[str]], depth: int = 0) -> ParsedDocument:
    """Pick the parser and parse, in the child process.

    :param parsers: module and class of the parser of each suffix.
    :param depth: in how many other documents it is contained.
    :raises DocumentError: it is of no known kind, or damaged.
    """
    suffix = suffix_of(name)
    own = parsers.get(suffix)
    if own is None or own[0].startswith(_BUILT_IN):  # a plugin's parser knows its own kind
        own = parsers.get(kind_of(data, name, suffix))
    if own is None:
        raise DocumentError(f"No parser reads {name}: {describe(data)}.", hint=f"Supported: {_supported(parsers)}.")
    parser = loaded(*own)
    if not isinstance(parser, Container):
        return parser.parse(data, name)
    return parser.parse_with(data, name, lambda inner, called: _contained(inner, called, parsers, depth + 1))


def _contained(data: bytes, name: str, parsers: Mapping[str, Sequence[str]], depth: int) -> ParsedDocument:
    """Read a document that is contained in another."""
    if depth > MAX_DEPTH:
        raise DocumentError(f"{name} is nested in more than {MAX_DEPTH} other files.")
    if not data.strip():
        raise EmptyError(f"{name} is empty.")
    return read(data, name, parsers, depth)


def _supported(parsers: Mapping[str, Sequence[str]]) -> str:
    """Return what can be read, in words: the built-in kinds and the suffixes that plugins add."""
    own = {suffix for kind in KINDS for suffix in kind.parser.suffixes}
    return ", ".join([in_words(), *sorted(set(parsers) - own)])


@cache
def loaded(module: str, qualified_name: str) -> Parser:
    """Return a parser by its class."""
    found: Any = importlib.import_module(module)
    for part in qualified_name.split("."):
        found = getattr(found, part)
    parser: Parser = found()
    return parser
