"""What the classifier sees of two questions: how their terms and token vectors match."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bot.domain.ports import TokenVectors
    from bot.feedback.sameness.alignment import Alignment
    from bot.feedback.sameness.reading import Reading, Term

NAMES = (
    "cosine",
    "fewer_left",
    "more_left",
    "nouns_left",
    "paired",
    "share_paired",
    "weakest_term",
    "weakest_token",
    "weakest_token_other",
    "mean_token",
    "same_kind",
    "both_kinds",
    "exact",
)
"""The features, in order. ``left`` are terms without a pair."""


def features(
    readings: tuple[Reading, Reading],
    alignment: Alignment,
    cosine: float,
    tokens: tuple[TokenVectors, TokenVectors],
) -> NDArray[np.float64]:
    """Return the features of a pair of questions, whichever of them comes first.

    The token features are those of late interaction (Khattab and Zaharia 2020): each token of one question is compared
    with the nearest of the other.
    """
    first, second = readings
    left = sorted((alignment.left, alignment.right), key=len)
    similar = tokens[0].vectors @ tokens[1].vectors.T
    weakest = sorted((float(similar.max(axis=1).min()), float(similar.max(axis=0).min())))
    terms = [_nearest(term, tokens[0], tokens[1]) for term in alignment.left]
    terms += [_nearest(term, tokens[1], tokens[0]) for term in alignment.right]
    paired = len(alignment.pairs)
    return np.array(
        [
            cosine,
            len(left[0]),
            len(left[1]),
            sum(not term.verb for terms in left for term in terms),
            min(paired, 4),
            paired / max(paired + len(left[1]), 1),
            min(terms, default=1.0),
            *weakest,
            (similar.max(axis=1).mean() + similar.max(axis=0).mean()) / 2,
            not first.asks.isdisjoint(second.asks),
            bool(first.asks and second.asks),
            not (left[0] or left[1]),
        ],
        dtype=np.float64,
    )


def _nearest(term: Term, own: TokenVectors, other: TokenVectors) -> float:
    """Return how near the nearest token of the other question is to a term."""
    rows = [row for row, (start, end) in enumerate(own.spans) if any(start < e and s < end for s, e in term.spans)]
    if not rows:
        return 0.0
    vector = own.vectors[rows].mean(axis=0)
    return float((other.vectors @ vector).max() / max(float(np.linalg.norm(vector)), 1e-9))
