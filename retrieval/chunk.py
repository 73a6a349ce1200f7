"""Cuts parsed documents into chunks that fit into the embedder.

The first cuts are at headings, where the author begins a new topic. A section of prose that is still too long is cut
by semchunk at paragraphs and sentences, with a little overlap so that no sentence loses its context. One with lists,
tables or code is cut only between these: a list item, a row and a block of code stay whole unless they are too long.
Where no spaces separate words, semchunk sees no sentences either, so ours are put together until a chunk is full.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, cast

from semchunk.semchunk import chunkerify

from bot.answering.sentences import pieces
from bot.domain.documents.rendering import Mark, Rendered, Unit, excerpt, fenced, joined, units
from bot.language.words import is_unspaced, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bot.domain.documents.parsed import ParsedDocument, ParsedSection

SEPARATOR = " › "
CHUNK_TOKENS = 200
HEADING_TOKENS = 48
OVERLAP = 0.1
MAX_UNITS = 500
"""Pieces of a chunk, crossed-out ones included, at most; a piece that says something has a token at least."""

WORD_LETTERS = 3
COMPLETED = 300
"""A sentence that was cut is completed by at most this many characters; a longer one stays cut."""
_EMPTY_WORDS = frozenset(
    ("doc", "document", "file", "page", "passage", "section", "part", "chunk", "item", "untitled", "text")
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document. It is indexed as ``context`` (title and heading path) followed by ``text``.

    :param section: number of the section in the document, so that chunks of one section can be told.
    :param markdown: the text as people see it.
    :param marks: what Markdown shows differently in ``text``.
    :param page: the page where it begins; 0 in documents without pages.
    """

    chunk_id: str
    document_id: str
    heading: str
    context: str
    text: str
    section: int
    markdown: str = ""
    marks: tuple[Mark, ...] = ()
    page: int = 0

    @property
    def place(self) -> str:
        """Where people find it in the document: the heading path and the page."""
        return SEPARATOR.join(filter(None, (self.heading, f"Page {self.page}" if self.page else "")))

    @property
    def title(self) -> str:
        """The document's title, if ``context`` holds it besides the headings."""
        if not self.context.endswith(self.heading):
            return ""  # a long path was cut from its beginning
        return self.context.removesuffix(self.heading).removesuffix(SEPARATOR)

    @property
    def indexed(self) -> str:
        """The text that is embedded."""
        return f"{self.context}\n{self.text}" if self.context else self.text


def chunk_document(document: ParsedDocument, document_id: str, count: Callable[[str], int]) -> list[Chunk]:
    """Cut a document into chunks of at most :data:`CHUNK_TOKENS` tokens, headings not counted.

    :param count: length of a text in the embedder's tokens.
    """
    count = lru_cache(maxsize=20_000)(count)
    chunks: list[Chunk] = []
    for number, section in enumerate(document.sections):
        heading = SEPARATOR.join(section.headings)
        context = _context(document.title, section, count)
        for piece in _pieces(units(section.blocks), count):
            identity = f"{document_id}\n{len(chunks)}\n{heading}\n{piece.text}"
            chunk_id = "c_" + hashlib.sha256(identity.encode()).hexdigest()[:24]
            shown = (piece.markdown, piece.marks, piece.page_at(0))
            chunks.append(Chunk(chunk_id, document_id, heading, context, piece.text, number, *shown))
    return chunks


@dataclass(frozen=True, slots=True)
class Reading:
    """A chunk as it is read: in whole sentences.

    :param following: what its section says next.
    :param marks: what Markdown shows differently in ``text`` and ``following``, joined.
    """

    text: str
    following: str
    markdown: str
    marks: tuple[Mark, ...]


def in_sentences(chunk: Chunk, after: Chunk | None) -> Reading:
    """Return a chunk's text in whole sentences, and the text that follows in its section (from the next chunk).

    If the last sentence is cut, it is left to the next chunk when that begins with it; otherwise it is completed.

    :param after: the next chunk, if there is one.
    """
    shared, rest = _overlap(chunk, after)
    text = chunk.text + rest
    ends = [*accumulate(map(len, pieces(text)))]
    within = [end for end in ends if shared <= end and len(text[:end].rstrip()) <= len(chunk.text)]
    completing = (end for end in ends if len(chunk.text) <= end <= len(chunk.text) + COMPLETED)
    end = within[-1] if within else next(completing, len(chunk.text))
    whole = text[:end].rstrip()
    marks = chunk.marks
    if rest and after is not None:
        shift = len(text) - len(after.text)
        marks += tuple(
            Mark(mark.start + shift, mark.end + shift, mark.markdown)
            for mark in after.marks
            if mark.start + shift >= len(chunk.text)
        )
    markdown = chunk.markdown if whole == chunk.text else excerpt(text, marks, 0, len(whole))
    return Reading(whole, text[len(whole) :], markdown, marks)


def _overlap(chunk: Chunk, after: Chunk | None) -> tuple[int, str]:
    """Return where the overlap with the next chunk of the section begins, and what only the next chunk holds."""
    if after is None or (chunk.document_id, chunk.section) != (after.document_id, after.section):
        return len(chunk.text), ""
    start = chunk.text.find(after.text[:1])
    while start >= 0:
        if after.text.startswith(chunk.text[start:]):
            return start, after.text[len(chunk.text) - start :]
        start = chunk.text.find(after.text[:1], start + 1)
    return len(chunk.text), f"\n{after.text}"


def _pieces(parts: Sequence[Unit], count: Callable[[str], int]) -> Iterator[Rendered]:
    whole = joined(parts)
    if count(whole.text) <= CHUNK_TOKENS:
        yield from [whole] if whole.text.strip() else []
    elif all(unit.divisible for unit in parts):
        yield from _cut(whole, count, OVERLAP)
    else:
        yield from _packed(parts, count)


def _packed(parts: Sequence[Unit], count: Callable[[str], int]) -> Iterator[Rendered]:
    """Put as many units together as fit; one that is too long by itself is cut.

    One that says nothing, because all of it is crossed out, is shown with those beside it.
    """
    held: list[Unit] = []
    for unit in parts:
        if not unit.text.strip():
            held += [unit] if len(held) < MAX_UNITS else []
            continue
        if held and count(joined([*held, unit]).text) > CHUNK_TOKENS:
            yield from _shown(held)
            held = []
        if count(unit.text) <= CHUNK_TOKENS:
            held.append(unit)
            continue
        yield from _shown(held)
        held = []
        yield from _cut(joined([unit]), count, OVERLAP if unit.divisible else 0)
    yield from _shown(held)


def _shown(parts: Sequence[Unit]) -> Iterator[Rendered]:
    """Yield pieces put together if they say anything."""
    whole = joined(parts)
    if whole.text.strip():
        yield whole


def _cut(whole: Rendered, count: Callable[[str], int], overlap: float) -> Iterator[Rendered]:
    cut = _sentence_offsets if is_unspaced(whole.text) else _offsets
    for start, end in cut(whole.text, count, overlap):
        text = whole.text[start:end]
        if not text.strip():
            continue
        marks = tuple(
            Mark(mark.start - start, mark.end - start, mark.markdown)
            for mark in whole.marks
            if start <= mark.start and mark.end <= end
        )
        code = any(mark.start < end and start < mark.end for mark in whole.marks if mark.block)
        shown = fenced(text) if code else excerpt(text, marks, 0, len(text))
        yield Rendered(text, shown, marks, ((0, whole.page_at(start)),))


def _offsets(text: str, count: Callable[[str], int], overlap: float) -> list[tuple[int, int]]:
    _, offsets = chunkerify(count, CHUNK_TOKENS, memoize=False)(text, overlap=overlap or None, offsets=True)
    return cast("list[tuple[int, int]]", offsets)


def _sentence_offsets(text: str, count: Callable[[str], int], overlap: float) -> list[tuple[int, int]]:
    """Cut a text into runs of whole sentences. One that is too long by itself is cut like any other text."""
    found: list[tuple[int, int]] = []
    start = end = 0
    for sentence in pieces(text):
        last, after = end, end + len(sentence)
        if count(text[start:after]) <= CHUNK_TOKENS:
            end = after
            continue
        if end > start:
            found.append((start, end))
        start = end = last
        if count(sentence) > CHUNK_TOKENS:
            found += [(last + one, last + other) for one, other in _offsets(sentence, count, overlap)]
            start = after
        end = after
    return [*found, (start, end)] if end > start else found


def _context(title: str, section: ParsedSection, count: Callable[[str], int]) -> str:
    parts = [title] if title not in section.headings and _says_something(title) else []
    parts += section.headings
    while len(parts) > 1 and count(SEPARATOR.join(parts)) > HEADING_TOKENS:
        parts.pop(0)  # the innermost heading says most about the text
    return SEPARATOR.join(parts)


def _says_something(title: str) -> bool:
    """Return whether a title holds a word. Machine-made names, such as ``doc 00123`` or a hash, only add noise."""
    named = (word for word in words(title) if word.isalpha() and (len(word) >= WORD_LETTERS or not word.isascii()))
    return any(word not in _EMPTY_WORDS for word in named)
