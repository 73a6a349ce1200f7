"""Cutting text into sentences, also while it is still being written."""

from __future__ import annotations

import re

_END = re.compile(
    r"""
    (?: (?<![A-Z])(?<!\be\.g)(?<!\bi\.e)(?<!\betc)(?<!\bvs)(?<!\bNo)(?<!\bMr)(?<!\bMs)(?<!\bDr)[.!?] | [A-Z]{2,}[.!?] )
    ["')\]]*                # closing marks belong to the sentence
    (?:\s?\[\d+\])*         # and so do the numbers of its sources
    (?=\s+\S)               # whitespace and more text must follow: only then the sentence is surely over
    | \n+                   # a line of a list ends where it ends
    """,
    re.VERBOSE,
)
_LIST_NUMBER = re.compile(r"\s*\d+[.)]\s*")
_CITATION_NEXT = re.compile(r"\s*\[\d")


def split_finished(text: str) -> tuple[list[str], str]:
    """Split off the sentences that are surely over; return them, with their white space, and the unfinished rest."""
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
    """Split a whole text into sentences that give the text again when they are joined."""
    finished, rest = split_finished(text)
    return [*finished, rest] if rest else finished


def sentences(text: str) -> list[str]:
    """Split a whole text into sentences without surrounding white space."""
    return [piece.strip() for piece in pieces(text) if piece.strip()]
