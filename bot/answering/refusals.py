"""Tells a model's refusal from what a page says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bot.language.words import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.questions import Passage

REFUSES = re.compile(
    r"[\W_]*(?:(?:(?:i['\u2019]?m |i am )?sorry|unfortunately|i apologi[sz]e)[,.;:]?\s+(?:but\s+)?)?"
    r"i (?:do not|don['\u2019]?t|did not|didn['\u2019]?t|can ?not|can['\u2019]?t|could not|couldn['\u2019]?t) find\b",
    re.IGNORECASE,
)
"""How the refusal that the prompt asks for begins, as models word it."""
QUOTED_WORDS = 4
"""Words after it by which a refusal is told from a quotation of a page that begins like one."""


def refuses(sentence: str, passages: Sequence[Passage]) -> bool:
    """Return whether an answer that begins with the sentence says that it finds nothing.

    It is asked once, of what the model says first, unless the engine itself says that it refuses
    (:class:`bot.Refusal`). From then on a refusal is a value (``GuardedStream.refused``, :attr:`bot.Answer.refused`),
    and no text is looked at. A page may say it, too: "I can't find my badge. What now?"
    """
    begins = REFUSES.match(sentence)
    if begins is None:
        return False
    said = " ".join(["find", *words(sentence[begins.end() :])[:QUOTED_WORDS]])
    return not any(f" {said} " in f" {' '.join(words(passage.text))} " for passage in passages)
