"""The search query: the last question, and the turns that it leans on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bot.domain.questions import SEARCHED_TURNS
from retrieval.index.lexical import terms_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bot.domain.questions import Turn
    from retrieval.embed import Embedder

CARRIED = 0.6
"""Weight of the turns before a question that leans on them; its own is the rest."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question ready for both indexes.

    :param vector: unit vector, shape ``(dimension,)``.
    :param terms: per turn, its stemmed words and its weight; the weights sum to 1.
    :param counts_words: see :meth:`retrieval.embed.Embedder.counts_words`.
    """

    vector: NDArray[np.float32]
    terms: tuple[tuple[tuple[str, ...], float], ...]
    counts_words: bool = False


def make_query(text: str, history: Sequence[Turn], embedder: Embedder) -> Query:
    """Weigh the last question and the turns that it leans on: each turn carries those before it."""
    turns = [turn.question for turn in history[-SEARCHED_TURNS:] if turn.question.strip()] + [text]
    vectors = embedder.encode(turns)
    weights = [1.0]
    for _ in turns[1:]:
        weights = [weight * CARRIED for weight in weights] + [1.0 - CARRIED]
    vector = np.asarray(np.array(weights, dtype=np.float32) @ vectors, dtype=np.float32)
    length = float(np.linalg.norm(vector))
    terms = tuple((terms_of(turn), weight) for turn, weight in zip(turns, weights, strict=True))
    return Query(vector / max(length, 1e-12), terms, embedder.counts_words(text))
