"""Splits text of any script into sentences, also while it is still being written."""

from __future__ import annotations

import re

TELLING_WORDS = 4
"""A text with fewer words says too little: any other text may contain it by chance."""

_END = re.compile(
    r"""
    (?: (?<![A-Z])(?<!\b[^\W\d_])(?<!\betc)(?<!\bvs)(?<!\bNo)(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bNr)(?<!\bbzw)[.!?]
      | (?<![A-Z])[A-Z]{2,}+[.!?] )
    ["'\u201d\u2019\u00bb)\]]*    # closing marks belong to the sentence
    (?:\s?\[\d+\])*         # and so do the numbers of its sources
    (?=\s+\S)               # whitespace and more text must follow: only then the sentence is surely over
    | [\u3002\uff01\uff1f\uff61\u0964\u0965\u06d4\u061f\u1362\u1367\u104b\u17d4\u17d5]  # no space follows
    [!?"'\u201d\u2019\u300d\u300f\uff09\u3011\u3009\u300b\uff63)\]\uff01\uff1f]*+
    (?:\s?\[\d+\])*+
    (?=\s*+\S)
    | (?<=[\u0e00-\u0eff]{20})(?=\s+[\u0e00-\u0eff])  # Thai and Lao separate sentences by spaces
    | \n+                   # a line of a list ends where it ends
    """,
    re.VERBOSE,
)
_LIST_NUMBER = re.compile(r"\s*\d+[.)]\s*")
_CITATION_NEXT = re.compile(r"\s*\[(?:\d|\Z)")


def split_finished(text: str) -> tuple[list[str], str]:
    """Split off the sentences that are certainly complete; return them, with white space, and the rest."""
    finished: list[str] = []
    start = 0
    for match in _END.finditer(text):
        if _CITATION_NEXT.match(text, match.end()):
            continue
        end = match.end()
        while end < len(text) and text[end].isspace():
            end += 1
        if end <= start or _LIST_NUMBER.fullmatch(text, start, end):
            continue
        finished.append(text[start:end])
        start = end
    return finished, text[start:]


def pieces(text: str) -> list[str]:
    """Split a complete text into sentences; joined, they are the text again."""
    finished, rest = split_finished(text)
    return [*finished, rest] if rest else finished


def sentences(text: str) -> list[str]:
    """Split a complete text into sentences without surrounding white space."""
    return [piece.strip() for piece in pieces(text) if piece.strip()]
