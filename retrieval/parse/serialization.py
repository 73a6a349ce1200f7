"""The JSON form of a parsed document: what a child process answers and what the database stores."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, takewhile
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from bot.domain.documents.blocks import Code, Image, Item, Paragraph, Quote, Span, Table
from bot.domain.documents.parsed import ParsedDocument, ParsedSection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bot.domain.documents.blocks import Block, Line

_DOCUMENT = TypeAdapter(ParsedDocument)


def to_json(document: ParsedDocument) -> dict[str, Any]:
    found: dict[str, Any] = _DOCUMENT.dump_python(document, mode="json")
    return found


def from_json(value: Mapping[str, Any]) -> ParsedDocument:
    return _DOCUMENT.validate_python({key: value[key] for key in ("title", "sections", "flags") if key in value})


def to_bytes(document: ParsedDocument, characters: int | None) -> bytes:
    """Return a child's answer: JSON in UTF-8, without what neither JSON's readers nor databases take.

    :param characters: the text is cut after about so many; ``None`` keeps all of it.
    """
    kept = document if characters is None else _beginning(document, characters)
    return b'{"document": ' + _DOCUMENT.dump_json(_storable(kept)) + b"}"


def _beginning(document: ParsedDocument, characters: int) -> ParsedDocument:
    sections = []
    for section in document.sections:
        blocks: list[Block] = []
        for block in section.blocks:
            if characters <= 0:
                break
            shown = _cut(block, characters)
            blocks.append(shown)
            characters -= len(ParsedSection((), (shown,)).text)
        sections.append(ParsedSection(section.headings, tuple(blocks)))
        characters -= sum(map(len, section.headings)) + 1
        if characters <= 0:
            break
    return replace(document, sections=tuple(sections))


def _cut(block: Block, characters: int) -> Block:
    """Return the beginning of a block."""
    if isinstance(block, Paragraph) and sum(len(span.text) for span in block.line) > characters:
        return replace(block, line=(Span("".join(span.text for span in block.line)[:characters]),))
    if isinstance(block, Table):
        lengths = (sum(len(span.text) for cell in row for span in cell) for row in block.rows)
        kept = sum(1 for _ in takewhile(lambda before: before < characters, accumulate(lengths, initial=0)))
        return replace(block, rows=block.rows[:kept])
    return replace(block, text=block.text[:characters]) if isinstance(block, Code) else block


def _storable(document: ParsedDocument) -> ParsedDocument:
    """Return the document without NUL and with halves of surrogate pairs joined or replaced."""
    sections = [
        ParsedSection(tuple(map(_text, part.headings)), tuple(_mapped(block, _text) for block in part.blocks))
        for part in document.sections
    ]
    return replace(document, title=_text(document.title), sections=tuple(sections))


def _text(text: str) -> str:
    text = text.replace("\0", " ")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _mapped(block: Block, change: Callable[[str], str]) -> Block:
    def line(spans: Line) -> Line:
        return tuple(Span(change(span.text), span.style, change(span.link)) for span in spans)

    def all_of(blocks: Sequence[Block]) -> tuple[Block, ...]:
        return tuple(_mapped(inner, change) for inner in blocks)

    match block:
        case Paragraph():
            return replace(block, line=line(block.line))
        case Item():
            inner = all_of(block.blocks)
            return replace(block, marker=change(block.marker), line=line(block.line), blocks=inner)
        case Table():
            rows = tuple(tuple(map(line, row)) for row in block.rows)
            return replace(block, header=tuple(map(line, block.header)), rows=rows, caption=change(block.caption))
        case Code():
            return replace(block, text=change(block.text), language=change(block.language))
        case Quote():
            return replace(block, blocks=all_of(block.blocks))
        case Image():
            return replace(block, alt=change(block.alt), caption=change(block.caption))
