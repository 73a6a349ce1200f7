"""Answers without the model's own words: a quotation of the best passage, or "I don't find this"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from bot.answering.sentences import TELLING_WORDS, pieces
from bot.domain.answers import Citation
from bot.domain.documents.rendering import current, widened, with_plain_numbers
from bot.language.words import words

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from bot.domain.questions import Passage

NOTHING_TO_SAY = "I have nothing to say to that yet: this department has neither documents nor a trained adapter."
NEAREST = 3
SHORTEST = 3
QUOTED_CHARACTERS = 420
ALSO_RELEVANT = 0.75
"""Share of the best passage's relevance that another page needs to be cited too."""
PLAINLY = 0.2
"""By what share of a sentence's words another passage must match better than the cited one to replace it."""
_LAID_OUT = re.compile(r"^(?:```|[ \t]*+(?:-|\d{1,9}[.)])[ \t])", re.MULTILINE)
"""Begins a line of code or of a list in Markdown."""

_NUMBER = re.compile(r"`[^`\n]*`|(?<![\w$}])\[(\d{1,3})\]")
"""A source's number, or code, in which brackets mean something else, as in ``paths[0]``."""

_DOUBLED = re.compile(r"([.!?][\"'\u201d\u2019)]*)(\s*(?:\[\d{1,3}\]\s*)*\[\d{1,3}\])[.!?]+(?=\s|$)")
"""A source's number between two full stops."""
_AGAIN = re.compile(r"(\[\d{1,3}\])(?:\s*\1)+")
CONTEXT = 12
"""Characters beside a number in brackets by which it is found in a page."""


@dataclass(frozen=True, slots=True)
class Text:
    """An answer's text with its numbered sources.

    :param unanswered: whether the documents don't answer it, so that another department may.
    """

    text: str
    known: bool
    citations: tuple[Citation, ...] = ()
    unanswered: bool = False


def tells(text: str) -> bool:
    """Return whether a passage or sentence says anything: "Back to Slack page" does not, "Phone: 555-1234" does."""
    return len(_words(text)) >= TELLING_WORDS or any(map(str.isdigit, text))


def found(passages: Sequence[Passage], threshold: float) -> bool:
    """Return whether any passage is relevant enough to answer from."""
    return any(passage.relevance >= threshold for passage in passages)


def nearest_pages(passages: Sequence[Passage]) -> list[Passage]:
    """Return the best passage of each of the nearest pages."""
    nearest: dict[str, Passage] = {}
    for passage in passages:
        nearest.setdefault(passage.document, passage)
    return list(nearest.values())[:NEAREST]


def not_found(title: str, passages: Sequence[Passage]) -> Text:
    """Say that the documents don't answer it, and name the nearest pages, each once."""
    pages = nearest_pages(passages)
    if not pages:
        return Text(f"I don't find this in the {title} documents.", known=False, unanswered=True)
    named = ", ".join(f"{_page(passage)} [{n}]" for n, passage in enumerate(pages, start=1))
    text = f"I don't find this in the {title} documents. The nearest pages: {named}."
    return Text(text, known=False, citations=_numbered(pages), unanswered=True)


def other_language(title: str) -> Text:
    """Say that the documents can't answer it because they are in another language."""
    text = (
        f"I don't find this in the {title} documents. They are in another language than your question. "
        "Please ask in the language of the documents."
    )
    return Text(text, known=False, unanswered=True)


def no_documents(title: str) -> Text:
    """Say that there is nothing yet to answer from."""
    return Text(f"I can't answer this yet: {title} has no documents.", known=False, unanswered=True)


def too_late(plugins: Sequence[str]) -> str:
    """Say that plugins took too long to answer, so that nobody knows whether they did something."""
    names = " and ".join(dict.fromkeys(plugins))
    return (
        f"{names} took too long to answer this. "
        "If you asked for something to be done, it may have happened: check before you ask again."
    )


class Cited:
    """A checked text and its numbered sources, built sentence by sentence, so that what was shown stays.

    Numbers without a passage are taken out, a sentence that another passage plainly holds gets that one's number, and
    sources are counted in the order in which they are named.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = passages
        self._named: dict[int, int] = {}
        self._quotes: dict[int, str] = {}
        self._text = ""

    def add(self, sentence: str) -> str:
        """Return the next sentence as it is shown."""
        own = _NUMBER.sub(lambda match: self._literal(match) or match[0], sentence)
        right = _NUMBER.sub(self._renumbered, _put_right(own, self.passages))
        for number in map(int, filter(None, _NUMBER.findall(right))):
            self._quotes.setdefault(number, " ".join(_NUMBER.sub(_without_number, right).split()))
        right = _AGAIN.sub(r"\1", _DOUBLED.sub(r"\1\2", right))
        if self._text.endswith("\n"):
            right = right.lstrip("\n")
        shown = right if self._text else right.lstrip()
        self._text += shown
        return shown

    def finish(self) -> Text:
        """Return the text. Without a source, it cites the passage that contains most of its words."""
        text = self._text.strip()
        if not self._named:
            said = set(_words(text))
            shares = [len(said & set(_words(passage.text))) for passage in self.passages]
            self._named = {shares.index(max(shares)) + 1: 1}
            text = f"{text} [1]"
        named = [self.passages[number - 1] for number in self._named]
        return Text(text, known=True, citations=_numbered(named, self._quotes))

    def _literal(self, match: re.Match[str]) -> str | None:
        """Return a number that a page itself has in brackets there, marked as such; ``None`` if it names a source."""
        before = " ".join(with_plain_numbers(match.string[: match.start()]).split())[-CONTEXT:]
        after = " ".join(match.string[match.end() :].split())[: 0 if before else CONTEXT]
        gap = " " * match.string[: match.start()].endswith(" ")
        said = f"{before}{gap}{match[0]}{' ' * bool(after)}{after}".strip()
        held = match[1] and any(said in " ".join(passage.text.split()) for passage in self.passages)
        return literal(int(match[1]), len(self.passages)) if held else None

    def _renumbered(self, match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0]
        number = int(match[1])
        if not 1 <= number <= len(self.passages):
            return match[0] if self._literal(match) else ""
        return f"[{self._named.setdefault(number, len(self._named) + 1)}]"


def literal(number: int, sources: int) -> str:
    """Return a number in brackets that names no source; one that could be taken for a source's is escaped."""
    return rf"\[{number}\]" if 1 <= number <= sources else f"[{number}]"


def quotation(
    question: str, passages: Sequence[Passage], embed: Callable[[Sequence[str]], NDArray[np.float32]]
) -> Text:
    """Quote the sentences of the best passage that are nearest in meaning to the question, with their source.

    A passage that is only a link or a title is passed over. Lists and code are quoted as they are laid out.

    Other pages about as relevant follow as sources. ``embed`` returns unit vectors, shape (texts, dimension).
    """
    best = next((passage for passage in passages if tells(passage.text)), passages[0])
    shown = current(best.text, best.marks, *nearest_sentences(question, best, embed)).strip()
    quote = _NUMBER.sub(lambda match: literal(int(match[1]), NEAREST) if match[1] else match[0], shown)
    near = [passage for passage in passages if passage.relevance >= ALSO_RELEVANT * best.relevance]
    further = [passage for passage in near if passage.document != best.document][: NEAREST - 1]
    citations = _numbered([best, *further], {1: next(iter(pieces(shown)), "")})
    also = f" See also {', '.join(f'[{citation.n}]' for citation in citations[1:])}." if further else ""
    if _LAID_OUT.search(quote):
        return Text(f"Closest I found [1]:{also}\n\n{quote}", known=True, citations=citations)
    return Text(f"Closest I found: \u201c{' '.join(quote.split())}\u201d [1]{also}", known=True, citations=citations)


def nearest_sentences(
    question: str,
    passage: Passage,
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    limit: int = QUOTED_CHARACTERS,
) -> tuple[int, int]:
    """Return where the whole sentences that are nearest to the question begin and end, at most ``limit`` characters.

    Code is quoted whole, however long it is.
    """
    text = passage.text
    parts = pieces(text) or [text]
    ends = list(accumulate(map(len, parts)))
    vectors = embed([question, *parts])
    nearness = vectors[1:] @ vectors[0]
    if len(parts) > 1 and text[0].islower():
        nearness[0] = -2.0  # the end of a sentence that begins in the passage before
    start = end = int(np.where([tells(part) for part in parts], nearness, nearness - 2).argmax())
    while True:
        length = sum(len(part) + 1 for part in parts[start : end + 1])
        before = nearness[start - 1] if start > 0 else -1.0
        after = nearness[end + 1] if end + 1 < len(parts) else -1.0
        wanted = start - 1 if before > after else end + 1
        if max(before, after) < 0 or length + len(parts[wanted]) > limit:
            first = ends[start] - len(parts[start])
            return widened(passage.marks, first, min(ends[end], first + 2 * QUOTED_CHARACTERS))
        start, end = min(start, wanted), max(end, wanted)


def _put_right(sentence: str, passages: Sequence[Passage]) -> str:
    named = [int(number) for number in _NUMBER.findall(sentence) if number]
    said = set(_words(sentence))
    if len(named) != 1 or not 1 <= named[0] <= len(passages) or len(said) < TELLING_WORDS:
        return sentence
    shares = [len(said & set(_words(f"{passage.heading} {passage.text}"))) / len(said) for passage in passages]
    best = max(range(len(shares)), key=lambda index: shares[index])
    if shares[best] - shares[named[0] - 1] <= PLAINLY:
        return sentence
    return _NUMBER.sub(lambda match: f"[{best + 1}]" if match[1] else match[0], sentence)


def _without_number(match: re.Match[str]) -> str:
    """Return nothing for a source's number, and code as it is."""
    return "" if match[1] else match[0]


def _held(said: str, passage: Passage) -> str:
    """Return a sentence if it stands in the passage, else an empty text."""
    sentence = " ".join(said.split()).rstrip(" .!?")
    return sentence if sentence and sentence in " ".join(passage.text.split()) else ""


def _numbered(passages: Sequence[Passage], quotes: Mapping[int, str] | None = None) -> tuple[Citation, ...]:
    said = quotes or {}
    return tuple(
        Citation(
            n,
            passage.document,
            _heading(passage),
            passage.shown,
            passage.chunk_id,
            _held(said.get(n, ""), passage),
        )
        for n, passage in enumerate(passages, start=1)
    )


def _heading(passage: Passage) -> str:
    """Return the heading path, which begins with the page's title, once."""
    first, _, rest = passage.heading.partition(" \u203a ")
    heading = rest if first.casefold() == passage.title.casefold() else passage.heading
    return " \u203a ".join(filter(None, [passage.title, heading]))


def _page(passage: Passage) -> str:
    return passage.title or passage.heading.split(" \u203a ")[0] or passage.document


def _words(text: str) -> list[str]:
    """Return the words, of Latin ones those of three letters or more."""
    return [word for word in words(text) if len(word) >= SHORTEST or not word.isascii()]
