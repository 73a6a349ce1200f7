"""The word lists of a language: which words mean the same, which exclude each other, and which say nothing."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import Stemmer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ENGLISH = Path(__file__).with_name("lists") / "en.toml"

_LETTERS = re.compile(r"[^\W\d_]{2,}")

TWO = 2

Sense = tuple[int, int]
"""A line of the lists, and the side of it that a word stands on."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The lists of one language. Words are stems; a phrase is a tuple of them.

    :param undoing: what turns a question around if only one of two has it, such as "give back".
    :param senses: the sides that a word or phrase stands on. Words on one side mean the same; words on different sides
        of a line exclude each other.
    :param pairs: the lines with two sides, such as "lock | unlock".
    :param members: the group and the member of it that a word names, such as the days of the week and Monday.
    :param people: the group of people.
    :param self: the words by which the person who asks says that they act.
    :param before_verbs: words after which a verb stands.
    :param idle: matches stretches that say nothing, such as "I don't know how to".
    :param forms: irregular forms, such as "sent" for "send".
    :param words: every word of the lists, with its regular endings.
    :param questions: kinds of questions with their patterns, in the order in which they are tried.
    """

    stem: Stemmer.Stemmer
    fillers: frozenset[str]
    negations: frozenset[str]
    undoing: frozenset[tuple[str, ...]]
    senses: Mapping[tuple[str, ...], frozenset[Sense]]
    pairs: frozenset[int]
    members: Mapping[tuple[str, ...], Sense]
    people: int
    self: frozenset[str]
    before_verbs: frozenset[str]
    idle: re.Pattern[str]
    forms: Mapping[str, str]
    particle_verbs: frozenset[str]
    particles: frozenset[str]
    numbers: Mapping[str, int]
    contractions: Mapping[str, str]
    questions: Mapping[str, re.Pattern[str]]
    longest: int
    words: frozenset[str]


@cache
def lexicon() -> Lexicon:
    """Return the lists of English, the only language that has any."""
    lists: dict[str, Any] = tomllib.loads(ENGLISH.read_text(encoding="utf-8"))
    stemmer = Stemmer.Stemmer("english")
    forms = lists["forms"]

    def stems(text: str) -> tuple[str, ...]:
        return tuple(stemmer.stemWord(forms.get(word, word)) for word in text.split())

    sides = [*map(_sides, lists["opposites"]), *([line] for line in lists["synonyms"])]
    senses = _index(sides, stems)
    groups = [*map(_sides, lists["groups"])]
    members = {tuple(word.split()): sense for sense, word in _words(groups)}
    questions = {kind: re.compile(rf"(?i)\b(?:{pattern})\b") for kind, pattern in lists["questions"].items()}
    return Lexicon(
        stemmer,
        frozenset(lists["fillers"].split()),
        frozenset(lists["negations"].split()),
        frozenset(stems(word) for word in lists["undoing"].split(",")),
        senses,
        frozenset(number for number, line in enumerate(sides) if len(line) == TWO),
        members,
        next(number for number, line in enumerate(lists["groups"]) if line.startswith(lists["people"])),
        frozenset(lists["self"].split()),
        frozenset(lists["before_verbs"].split()),
        re.compile(rf"(?i)\b{lists['idle']}\b"),
        forms,
        frozenset(stems(lists["particle_verbs"])),
        frozenset(lists["particles"].split()),
        lists["numbers"],
        lists["contractions"],
        questions,
        max(map(len, [*senses, *members])),
        frozenset(form for word in _LETTERS.findall(ENGLISH.read_text(encoding="utf-8")) for form in _forms(word)),
    )


def _sides(line: str) -> list[str]:
    return line.split("|")


def _index(lines: Iterable[list[str]], stems: Any) -> dict[tuple[str, ...], frozenset[Sense]]:
    found: dict[tuple[str, ...], set[Sense]] = defaultdict(set)
    for sense, word in _words(lines):
        found[stems(word)].add(sense)
    return {phrase: frozenset(each) for phrase, each in found.items()}


def _words(lines: Iterable[list[str]]) -> Iterator[tuple[Sense, str]]:
    for number, sides in enumerate(lines):
        for side, words in enumerate(sides):
            for word in words.split(","):
                yield (number, side), word.strip()


def _forms(word: str) -> Iterator[str]:
    """Yield a word with its regular endings, and with some that it doesn't have: no question has those."""
    word = word.casefold()
    yield from (word, word + "s", word + "es", word + "d", word + "ed", word + "ing", word.removesuffix("e") + "ing")
    yield from (word + word[-1] + ending for ending in ("ed", "ing"))
