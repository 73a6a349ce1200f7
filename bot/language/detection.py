"""Whether a question is in another language than some texts, told by its script and its common words.

No model of languages is needed: even a question that the texts don't answer has the "how", "is" and "the" of its
language. Seven languages are recognized by such words; a question in another one shares almost no word with the texts.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import regex

from bot.language.words import is_unspaced, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FEW_WORDS = 4
"""A question with fewer different words may share none of them with texts of its own language."""
SHARED = 0.15
"""Share of a question's words that also occur in the texts, below which their languages differ."""
MANY_WORDS = 60
"""Texts with fewer words may lack even the common ones of their own language."""

FEW_COMMON = 2
"""A question is in a language if it has at least this many of its common words, not all of which occur in names."""
MANY_COMMON = 5
"""Texts with fewer common words may be in any language."""

_COMMON = {
    language: frozenset(listed.split())
    for language, listed in {
        "en": "what how who where when why which is are was do does did can could should will would i my me we our you "
        "your it this that there the a an of to in on for from with by at as and or not if be have has get many much",
        "de": "was wie wer wo wann warum welche welcher welches wieviel viele viel ist sind war kann konnen muss "
        "mussen soll darf wird werden habe haben hat gibt ich mein meine meinen wir sie es man der die das den "
        "dem des ein eine einen einem einer zu zum zur im in am an auf fur von mit bei nach aus und oder nicht wenn",
        "fr": "que qu quoi quel quelle quels quelles combien comment qui ou quand pourquoi est sont suis ai avons avez "
        "peut puis peux dois faut fait il elle je j mon ma mes nous notre vous votre on ce cette c le la les l un une "
        "des du de d au aux a dans sur pour par avec en et pas ne si y",
        "es": "que cual cuales cuanto cuanta cuantos cuantas como quien donde cuando por es son esta estan soy tengo "
        "tiene tenemos hay puedo puede podemos debo necesito hago se yo mi nos nuestro usted su el la los las lo "
        "un una de del al a en para con sin y o no si",
        "it": "che cosa quale quali quanto quanta quanti quante come chi dove quando perche e sono ho ha abbiamo posso "
        "puo possiamo devo ce io mio mia miei noi nostro si il lo la i gli le l un una di del della dei delle al alla "
        "a da dal in nel nella su per con o non se",
        "pt": "que qual quais quanto quanta quantos quantas como quem onde quando por e sao estou tenho tem temos ha "
        "posso pode podemos devo preciso eu minha nos nosso voce se o a os as um uma de do da dos das ao na no em "
        "para com sem ou nao",
        "nl": "wat hoe wie waar wanneer waarom welke hoeveel is zijn was kan kunnen moet mag wordt heb heeft hebben ik "
        "mijn wij we onze u je jij het de een van naar in op aan voor met bij uit en of niet als er",
    }.items()
}
"""Common words as :func:`~bot.language.words.words` writes them, chosen from the stop words of Snowball."""
_IN_NAMES = frozenset((
    "a", "al", "an", "da", "das", "de", "del", "den", "der", "des", "di", "die", "do", "dos", "du", "e", "el", "i",
    "in", "l", "la", "las", "le", "les", "lo", "los", "o", "os", "san",
))  # fmt: skip
"""Common words that occur in names within any language, such as "Rio de la Plata"."""

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
    if (told := _differ(said, known)) is not None:
        return told
    if len(said) < FEW_WORDS or len(known) < MANY_WORDS or is_unspaced(question):
        return False
    return len(said.intersection(known)) < SHARED * len(said)


def _differ(said: set[str], known: Sequence[str]) -> bool | None:
    """Return whether common words tell two languages apart; ``None`` if they don't tell the languages."""
    counts = {language: sum(map(common.__contains__, known)) for language, common in _COMMON.items()}
    written = max(counts, key=lambda language: counts[language])
    asked = {language: len(said & common) for language, common in _COMMON.items()}
    best = max(asked, key=lambda language: (asked[language], language == written))
    if counts[written] < MANY_COMMON or asked[best] < FEW_COMMON or said & _COMMON[best] <= _IN_NAMES:
        return None
    if best == written:
        return False
    return True if asked[best] >= 2 * asked[written] else None


def _script(text: str) -> int:
    """Return the number of the script that most words are of; 0 without letters."""
    counts = Counter(match.lastindex or 0 for match in _WORD.finditer(text))
    return counts.most_common(1)[0][0] if counts else 0
