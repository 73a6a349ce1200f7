"""Quotations: shown as they are in the passage, lists as lists, and continued if the model stopped too soon."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING

from bot.answering.sentences import TELLING_WORDS, pieces
from bot.domain.documents.rendering import excerpt, widened
from bot.language.words import find_words, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.questions import Passage

LONGEST = 560
"""Longest quotation, in characters."""
_CITATION = re.compile(r"\[(\d+)\]")
_MARKED = re.compile(r"[*`]|\n[^\S\n]*+\S|^\s*[-#>]")
_LINE_START = re.compile(r"(?:^|(?<!\n)\n+)[^\w\n]*(?:\d{1,2}[.)]\s+)?$")
_NEXT_NUMBER = re.compile(r"(?<!\n)\n+[^\w\n]*\d{1,2}$")
"""The number of the next item at the end of a quotation. Models write "browser.2. Click" where a list has two lines."""


def as_it_stands(sentence: str, passages: Sequence[Passage]) -> str:
    """Return the sentence as it is in a passage, with line breaks and list marks, if one has all its words in a row.

    What the model marked up by itself stays as it is.
    """
    spoken = list(find_words(_CITATION.sub(_blank, sentence)))
    said = f" {' '.join(word.text for word in spoken)} "
    if len(spoken) < TELLING_WORDS or _MARKED.search(sentence) or _CITATION.search(sentence, 0, spoken[-1].end):
        return sentence
    for passage in passages:
        there = list(find_words(passage.text))
        text = f" {' '.join(word.text for word in there)} "
        if (found := text.find(said)) < 0:
            continue
        first = text.count(" ", 0, found)
        start, end = there[first].start, there[first + len(spoken) - 1].end
        before = sentence[: spoken[0].start]
        if (line := _LINE_START.search(passage.text, 0, start)) and line[0]:
            before = "\n" * max(1, line[0].count("\n")) + line[0].lstrip("\n")
        quoted = excerpt(passage.text, passage.marks, *widened(passage.marks, start, end))
        whole = not any(quoted.count(mark) % 2 for mark in ("**", "`"))
        after = sentence[spoken[-1].end :]
        if after[:1] in {".", ")"} and (number := _NEXT_NUMBER.search(quoted)):
            quoted, after = quoted[: number.start()], ""  # the next sentence brings it
        return f"{before}{quoted}{after}" if whole else sentence
    return sentence


def in_full(passage: Passage) -> Passage:
    """Return the passage with the text that follows it in its section: lists and steps are often cut in two."""
    whole = passage.text + passage.following
    rest = excerpt(whole, passage.marks, len(passage.text), len(whole))
    gap = "\n\n" if passage.markdown.endswith("|") else ""
    return replace(passage, text=whole, following="", markdown=f"{passage.shown}{gap}{rest}")


def next_sentences(said: str, passages: Sequence[Passage]) -> list[str]:
    """Return the sentences that follow in the passage whose words ``said`` ends with, as they stand there.

    The last one names the passage by its number. Empty where ``said`` does not end with a whole sentence of a passage,
    and where nothing follows that fits into :data:`LONGEST` characters.
    """
    named = [int(number) for number in _CITATION.findall(said)]
    for number in sorted(range(1, len(passages) + 1), key=lambda each: each not in named[-1:]):
        passage = passages[number - 1]
        parts = pieces(passage.text)
        last = _last_quoted(_words(said), parts)
        if last is None:
            continue
        end = last + 1
        length = len(said)
        while end < len(parts) and (length := length + len(parts[end])) <= LONGEST:
            end += 1
        ends = [*accumulate(map(len, parts))]
        following = [
            excerpt(passage.text, passage.marks, ends[part] - len(parts[part]), ends[part])
            for part in range(last + 1, end)
        ]
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
        part = _words(parts[index])
        if index and len(part) < TELLING_WORDS:
            part = _words(parts[index - 1]) + part
        if len(part) >= TELLING_WORDS and said[-len(part) :] == part:
            return index
    return None


def _words(text: str) -> list[str]:
    return words(_CITATION.sub(" ", text))


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])
