"""How likely a passage answers the question: a logistic model over four readable signs.

The signs do not depend on the corpus's size, so one set of coefficients serves three documents and three thousand.
``benchmarks/calibrate_relevance.py`` fits them; docs/explanation/retrieval.md says on what and how well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrieval.lexical import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from retrieval.index import Generation
    from retrieval.query import Query
    from retrieval.search import Candidates

SIGNS = ("cosine", "coverage", "both", "words")
COEFFICIENTS = {"hashing": (-7.828, -0.113, 9.142, 1.914, 2.182), "": (-10.091, 14.793, 6.039, -7.143, 1.563)}


def signs(
    generation: Generation, query: Query, candidates: Candidates, positions: Sequence[int]
) -> NDArray[np.float64]:
    """Return the signs of the candidates at ``positions``, shape ``(len(positions), len(SIGNS))``."""
    wanted = _wanted(query)
    total = sum(wanted.values()) or 1.0
    table = np.zeros((len(positions), len(SIGNS)))
    for line, position in enumerate(positions):
        held = set(words(generation.chunks[int(candidates.rows[position])].indexed))
        coverage = sum(weight for word, weight in wanted.items() if word in held) / total
        cosine = float(candidates.cosines[position])
        table[line] = cosine, coverage, cosine * coverage, np.log1p(len(wanted))
    return table


def _wanted(query: Query) -> dict[str, float]:
    wanted: dict[str, float] = {}
    for terms, weight in query.terms:
        for term in terms:
            wanted[term] = max(wanted.get(term, 0.0), weight)
    return wanted


def chances(
    generation: Generation, query: Query, candidates: Candidates, positions: Sequence[int]
) -> NDArray[np.float64]:
    """Return the chance of each candidate at ``positions`` that it answers the question, in 0..1."""
    family = generation.embedder.split("-")[0] if generation.embedder.startswith("hashing") else ""
    weights = np.array(COEFFICIENTS[family])
    logits = signs(generation, query, candidates, positions) @ weights[1:] + weights[0]
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0))), dtype=np.float64)
