"""Addresses that open a web page at a sentence, by a text fragment (https://wicg.github.io/scroll-to-text-fragment/)."""

from __future__ import annotations

from urllib.parse import quote as encoded
from urllib.parse import urlsplit

WHOLE_WORDS = 8
"""A sentence of more words is named by its first and last ones."""
END_WORDS = 4


def at_sentence(document: str, sentence: str) -> str:
    """Return a document's address; of a web page, the one that opens it at a sentence that stands there.

    :param sentence: as plain text, or ``""``.
    """
    try:
        parts = urlsplit(document)
    except ValueError:
        return document
    words = sentence.split()
    if parts.scheme not in ("http", "https") or not parts.netloc or not words or ":~:" in parts.fragment:
        return document
    ends = [words] if len(words) <= WHOLE_WORDS else [words[:END_WORDS], words[-END_WORDS:]]
    text = ",".join(encoded(" ".join(end), safe="").replace("-", "%2D") for end in ends)
    return f"{document}{'' if '#' in document else '#'}:~:text={text}"
