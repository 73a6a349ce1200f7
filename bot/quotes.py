"""Quotations: shown as they stand in the passage, lists as lists, and gone on with where a reader stopped too soon."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.sentences import pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.messages import Passage

LONGEST = 560
"""Characters up to which a quotation goes on."""
TELLING_WORDS = 4
"""Fewer words may stand in any text by chance."""
_WORD = re.compile(r"\w+")
_CITATION = re.compile(r"\[(\d+)\]")
_MARKED = re.compile(r"[*`]|\n\s*\S|^\s*[-#>]")
_LINE_START = re.compile(r"(?:^|(?<!\n)\n+)[^\w\n]*(?:\d{1,2}[.)]\s+)?$")


def as_it_stands(sentence: str, passages: Sequence[Passage]) -> str:
    """Return the sentence as a passage has it, with its lines and list marks, if one holds all its words in a row.

    What the model marked up by itself stays as it is.
    """
    words = list(_WORD.finditer(_CITATION.sub(_blank, sentence)))
    said = f" {' '.join(word[0].lower() for word in words)} "
    if len(words) < TELLING_WORDS or _MARKED.search(sentence) or _CITATION.search(sentence, 0, words[-1].end()):
        return sentence
    for passage in passages:
        there = list(_WORD.finditer(passage.text))
        text = f" {' '.join(word[0].lower() for word in there)} "
        if (found := text.find(said)) < 0:
            continue
        first = text.count(" ", 0, found)
        start, end = there[first].start(), there[first + len(words) - 1].end()
        before = sentence[: words[0].start()]
        if (line := _LINE_START.search(passage.text, 0, start)) and line[0]:
            before = "\n" * max(1, line[0].count("\n")) + line[0].lstrip("\n")
        quoted = passage.text[start:end]
        whole = not any(quoted.count(mark) % 2 for mark in ("**", "`"))
        return f"{before}{quoted}{sentence[words[-1].end() :]}" if whole else sentence
    return sentence


def in_full(passage: Passage) -> Passage:
    """Return the passage with what its section says next: lists and steps are often cut in two."""
    return replace(passage, text=passage.text + passage.following, following="")


def next_sentences(said: str, passages: Sequence[Passage]) -> list[str]:
    """Return the sentences that follow in the passage whose words ``said`` ends with, as they stand there.

    The last one names the passage by its number. Empty where ``said`` does not end with a whole sentence of a passage,
    and where nothing follows that fits into :data:`LONGEST` characters.
    """
    named = [int(number) for number in _CITATION.findall(said)]
    for number in sorted(range(1, len(passages) + 1), key=lambda each: each not in named[-1:]):
        parts = pieces(passages[number - 1].text)
        last = _last_quoted(_words(said), parts)
        if last is None:
            continue
        end = last + 1
        length = len(said)
        while end < len(parts) and (length := length + len(parts[end])) <= LONGEST:
            end += 1
        following = parts[last + 1 : end]
        if not following:
            return []
        before = parts[last][len(parts[last].rstrip()) :]
        following[0] = before + following[0]
        following[-1] = f"{following[-1].rstrip()} [{number}]"
        return following
    return []


def source_of(following: Sequence[str]) -> int | None:
    """Return the number of the passage that :func:`next_sentences` are from; ``None`` where there are none."""
    return int(_CITATION.findall(following[-1])[-1]) if following else None


def _last_quoted(said: list[str], parts: Sequence[str]) -> int | None:
    """Return which part ``said`` ends with; a short one counts with the one before it."""
    for index in range(len(parts) - 1, -1, -1):
        words = _words(parts[index])
        if index and len(words) < TELLING_WORDS:
            words = _words(parts[index - 1]) + words
        if len(words) >= TELLING_WORDS and said[-len(words) :] == words:
            return index
    return None


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(_CITATION.sub(" ", text))]


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])
