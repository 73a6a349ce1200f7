"""Rates how well the documents of departments fit a question, to choose the department that answers it.

Two signs are added: the cosine of the nearest chunk, and how much more often than elsewhere the question's words occur
in a department's chunks (the log odds of naive Bayes). The first alone prefers the department with the most pages, and
the second knows a department's own terms. benchmarks/routing.py measures it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from retrieval.index.snapshot import Snapshot
    from retrieval.search.query import Query

WORDS_WEIGHT = 0.05
"""Weight of a word's log odds beside the cosine; chosen on the development half of the benchmark."""
WORD_PRIOR, CHUNKS_PRIOR = 0.5, 5.0
"""Added to the counts, so that few chunks prove little."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What a department's documents say of a question, as far as the audience may read them.

    :param nearest: cosine of the nearest chunk.
    :param chunks: how many chunks there are.
    :param holding: in how many of them each word of the question occurs.
    """

    nearest: float
    chunks: int
    holding: Mapping[str, int]


def signs(snapshot: Snapshot, query: Query, allowed: NDArray[np.int64]) -> Signs:
    """Look a question up in one department's index, among the allowed rows."""
    _, cosines = snapshot.nearest(query.vector, allowed, 1)
    mask = np.zeros(len(snapshot.chunks), dtype=bool)
    mask[allowed] = True
    terms = {term for turn, _ in query.terms for term in turn}
    holding = {term: snapshot.lexical.holding(term, mask) for term in terms}
    return Signs(float(cosines.max(initial=0.0)), len(allowed), holding)


def fits(found: Mapping[str, Signs], query: Query) -> dict[str, float]:
    """Return how well each department fits; the numbers can only be compared with each other."""
    chunks = sum(each.chunks for each in found.values())
    weights: dict[str, float] = {}
    for turn, weight in query.terms:
        for term in turn:
            weights[term] = max(weights.get(term, 0.0), weight)
    rated = {name: each.nearest for name, each in found.items()}
    for term, weight in weights.items():
        everywhere = sum(each.holding[term] for each in found.values())
        if not everywhere:
            continue
        usual = (everywhere + WORD_PRIOR) / (chunks + CHUNKS_PRIOR)
        for name, each in found.items():
            here = (each.holding[term] + WORD_PRIOR) / (each.chunks + CHUNKS_PRIOR)
            rated[name] += WORDS_WEIGHT * weight * log(here / usual)
    return rated
