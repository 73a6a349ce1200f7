"""Signs in a question's wording that it leans on what was said before: "and for contractors?", "how do I cancel it?".

The words are those of several languages. Without any, a short question may lean on the thread too; whether it does is
up to the search (:mod:`bot.answering.threads.topic`).
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from bot.answering.threads.courtesy import without_courtesies
from bot.language.words import count_words

Leaning = Literal["yes", "no", "maybe"]

FEW_WORDS = 8
"""A longer question says by itself what it is about, whatever pronouns it has."""
ELLIPTIC_WORDS = 5
"""A question of at most so many words may leave out what it is about."""

_OPENING = re.compile(
    r"(?:and|but|or|what about|how about|what if|even if|same for|then what|und|aber|oder|was ist mit|wie ist es"
    r"|wie sieht es|et|mais|ou|qu'en est-il|y|pero|o|qué pasa con|qué tal|e|ma|mas|en|maar|hoe zit het)(?![\w'])",
    re.IGNORECASE,
)
_FRAGMENT = re.compile(
    r"(?:for|in|on|at|by|with|without|from|to|of|if|für|in|mit|bei|ohne|von|bis|wenn|falls|pour|avec|sans|dans|chez|si"
    r"|para|con|sin|en|de|per|senza|com|sem|em|voor|met|zonder|bij|als)(?![\w'])",
    re.IGNORECASE,
)
_APOSTROPHE = re.compile("['\u2019]")
_REFERENCE = re.compile(
    r"(?<![\w'])(?:it|its|that|this|those|these|them|they|their|one|ones|he|she|his|her|him|either|instead|else"
    r"|(?<!is )(?<!are )(?<!was )there(?! is\b| are\b)"
    r"|ihn|ihm|diese[rsmn]?|davon|dafür|damit|dort|daran|darauf|dazu|deren|dessen|stattdessen"
    r"|ça|cela|ceci|celui|celle|ceux|celles|eso|esto|ello|allí|esos|esas|ciò|questo|quello|isso|isto|aquilo"
    r"|ervan|daarvoor)(?![\w'])|それ|これ|あれ|そこ|这个|那个|它|그것|이것",
    re.IGNORECASE,
)


def leaning(text: str) -> Leaning:
    """Return whether a question's wording says that it leans on the thread."""
    question = unicodedata.normalize("NFKC", without_courtesies(text))
    length = count_words(_APOSTROPHE.sub("", question))
    opens, short = bool(_OPENING.match(question)), length <= ELLIPTIC_WORDS
    if (opens and short) or (length <= FEW_WORDS and _REFERENCE.search(question)):
        return "yes"
    return "maybe" if opens or short or (length <= FEW_WORDS and _FRAGMENT.match(question)) else "no"
