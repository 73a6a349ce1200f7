"""Reads a question: its terms, numbers, names, negation, direction, and what kind of thing it asks for."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from bot.feedback.sameness.lexicon import Lexicon, Sense, lexicon

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WORD = re.compile(r"[^\W_]+(?:['.,:/@&+-][^\W_]+)*|[$€£%]")
NUMBER = re.compile(r"(\d[\d.,]*)(k|m|st|nd|rd|th)?")
LETTERS = re.compile(r"[^\W\d_]+")
ENGLISH = 0.6
"""The share of words that the lists must know. Of a German question, they know a tenth."""

FACTORS = {"k": 1_000, "m": 1_000_000}
STOPS = frozenset({"for", "in", "on", "at", "by", "with", "about", "from", "to", "into"})
"""Words after which somebody is named who doesn't act."""

PREPOSITIONS = frozenset(
    {"for", "in", "on", "at", "by", "with", "about", "during", "through", "per", "if", "when", "before", "after"}
)
"""Words after which nothing goes from or to what follows."""

PARTICLE_REACH = 4
"""How many words may stand between a verb and its particle."""

DIRECTIONS = {"from": "from", "to": "to", "into": "to", "onto": "to", "than": "than", "instead": "than"}
SELF = "self"
"""The subject of a question in which the person who asks acts."""

CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound"}


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase that says what a question is about.

    :param text: as it was written, in lower case.
    :param member: the group of the word lists that it belongs to, and which of it, such as Monday of the weekdays.
    :param name: whether it looks like the name of something: written in capitals, or with digits.
    :param direction: ``from``, ``to`` or ``than``, if that stands before it.
    :param verb: whether it is probably a verb, by the word before it.
    :param spans: where its words stand in the reading's text.
    """

    text: str
    stem: str
    senses: frozenset[Sense] = frozenset()
    member: Sense | None = None
    name: bool = False
    direction: str = ""
    verb: bool = False
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a question says.

    :param numbers: the numbers in it, whether in digits or words.
    :param asks: what kinds of things it asks for, such as ``time`` or ``manner``.
    :param subject: who acts: :data:`SELF`, the group's member for a person such as a manager as text, or ``""`` if that
        isn't said.
    :param owned: what belongs to whom, by stems: "my manager's vacation".
    :param text: the question with contractions written out.
    :param plain: its words in order.
    :param english: whether the word lists know enough of its words. If not, the rules may overlook what matters.
    """

    terms: tuple[Term, ...]
    numbers: Counter[float]
    negated: bool
    asks: frozenset[str]
    subject: str
    owned: frozenset[tuple[str, str]]
    text: str
    plain: str
    english: bool


@dataclass(slots=True)
class _Word:
    text: str
    stem: str
    name: bool
    span: tuple[int, int]
    owner: bool = False
    verb: bool = False
    used: bool = False


def read(question: str) -> Reading:
    """Read a question with the word lists."""
    lists = lexicon()
    text = _expanded(unicodedata.normalize("NFKC", question), lists)
    asks, rest = _asks(text, lists)
    words = _words(text, rest, lists)
    numbers: Counter[float] = Counter()
    terms = tuple(_terms(words, lists, numbers))
    negated = any(word.text in lists.negations for word in words)
    plain = " ".join(match.group().casefold() for match in WORD.finditer(text))
    return Reading(
        terms, numbers, negated, asks, _subject(words, lists), _owned(words, lists), text, plain, _english(text, lists)
    )


def _english(text: str, lists: Lexicon) -> bool:
    words = [match.group().casefold() for match in LETTERS.finditer(text)]
    known = sum(word in lists.words or lists.stem.stemWord(word) in lists.words for word in words)
    return all(map(str.isascii, words)) and known >= ENGLISH * len(words)


def _expanded(text: str, lists: Lexicon) -> str:
    """Return the text with contractions written out, without what says nothing."""
    text = re.sub("[\u2018\u2019]", "'", text)
    for short, full in lists.contractions.items():
        text = re.sub(rf"(?i){short}\b", full, text)
    return lists.idle.sub(" ", text)


def _asks(text: str, lists: Lexicon) -> tuple[frozenset[str], str]:
    """Return what kinds of things are asked for, and the text with these words blanked out."""
    found = set()
    for kind, pattern in lists.questions.items():
        text, number = pattern.subn(lambda match: " " * len(match.group()), text)
        if number:
            found.add(kind)
    return frozenset(found), text


def _words(text: str, rest: str, lists: Lexicon) -> list[_Word]:
    """Return the words of a text, except those that are blanked out in ``rest``."""
    found: list[_Word] = []
    written_words = WORD.findall(text)
    shouted = sum(word[:1].isupper() for word in written_words) > max(2, len(written_words) / 2)
    before = ""
    for match in WORD.finditer(text):
        written, start = match.group(), not before or text[: match.start()].rstrip()[-1:] in ".?!:"
        verb, before = start or before in lists.before_verbs, written.casefold()
        if rest[match.start()] == " ":
            continue
        lower = re.sub(r"'s$", "", CURRENCIES.get(written, written.casefold()))
        capital = written[:1].isupper() and not start and written != "I" and not shouted
        acronym = len(written) > 1 and written.isupper() and not shouted
        coded = any(map(str.isdigit, written)) and _number(lower, lists) is None
        stem = lists.stem.stemWord(lists.forms.get(lower, lower))
        found.append(_Word(lower, stem, capital or acronym or coded, match.span(), written.endswith("'s"), verb))
    return found


def _terms(words: Sequence[_Word], lists: Lexicon, numbers: Counter[float]) -> Iterator[Term]:
    """Yield the terms in order; numbers are added to ``numbers``."""
    direction = ""
    for index, word in enumerate(words):
        if word.used:
            continue
        ended = word.text in PREPOSITIONS or word.text in lists.before_verbs
        direction = DIRECTIONS.get(word.text, "" if ended else direction)
        term = _longest(words, index, lists)
        if term is not None:
            yield replace(term, direction=direction, verb=word.verb)
            continue
        number = _number(word.text, lists)
        if number is not None:
            numbers[number] += 1
        elif word.name or not (word.text in lists.fillers or word.text in lists.negations):
            senses = lists.senses.get((word.stem,), frozenset())
            yield Term(word.text, word.stem, senses, None, word.name, direction, word.verb, (word.span,))


def _subject(words: Sequence[_Word], lists: Lexicon) -> str:
    """Return who is named before anything else."""
    for word in words:
        if word.text in lists.self:
            return SELF
        member = _person(word, lists)
        if member is not None and not word.owner:
            return str(member)
        if word.text not in lists.fillers or word.text in STOPS:
            return ""
    return ""


def _owned(words: Sequence[_Word], lists: Lexicon) -> frozenset[tuple[str, str]]:
    found = ((word, following) for word, following in pairwise(words) if word.owner)
    return frozenset((word.stem, thing.stem) for word, thing in found if _person(word, lists))


def _person(word: _Word, lists: Lexicon) -> Sense | None:
    member = lists.members.get((word.text.removesuffix("s"),))
    return member if member is not None and member[0] == lists.people else None


def _longest(words: Sequence[_Word], index: int, lists: Lexicon) -> Term | None:
    """Return the longest name of a group's member or phrase of the lists that starts here; its words are then used."""
    for length in range(min(lists.longest, len(words) - index), 0, -1):
        some = words[index : index + length]
        if any(word.used for word in some):
            continue
        texts = tuple(word.text for word in some)
        member = lists.members.get(texts) or lists.members.get((*texts[:-1], texts[-1].removesuffix("s")))
        if member is not None:
            return Term(" ".join(texts), f"{member}", member=member, spans=_use(some))
        stems = tuple(word.stem for word in some)
        if length > 1 and stems in lists.senses:
            return Term(" ".join(stems), " ".join(stems), lists.senses[stems], spans=_use(some))
    return _with_particle(words, index, lists)


def _with_particle(words: Sequence[_Word], index: int, lists: Lexicon) -> Term | None:
    """Return the verb that starts here with its particle some words on, as in "turn the updates off"."""
    if words[index].stem not in lists.particle_verbs:
        return None
    for word in words[index + 1 : index + 2 + PARTICLE_REACH]:
        stems = (words[index].stem, word.stem)
        if word.text in lists.particles and not word.used and stems in lists.senses:
            return Term(" ".join(stems), " ".join(stems), lists.senses[stems], spans=_use((words[index], word)))
    return None


def _use(words: Sequence[_Word]) -> tuple[tuple[int, int], ...]:
    """Mark words as used and return where they stand."""
    for word in words:
        word.used = True
    return tuple(word.span for word in words)


def _number(text: str, lists: Lexicon) -> float | None:
    if text in lists.numbers and text != "one":
        return float(lists.numbers[text])
    match = NUMBER.fullmatch(text)
    if match is None:
        return None
    digits = match.group(1).rstrip(".,").replace(",", "")
    try:
        return float(digits) * FACTORS.get(match.group(2) or "", 1)
    except ValueError:
        return None
