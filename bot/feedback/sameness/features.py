"""What the classifier sees of two questions: how their terms and token vectors match, and what the rules see."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bot.domain.ports import TokenVectors
    from bot.feedback.sameness.alignment import Alignment
    from bot.feedback.sameness.differences import Difference
    from bot.feedback.sameness.reading import Reading, Term

NAMES = (
    "cosine",
    "fewer_left",
    "more_left",
    "fewer_nouns",
    "more_nouns",
    "verbs_left",
    "members_left",
    "known_apart",
    "known_left",
    "paired",
    "share_paired",
    "exact",
    "weakest_term",
    "mean_term",
    "weakest_match",
    "unmatched",
    "weakest_token",
    "weakest_token_other",
    "mean_token",
    "weight_left",
    "same_kind",
    "both_kinds",
    "kinds_apart",
    "order",
    "letters",
    "length",
    "replaced",
    "question",
    "group",
    "number",
    "name",
    "direction",
    "subject",
    "undone",
)
"""The features, in order. ``left`` are terms without a pair."""

SOFT = NAMES[NAMES.index("replaced") :]
"""The kinds of differences that the classifier weighs."""

TOLD = frozenset({"frequency", "duration", "time", "count", "amount", "price", "reason", "person", "place", "effect"})
"""The kinds of questions that only some ways to ask leave out."""

MOST = 4
"""More of a thing counts as many."""

EVIDENT = 0.6
"""The cosine that two questions with the same terms must have."""

MATCHED = 0.55
"""The cosine of token vectors from which on two terms may be synonyms."""


def features(
    readings: tuple[Reading, Reading],
    alignment: Alignment,
    seen: Sequence[Difference],
    cosine: float,
    tokens: tuple[TokenVectors, TokenVectors],
) -> NDArray[np.float64]:
    """Return the features of a pair of questions, whichever of them comes first.

    The token features are those of late interaction (Khattab and Zaharia 2020): each token of one question is compared
    with the nearest of the other.
    """
    return np.array(
        [cosine, *_of_terms(alignment), *_of_tokens(alignment, tokens), *_of_questions(*readings, seen)],
        dtype=np.float64,
    )


def evident(found: NDArray[np.float64]) -> bool:
    """Return whether all terms have a pair, both ask for the same, and the rules see no difference."""
    values = dict(zip(NAMES, found, strict=True))
    apart = values["kinds_apart"] or any(values[kind] for kind in SOFT)
    return bool(values["exact"] and not apart and values["cosine"] >= EVIDENT)


def _of_terms(alignment: Alignment) -> list[float]:
    left = sorted((alignment.left, alignment.right), key=len)
    nouns = sorted(sum(not term.verb for term in terms) for terms in left)
    paired = len(alignment.pairs)
    return [
        min(len(left[0]), MOST),
        min(len(left[1]), MOST),
        min(nouns[0], MOST),
        min(nouns[1], MOST),
        min(sum(term.verb for terms in left for term in terms), MOST),
        sum(term.member is not None for terms in left for term in terms),
        *sorted(sum(bool(term.senses or term.member) for term in terms) for terms in left),
        min(paired, MOST),
        paired / max(paired + len(left[1]), 1),
        not (left[0] or left[1]),
    ]


def _of_tokens(alignment: Alignment, tokens: tuple[TokenVectors, TokenVectors]) -> list[float]:
    sides = (alignment.left, alignment.right)
    vectors = [[_vector(term, own) for term in terms] for terms, own in zip(sides, tokens, strict=True)]
    nearest = [_highest(vector, tokens[1].vectors) for vector in vectors[0]]
    nearest += [_highest(vector, tokens[0].vectors) for vector in vectors[1]]
    matches = _matches(*vectors)
    similar = tokens[0].vectors @ tokens[1].vectors.T
    return [
        min(nearest, default=1.0),
        sum(nearest) / len(nearest) if nearest else 1.0,
        min(matches, default=1.0),
        min(max(map(len, sides)) - sum(match >= MATCHED for match in matches), MOST),
        *sorted((float(similar.max(axis=1).min()), float(similar.max(axis=0).min()))),
        float(similar.max(axis=1).mean() + similar.max(axis=0).mean()) / 2,
        max((_weight(v, own) for found, own in zip(vectors, tokens, strict=True) for v in found), default=0.0),
    ]


def _of_questions(first: Reading, second: Reading, seen: Sequence[Difference]) -> list[float]:
    kinds: list[str] = [difference.kind for difference in seen]
    words = sorted((first.plain.split(), second.plain.split()))
    lengths = sorted((len(first.terms), len(second.terms)))
    return [
        not first.asks.isdisjoint(second.asks),
        bool(first.asks and second.asks),
        min(len((first.asks ^ second.asks) & TOLD), MOST),
        SequenceMatcher(None, words[0], words[1], autojunk=False).ratio(),
        _overlap(_trigrams(first.plain), _trigrams(second.plain)),
        lengths[0] / max(lengths[1], 1),
        *(kinds.count(kind) for kind in SOFT),
    ]


def _vector(term: Term, own: TokenVectors) -> NDArray[np.float32]:
    """Return the unit vector of a term in its question; zero if the embedder cut it off."""
    rows = [row for row, (start, end) in enumerate(own.spans) if any(start < e and s < end for s, e in term.spans)]
    found = own.vectors[rows].sum(axis=0)
    return np.asarray(found / max(float(np.linalg.norm(found)), 1e-9), dtype=np.float32)


def _highest(vector: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    return float((others @ vector).max())


def _weight(vector: NDArray[np.float32], own: TokenVectors) -> float:
    """Return how much a term has of what its question says."""
    whole = own.vectors.sum(axis=0)
    return float(vector @ whole / max(float(np.linalg.norm(whole)), 1e-9))


def _matches(left: Sequence[NDArray[np.float32]], right: Sequence[NDArray[np.float32]]) -> list[float]:
    """Return the cosines of the terms that are paired greedily, nearest first."""
    found: list[float] = []
    if left and right:
        cosines = np.stack(left) @ np.stack(right).T
        for _ in range(min(cosines.shape)):
            row, column = np.unravel_index(int(cosines.argmax()), cosines.shape)
            found.append(float(cosines[row, column]))
            cosines[row, :] = cosines[:, column] = -1.0
    return found


def _trigrams(text: str) -> frozenset[str]:
    padded = f"  {text} "
    return frozenset(padded[start : start + 3] for start in range(len(padded) - 2))


def _overlap(first: frozenset[str], second: frozenset[str]) -> float:
    """Return the Jaccard index."""
    return len(first & second) / max(len(first | second), 1)
