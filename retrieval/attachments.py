"""Reading a file that is attached to a question, with the parsers of documents and their limits."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING

from bot.domain.errors import DocumentError
from bot.domain.questions import Attachment
from retrieval.chunk import chunk_document
from retrieval.parse.dispatch import parse, suffix_of
from retrieval.parse.sandbox import SECONDS
from retrieval.parse.text import UNREAD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.domain.ports import Parser

CHARACTERS = 60_000
"""Text read of one attachment: some twenty pages."""

TOKEN_CHARACTERS = 4
"""Characters a token has on average; pieces need no exact length."""

KINDS = {"image": "images", "audio": "sound recordings", "video": "videos"}


def refusal(name: str, parsers: Mapping[str, Parser]) -> str:
    """Return why a file of that name is not worth fetching, or nothing: no parser hears or sees."""
    kind = KINDS.get((mimetypes.guess_type(name)[0] or "").partition("/")[0])
    return f"I can't read {kind} ({name})." if kind and suffix_of(name) not in parsers else ""


def read_attachment(data: bytes, name: str, parsers: Mapping[str, Parser]) -> Attachment:
    """Read a file; one that cannot be read says so in ``problem``. Blocking, up to half a minute."""
    problem = refusal(name, parsers)
    if problem:
        return Attachment(name, problem=problem)
    try:
        document = parse(data, name, parsers, characters=2 * CHARACTERS, most_seconds=SECONDS)
    except DocumentError as error:
        return Attachment(name, problem=unread(name, error.text))
    room, pieces = CHARACTERS, []
    missing = next((flag for flag in document.flags if flag.startswith(UNREAD)), "")
    if missing:
        pages = missing.removeprefix(UNREAD).partition(" (")[0]
        problem = f"I couldn't read {pages} of {name}: there is only a picture."
    for chunk in chunk_document(document, name, lambda text: len(text) // TOKEN_CHARACTERS):
        room -= len(chunk.text)
        if room < 0:
            problem = f"Of {name} I read only the first {CHARACTERS:,} characters."
            break
        pieces.append((chunk.place, chunk.text))
    return Attachment(name, tuple(pieces), problem)


def unread(name: str, reason: str) -> str:
    """Return the sentence for the asker from a reason that may name the file itself."""
    said = reason.replace(name, "it", 1).replace("No parser", "no parser").rstrip(".")
    return f"I can't read {name}: {said}."
