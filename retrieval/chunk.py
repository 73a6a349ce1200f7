"""Cutting parsed documents into chunks that the embedder sees whole.

Headings cut first, because a heading is where an author says that something new begins; a section that is still too
long is cut by semchunk at paragraphs and sentences, with a little overlap so that no sentence loses its context.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

from semchunk.semchunk import chunkerify

from bot.sentences import pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bot.protocols import ParsedDocument, ParsedSection

SEPARATOR = " › "
CHUNK_TOKENS = 200
HEADING_TOKENS = 48
OVERLAP = 0.1
COMPLETED = 300
"""Most characters by which a cut sentence is completed; a longer one stays as it was cut."""
_EMPTY_WORDS = frozenset(
    ("doc", "document", "file", "page", "passage", "section", "part", "chunk", "item", "untitled", "text")
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document. ``context`` (title and heading path) stands above ``text`` in what is indexed.

    :param section: number of the section in the document, so that chunks of one section can be told.
    """

    chunk_id: str
    document_id: str
    heading: str
    context: str
    text: str
    section: int

    @property
    def title(self) -> str:
        """The document's title, where ``context`` has it beside the headings."""
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
        for text in _pieces(section.text, count):
            identity = f"{document_id}\n{len(chunks)}\n{heading}\n{text}"
            chunk_id = "c_" + hashlib.sha256(identity.encode()).hexdigest()[:24]
            chunks.append(Chunk(chunk_id, document_id, heading, context, text, number))
    return chunks


def in_sentences(chunk: Chunk, after: Chunk | None) -> tuple[str, str]:
    """Return a chunk's text in whole sentences, and what its section says then, as far as the next chunk holds it.

    A sentence that is cut at the end is left to the next chunk, if that begins with it, and else completed from there.

    :param after: the next chunk, if there is one.
    """
    shared, rest = _overlap(chunk, after)
    text = chunk.text + rest
    ends = [*accumulate(map(len, pieces(text)))]
    within = [end for end in ends if shared <= end and len(text[:end].rstrip()) <= len(chunk.text)]
    completing = (end for end in ends if len(chunk.text) <= end <= len(chunk.text) + COMPLETED)
    end = within[-1] if within else next(completing, len(chunk.text))
    whole = text[:end].rstrip()
    return whole, text[len(whole) :]


def _overlap(chunk: Chunk, after: Chunk | None) -> tuple[int, str]:
    """Return where in a chunk the next one of its section begins, and what only that one says."""
    if after is None or (chunk.document_id, chunk.section) != (after.document_id, after.section):
        return len(chunk.text), ""
    start = chunk.text.find(after.text[:1])
    while start >= 0:
        if after.text.startswith(chunk.text[start:]):
            return start, after.text[len(chunk.text) - start :]
        start = chunk.text.find(after.text[:1], start + 1)
    return len(chunk.text), f"\n{after.text}"


def _pieces(text: str, count: Callable[[str], int]) -> Iterator[str]:
    text = text.strip()
    if count(text) <= CHUNK_TOKENS:
        yield from [text] if text else []
        return
    chunker = chunkerify(count, CHUNK_TOKENS, memoize=False)
    yield from (piece for piece in map(str, chunker(text, overlap=OVERLAP)) if piece.strip())


def _context(title: str, section: ParsedSection, count: Callable[[str], int]) -> str:
    parts = [title] if title not in section.headings and _says_something(title) else []
    parts += section.headings
    while len(parts) > 1 and count(SEPARATOR.join(parts)) > HEADING_TOKENS:
        parts.pop(0)  # the innermost heading says most about the text
    return SEPARATOR.join(parts)


def _says_something(title: str) -> bool:
    """Return whether a title holds a word: names made by machines, such as ``doc 00123`` or a hash, only add noise."""
    return any(word not in _EMPTY_WORDS for word in re.findall(r"(?<![^\W_])[^\W\d_]{3,}(?![^\W_])", title.lower()))
