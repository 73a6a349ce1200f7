"""Quotations: shown as they are in the passage, lists as lists, and continued if the model stopped too soon."""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import SequenceMatcher
from itertools import accumulate
from typing import TYPE_CHECKING

from bot.answering.sentences import TELLING_WORDS, pieces
from bot.domain.documents.rendering import current, excerpt, widened
from bot.language.words import find_words, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.questions import Passage
    from bot.language.words import Word

LONGEST = 560
"""Longest quotation, in characters."""
ALIKE = 0.7
"""Share of a code block's words that a sentence repeats in their order, from which it quotes the block."""
_CITATION = re.compile(r"\[(\d+)\]")
_MARKED = re.compile(r"[*`]|\n[^\S\n]*+\S|^\s*(?:[-#>]|\[\d+\])")
_LINE_START = re.compile(r"(?:^|(?<!\n)\n+)[^\w\n]*(?:\d{1,2}[.)]\s+)?$")
_NEXT_NUMBER = re.compile(r"(?<!\n)\n+[^\w\n]*\d{1,2}$")
"""The number of the next item at the end of a quotation. Models write "browser.2. Click" where a list has two lines."""


def as_it_stands(sentence: str, passages: Sequence[Passage]) -> str:
    """Return the sentence as it is in a passage, with line breaks and list marks, if one has all its words in a row.

    What the model marked up by itself stays as it is. A block of code is shown as the passage has it, even if the model
    changed a word.
    """
    spoken = list(find_words(sentence[: _without_sources(sentence)]))
    if len(spoken) < TELLING_WORDS or _MARKED.search(sentence):
        return sentence
    for passage in passages:
        if quoted := _verbatim(sentence, spoken, passage):
            return quoted
    return next(filter(None, (_with_code(sentence, spoken, passage) for passage in passages)), sentence)


def _verbatim(sentence: str, spoken: Sequence[Word], passage: Passage) -> str:
    """Return the sentence with the passage's own text for its words; empty if the passage hasn't all in a row."""
    there = list(find_words(passage.text))
    text = f" {' '.join(word.text for word in there)} "
    if (found := text.find(f" {' '.join(word.text for word in spoken)} ")) < 0:
        return ""
    first = text.count(" ", 0, found)
    start, end = there[first].start, there[first + len(spoken) - 1].end
    before, after = sentence[: spoken[0].start], sentence[spoken[-1].end :]
    if (line := _LINE_START.search(passage.text, 0, start)) and line[0]:
        before = "\n" * max(1, line[0].count("\n")) + line[0].lstrip("\n")
    start, end, cut = _whole_marks(passage, start, end)
    quoted = current(passage.text, passage.marks, *widened(passage.marks, start, end))
    if any(quoted.count(mark) % 2 for mark in ("**", "`")):
        return sentence
    if cut:
        after = _without_signs(sentence, spoken[-1].end)
    elif after[:1] in {".", ")"} and (number := _NEXT_NUMBER.search(quoted)):
        quoted, after = quoted[: number.start()], ""  # the next sentence brings it
    return f"{before}{quoted}{after}"


def _without_sources(sentence: str) -> int:
    """Return where the numbers of sources at a sentence's end begin. In code, brackets after a name are none."""
    end = len(sentence)
    for match in reversed(list(_CITATION.finditer(sentence))):
        before = sentence[: match.start()][-1:]
        if sentence[match.end() : end].strip(" \t\n.!?") or before.isalnum() or before in {"_", "$", "}"}:
            break
        end = match.start()
    return end


def _without_signs(sentence: str, start: int) -> str:
    """Return how a sentence ends after its last word, without what the model made of the signs of the code there."""
    end = _without_sources(sentence)
    signs = sentence[start:end]
    rest = signs.rstrip()
    stop = rest[-1:] if rest.endswith((".", "!", "?")) else ""
    return f"{stop}{signs[len(rest) :]}{sentence[end:]}"


def _whole_marks(passage: Passage, start: int, end: int) -> tuple[int, int, bool]:
    """Widen a stretch by the signs, such as brackets, with which code begins before it or ends after it.

    Return it, and whether it ends with more signs than before.
    """
    text, cut = passage.text, False
    for mark in passage.marks:
        if mark.start < start < mark.end <= end and not words(text[mark.start : start]):
            start = mark.start
        if mark.start >= start and mark.start < end < mark.end and not words(text[end : mark.end]):
            end, cut = mark.end, True
    return start, end, cut


def _with_code(sentence: str, spoken: Sequence[Word], passage: Passage) -> str:
    """Return the sentence with the block of code of the passage that it repeats; empty if it repeats none."""
    said = [word.text for word in spoken]
    for mark in passage.marks:
        code = words(passage.text[mark.start : mark.end]) if mark.block else []
        if len(code) < TELLING_WORDS:
            continue
        alike = [each for each in SequenceMatcher(None, said, code, autojunk=False).get_matching_blocks() if each.size]
        if sum(each.size for each in alike) < ALIKE * len(code):
            continue
        first, last = spoken[alike[0].a], spoken[alike[-1].a + alike[-1].size - 1]
        before, after = sentence[: first.start].rstrip(), sentence[last.end :]
        return f"{before}\n{mark.markdown}\n{after.lstrip()}"
    return ""


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
            current(passage.text, passage.marks, ends[part] - len(parts[part]), ends[part])
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
