"""Whether a question is in another language than some texts, told by its script and its common words.

No model of languages is needed: even a question that the texts don't answer shares its "how", "is" and "the" with texts
of its own language, and almost nothing with those of another one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import regex

from bot.language.words import is_unspaced, words

if TYPE_CHECKING:
    from collections.abc import Iterable

FEW_WORDS = 4
"""A question with fewer different words may share none of them with texts of its own language."""
SHARED = 0.15
"""Share of a question's words that also occur in the texts, below which their languages differ."""
MANY_WORDS = 60
"""Texts with fewer words may lack even the common ones of their own language."""

_SCRIPTS = (
    *("Arabic", "Armenian", "Bengali", "Cyrillic", "Devanagari", "Georgian", "Greek", "Gujarati", "Hangul", "Hebrew"),
    *("Khmer", "Lao", "Latin", "Myanmar", "Sinhala", "Tamil", "Telugu", "Thai"),
)
_WORD = regex.compile(
    "|".join([r"([\p{Han}\p{Hiragana}\p{Katakana}])", *(rf"(\p{{{script}}}++)" for script in _SCRIPTS)])
)
"""A word, or one Chinese character. A Japanese question may have no kana, so the two count as one script."""


def other_language(question: str, texts: Iterable[str]) -> bool:
    """Return whether a question is plainly in another language than the texts; ``False`` when in doubt."""
    joined = "\n".join(texts)
    asked, written = _script(question), _script(joined)
    if not asked or not written:
        return False
    if asked != written:
        return True
    said, known = set(words(question)), words(joined)
    if len(said) < FEW_WORDS or len(known) < MANY_WORDS or is_unspaced(question):
        return False
    return len(said.intersection(known)) < SHARED * len(said)


def _script(text: str) -> int:
    """Return the number of the script that most words are of; 0 without letters."""
    counts = Counter(match.lastindex or 0 for match in _WORD.finditer(text))
    return counts.most_common(1)[0][0] if counts else 0
