"""What is said when the model's own words cannot be: a quotation of the best passage, or "I don't find this"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bot.messages import Citation
from bot.sentences import sentences

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from bot.messages import Passage

NOTHING_TO_SAY = "I have nothing to say to that yet: this department has neither documents nor a trained adapter."
NEAREST = 3
TELLING_WORDS = 4
"""Words of three letters or more from which a text may say something."""
QUOTED_CHARACTERS = 420
ALSO_RELEVANT = 0.75
"""Share of the best passage's relevance from which another page is named beside it."""
PLAINLY = 0.2
"""Share of a sentence's words that another passage must hold more than the named one to be its source instead."""
_NUMBER = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Text:
    """An answer's text with its numbered sources."""

    text: str
    known: bool
    citations: tuple[Citation, ...] = ()


def tells(text: str) -> bool:
    """Return whether a passage or sentence says anything: "Back to Slack page" does not, "Phone: 555-1234" does."""
    return len(_words(text)) >= TELLING_WORDS or any(map(str.isdigit, text))


def found(passages: Sequence[Passage], threshold: float) -> bool:
    """Return whether any passage is relevant enough to answer from."""
    return any(passage.relevance >= threshold for passage in passages)


def not_found(title: str, passages: Sequence[Passage]) -> Text:
    """Say that the documents do not hold it, and point to the nearest pages, each page once."""
    nearest: dict[str, Passage] = {}
    for passage in passages:
        nearest.setdefault(passage.document, passage)
    named = list(nearest.values())[:NEAREST]
    if not named:
        return Text(f"I don't find this in the {title} documents.", known=False)
    pages = ", ".join(f"{_page(passage)} [{n}]" for n, passage in enumerate(named, start=1))
    text = f"I don't find this in the {title} documents. The nearest pages: {pages}."
    return Text(text, known=False, citations=_numbered(named))


class Cited:
    """A checked text and the sources it names by number, made sentence by sentence, so that what was shown stays.

    Numbers without a passage are taken out, a sentence that another passage plainly holds gets that one's number, and
    sources are counted in the order in which they are named.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = passages
        self._named: dict[int, int] = {}
        self._text = ""

    def add(self, sentence: str) -> str:
        """Return the next sentence as it is shown."""
        right = _NUMBER.sub(self._renumbered, _put_right(sentence, self.passages))
        if self._text.endswith("\n"):
            right = right.lstrip("\n")
        shown = right if self._text else right.lstrip()
        self._text += shown
        return shown

    def finish(self) -> Text:
        """Return the text; where it names no source, the passage that holds most of its words is added."""
        text = self._text.strip()
        if not self._named:
            words = set(_words(text))
            shares = [len(words & set(_words(passage.text))) for passage in self.passages]
            self._named = {shares.index(max(shares)) + 1: 1}
            text = f"{text} [1]"
        return Text(text, known=True, citations=_numbered([self.passages[number - 1] for number in self._named]))

    def _renumbered(self, match: re.Match[str]) -> str:
        number = int(match[1])
        if not 1 <= number <= len(self.passages):
            return ""
        return f"[{self._named.setdefault(number, len(self._named) + 1)}]"


def quotation(
    question: str, passages: Sequence[Passage], embed: Callable[[Sequence[str]], NDArray[np.float32]]
) -> Text:
    """Quote the sentences of the best passage that are nearest in meaning to the question, with their source.

    A passage that is only a link or a title is passed over.

    Other pages about as relevant follow as sources. ``embed`` returns unit vectors, shape (texts, dimension).
    """
    best = next((passage for passage in passages if tells(passage.text)), passages[0])
    quote = nearest_sentences(question, best.text, embed)
    near = [passage for passage in passages if passage.relevance >= ALSO_RELEVANT * best.relevance]
    further = [passage for passage in near if passage.document != best.document][: NEAREST - 1]
    citations = _numbered([best, *further])
    also = f" See also {', '.join(f'[{citation.n}]' for citation in citations[1:])}." if further else ""
    return Text(f"Closest I found: \u201c{quote}\u201d [1]{also}", known=True, citations=citations)


def nearest_sentences(
    question: str, text: str, embed: Callable[[Sequence[str]], NDArray[np.float32]], limit: int = QUOTED_CHARACTERS
) -> str:
    """Return the run of whole sentences, at most ``limit`` characters, that is nearest to the question."""
    parts = sentences(text) or [text]
    vectors = embed([question, *parts])
    nearness = vectors[1:] @ vectors[0]
    start = end = int(np.where([tells(part) for part in parts], nearness, nearness - 2).argmax())
    while True:
        length = sum(len(part) + 1 for part in parts[start : end + 1])
        before = nearness[start - 1] if start > 0 else -1.0
        after = nearness[end + 1] if end + 1 < len(parts) else -1.0
        wanted = start - 1 if before > after else end + 1
        if max(before, after) < 0 or length + len(parts[wanted]) > limit:
            return " ".join(parts[start : end + 1])[: 2 * QUOTED_CHARACTERS]
        start, end = min(start, wanted), max(end, wanted)


def _put_right(sentence: str, passages: Sequence[Passage]) -> str:
    named = [int(number) for number in _NUMBER.findall(sentence)]
    words = set(_words(sentence))
    if len(named) != 1 or not 1 <= named[0] <= len(passages) or len(words) < TELLING_WORDS:
        return sentence
    shares = [len(words & set(_words(f"{passage.heading} {passage.text}"))) / len(words) for passage in passages]
    best = max(range(len(shares)), key=lambda index: shares[index])
    return _NUMBER.sub(f"[{best + 1}]", sentence) if shares[best] - shares[named[0] - 1] > PLAINLY else sentence


def _numbered(passages: Sequence[Passage]) -> tuple[Citation, ...]:
    return tuple(
        Citation(n, passage.document, passage.heading, passage.text, passage.chunk_id)
        for n, passage in enumerate(passages, start=1)
    )


def _page(passage: Passage) -> str:
    return passage.title or passage.heading.split(" \u203a ")[0] or passage.document


def _words(text: str) -> list[str]:
    return re.findall(r"\w{3,}", text.lower())
