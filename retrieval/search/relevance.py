"""The probability that a passage answers the question: logistic regression over four features.

The features do not depend on the size of the corpus, so one set of coefficients serves three documents or three
thousand. ``benchmarks/calibrate_relevance.py`` fits the coefficients; docs/explanation/retrieval.md has the data and
the figures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from retrieval.index.lexical import terms_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from retrieval.index.snapshot import Snapshot
    from retrieval.search.candidates import Candidates
    from retrieval.search.query import Query

FEATURES = ("cosine", "coverage", "both", "words")
COEFFICIENTS = {"hashing": (-7.828, -0.113, 9.142, 1.914, 2.182), "": (-10.091, 14.793, 6.039, -7.143, 1.563)}


def features(snapshot: Snapshot, query: Query, candidates: Candidates, positions: Sequence[int]) -> NDArray[np.float64]:
    """Return the features of the candidates at ``positions``, shape ``(len(positions), len(FEATURES))``."""
    wanted = _wanted(query)
    total = sum(wanted.values()) or 1.0
    table = np.zeros((len(positions), len(FEATURES)))
    for line, position in enumerate(positions):
        held = set(terms_of(snapshot.chunks[int(candidates.rows[position])].indexed))
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


def probabilities(
    snapshot: Snapshot, query: Query, candidates: Candidates, positions: Sequence[int]
) -> NDArray[np.float64]:
    """Return the probability that each candidate at ``positions`` answers the question."""
    weights = np.array(COEFFICIENTS["hashing" if query.counts_words else ""])
    logits = features(snapshot, query, candidates, positions) @ weights[1:] + weights[0]
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0))), dtype=np.float64)
