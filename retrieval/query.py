"""What is looked for: the last question, and as much of the thread before it as it needs.

Joining all turns hurts questions that stand alone, so each turn carries the one before it with a weight: a small one
when it stands alone, a large one when it leans on what was said (few content words, "what about …", "it").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from retrieval.lexical import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bot.messages import Turn
    from retrieval.embed import Embedder

TURNS = 4
LEANING = 0.6
STANDING = 0.2
FEW_WORDS = 2

_OPENING = re.compile(r"\s*(?:and|but|or|also|then|so|what about|how about|what if|and if|same)\b", re.IGNORECASE)
_POINTING = re.compile(
    r"\b(?:it|its|that|this|those|these|them|they|their|one|ones|there|he|she|his|her|too|either|instead|else)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Query:
    """A question ready for both indexes.

    :param vector: unit vector, shape ``(dimension,)``.
    :param terms: per turn, its stemmed words and its weight; the weights sum to 1.
    """

    vector: NDArray[np.float32]
    terms: tuple[tuple[tuple[str, ...], float], ...]


def leans(text: str) -> bool:
    """Return whether a question needs the turn before it to be understood."""
    found = words(text)
    pointed = bool(_POINTING.search(text))
    return len(found) <= FEW_WORDS or bool(_OPENING.match(text)) or (pointed and len(found) <= 2 * FEW_WORDS)


def make_query(text: str, history: Sequence[Turn], embedder: Embedder) -> Query:
    """Weigh the last question and the turns before it."""
    turns = [turn.question for turn in history[-TURNS:] if turn.question.strip()] + [text]
    vectors = embedder.encode(turns)
    weights = [1.0]
    for turn in turns[1:]:
        carried = LEANING if leans(turn) else STANDING
        weights = [weight * carried for weight in weights] + [1.0 - carried]
    vector = np.asarray(np.array(weights, dtype=np.float32) @ vectors, dtype=np.float32)
    length = float(np.linalg.norm(vector))
    terms = tuple((words(turn), weight) for turn, weight in zip(turns, weights, strict=True))
    return Query(vector / max(length, 1e-12), terms)
