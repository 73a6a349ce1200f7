"""The words of a text in any script, folded so that the same word written in two ways is equal.

Chinese and Japanese, which put no spaces between words, give overlapping pairs of characters, as in Lucene's
CJKAnalyzer: no dictionary decides what a word is. So does Korean, which writes particles together with their nouns.
Thai, Lao, Khmer and Burmese have fewer characters and longer words and give overlapping triples.
docs/decisions/scripts.md compares this with dictionaries.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import regex

if TYPE_CHECKING:
    from collections.abc import Iterator

PAIRS, TRIPLES = 2, 3
"""Characters of a word where nothing separates words."""

_EAST_ASIAN = (
    r"[\p{Script_Extensions=Han}\p{Script_Extensions=Hiragana}\p{Script_Extensions=Katakana}\p{Hangul}&&[\p{L}\p{N}]]"
)
_SOUTH_EAST_ASIAN = r"[\p{Line_Break=Complex_Context}&&\p{L}]"
UNSPACED = rf"[{_EAST_ASIAN}{_SOUTH_EAST_ASIAN}]"
"""A set of the module ``regex`` (VERSION1): letters of scripts that put no spaces between words."""

_SYLLABLE = r"[\u1100-\u115f]++[\u1160-\u11a7]++[\u11a8-\u11ff]*+"  # a decomposed Korean one
_MARK = r"[\p{M}\uFF9E\uFF9F\u200C\u200D]*+"
_RUNS = rf"(?P<pairs>(?:(?:{_SYLLABLE}|{_EAST_ASIAN}){_MARK})++)|(?P<triples>(?:{_SOUTH_EAST_ASIAN}{_MARK})++)"
_WORD = rf"[[\p{{L}}\p{{N}}\p{{M}}\u00AD\u200C\u200D]--{UNSPACED}]++"
_WORDS = regex.compile(rf"{_RUNS}|{_WORD}", regex.VERSION1)
_COMPOUNDS = regex.compile(rf"{_RUNS}|{_WORD}(?:(?:[.&'\u2019-]|_++){_WORD})*+", regex.VERSION1)
_ASCII = re.compile(r"[a-z0-9]+")
_UNSPACED_RUNS = regex.compile(rf"{UNSPACED}++", regex.VERSION1)
_CHARACTERS = regex.compile(rf"(?:{_SYLLABLE}|[\p{{L}}\p{{N}}]){_MARK}", regex.VERSION1)

_MARKS = regex.compile(r"(?<=[\p{Latin}\p{Greek}\p{Arabic}\p{Hebrew}])\p{Mn}++")
"""Marks that people leave out in writing. In other scripts, a mark makes another letter."""

_LETTERS = str.maketrans({
    "\u0131": "i",  # the dotless i: in Turkish, "I" is its upper case
    "\u00e6": "ae",
    "\u0153": "oe",
    "\u00f8": "o",
    "\u0111": "d",
    "\u0142": "l",
    "\u0451": "\u0435",  # Russian yo, which is mostly written ye
    "\u0629": "\u0647",  # Arabic: ta marbuta, alef maksura, and the Persian forms of yeh and kaf
    "\u0649": "\u064a",
    "\u06cc": "\u064a",
    "\u06a9": "\u0643",
    "\u0640": None,  # tatweel, which stretches a word
    "\u00ad": None,  # soft hyphen and joiners
    "\u200c": None,
    "\u200d": None,
})  # fmt: skip


class Word(NamedTuple):
    """A folded word, and where it stands in the text. Pairs of characters overlap."""

    text: str
    start: int
    end: int


def words(text: str) -> list[str]:
    """Return the folded words of a text, in order."""
    if text.isascii():
        return _ASCII.findall(text.lower())
    return [word.text for word in find_words(text)]


def find_words(text: str, *, compounds: bool = False) -> Iterator[Word]:
    """Find the folded words of a text.

    :param compounds: keep what hyphens, apostrophes, dots, underscores or "&" join together, as in ``m&ie``.
    """
    for match in (_COMPOUNDS if compounds else _WORDS).finditer(text):
        if match.lastgroup is None:
            yield Word(_folded_word(match[0]), match.start(), match.end())
            continue
        size = PAIRS if match.lastgroup == "pairs" else TRIPLES
        places = [character.span() for character in _CHARACTERS.finditer(text, match.start(), match.end())]
        for first in range(max(1, len(places) - size + 1)):
            start, end = places[first][0], places[first : first + size][-1][1]
            yield Word(_folded_word(text[start:end]), start, end)


def mentions(text: str, term: str) -> bool:
    """Return whether a text has all words of a term, one after the other."""
    return f" {' '.join(words(term))} " in f" {' '.join(words(text))} "


def is_unspaced(text: str) -> bool:
    """Return whether most letters of a text are of scripts that put no spaces between words."""
    unspaced = sum(len(match[0]) for match in _UNSPACED_RUNS.finditer(text))
    return 2 * unspaced > sum(map(str.isalpha, text))


def count_words(text: str) -> int:
    """Return the number of words; an estimate where nothing separates them."""
    count = 0
    for match in _WORDS.finditer(text):
        size = {None: 0, "pairs": PAIRS, "triples": TRIPLES}[match.lastgroup]
        count += -(-len(_CHARACTERS.findall(match[0])) // size) if size else 1
    return count


def folded(text: str) -> str:
    """Return a text as it is compared: NFKC, without case, and without the marks that people leave out."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", _MARKS.sub("", plain)).translate(_LETTERS)


_folded_word = lru_cache(maxsize=20_000)(folded)
