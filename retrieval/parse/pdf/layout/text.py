"""Lines to text: words cut at the end of a line are put together again, links and crossed-out text are kept."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.domain.documents.blocks import Span
from retrieval.parse.lines import lowered, raised
from retrieval.parse.pdf.layout.lines import BULLETS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.documents.blocks import Line as Spans
    from bot.domain.documents.blocks import Style
    from retrieval.parse.pdf.geometry import Word
    from retrieval.parse.pdf.layout.lines import Line

_SMALL = 0.8
_GAP = 0.1
_OFF_LINE = 0.08
"""How far the middle of a small digit is from that of the word before it, as a share of its type's size."""

_CUT = re.compile(r"(?<![\w'’])['’]*(\w[\w'’]*)-$")
_WORD = re.compile(r"[\w'’]+(?:-[\w'’]+)*")
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\u3000-\u303f]")


class Vocabulary:
    """The words of a document, which tell whether a hyphen at the end of a line belongs to its word."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._words: set[str] = set()
        for line in lines:
            for word in line.words:
                self._words.update(found.lower() for found in _WORD.findall(word.text))

    def joined(self, before: str, after: str) -> str:
        """Return two ends of lines put together."""
        if _NO_SPACES.match(before[-1:]) and _NO_SPACES.match(after[:1]):
            return before + after
        cut = _CUT.search(before)
        following = _WORD.match(after)
        if not cut or not following or not following[0][:1].islower():
            return before + after if before.endswith(("-", "/")) and cut else f"{before} {after}"
        whole, hyphenated = cut[1] + following[0], f"{cut[1]}-{following[0]}"
        if hyphenated.lower() in self._words and whole.lower() not in self._words:
            return before + after
        return before[:-1] + after


def spans(lines: Sequence[Line], vocabulary: Vocabulary, *, styled: bool = True) -> Spans:
    """Return lines as one, with their links and what is crossed out.

    :param styled: whether bold and slanted words are marked where other words are not.
    """
    bold = styled and not all(line.bold for line in lines)
    found: list[Span] = []
    for number, line in enumerate(lines):
        for place, word in enumerate(line.words):
            before = line.words[place - 1] if place else None
            glued = word.glued or (before is not None and _touches(before, word))
            text = _placed(word, before) if before is not None and glued else word.text
            span = Span(text, _style(word, bold=bold), word.link)
            if place or not number:
                _append(found, span, "" if glued or not found else " ")
            elif word.text in BULLETS:
                _append(found, span, "\n")
            else:
                _continue(found, span, vocabulary)
    return tuple(found)


def _touches(before: Word, word: Word) -> bool:
    """Return whether a sign follows a small digit at once; pdfium sees a gap where the line's place changes."""
    small = before.type.size <= _SMALL * word.type.size and before.text[-1:].isnumeric()
    return small and not word.text[:1].isalnum() and 0 <= word.box.left - before.box.right < _GAP * word.type.size


def _placed(word: Word, before: Word) -> str:
    """Return a word as it stands beside the one that it is glued to: small digits may be above or below the line."""
    if word.type.size > _SMALL * before.type.size or not word.text[:1].isnumeric():
        return word.text
    offset = (word.box.centre[1] - before.box.centre[1]) / before.type.size
    return raised(word.text) if offset < -_OFF_LINE else lowered(word.text) if offset > _OFF_LINE else word.text


def _style(word: Word, *, bold: bool) -> Style:
    if word.struck:
        return "struck"
    if bold and word.type.bold:
        return "strong"
    return "emphasis" if bold and word.type.italic else ""


def _append(found: list[Span], span: Span, gap: str) -> None:
    last = found[-1] if found else None
    if last and (last.style, last.link) == (span.style, span.link):
        found[-1] = replace(last, text=last.text + gap + span.text)
        return
    if last and gap and not last.style and not last.link:
        found[-1] = replace(last, text=last.text + gap)
    elif gap and not span.style and not span.link:
        span = replace(span, text=gap + span.text)
    elif gap:
        found.append(Span(gap))
    found.append(span)


def _continue(found: list[Span], span: Span, vocabulary: Vocabulary) -> None:
    """Add the first word of a further line."""
    last = found[-1]
    head = vocabulary.joined(last.text, span.text).removesuffix(span.text)
    spaced = head.endswith(" ") and not last.text.endswith(" ")
    found[-1] = replace(last, text=head[:-1] if spaced else head)
    _append(found, span, " " if spaced else "")
