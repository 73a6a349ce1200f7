"""The first stage of a search: both indexes are searched, the scores are fused and the best chunks ordered.

The fused score is a weighted sum: the cosine as it is, and BM25 divided by the query's best BM25 score. A sum keeps how
much better one passage is than the next, which reciprocal ranks throw away; on our questions it beat either method
alone (docs/explanation/retrieval.md; Bruch et al. 2023, arXiv:2210.11934).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from retrieval.index.snapshot import Snapshot
    from retrieval.search.query import Query

LEXICAL_WEIGHT = 0.2
CANDIDATES = 100
"""Chunks taken from each of the two indexes."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Chunks that a search found: their rows, cosines, and BM25 scores as a share of the query's best."""

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32]
    lexical: NDArray[np.float32]

    @property
    def fused(self) -> NDArray[np.float32]:
        """The fused scores, in 0..1."""
        mixed = (1 - LEXICAL_WEIGHT) * self.cosines + LEXICAL_WEIGHT * self.lexical
        return np.asarray(np.clip(mixed, 0.0, 1.0), dtype=np.float32)


def find(snapshot: Snapshot, query: Query, allowed: NDArray[np.int64]) -> Candidates:
    """Search both indexes among the allowed rows and score everything that either found with both."""
    mask = np.zeros(len(snapshot.chunks), dtype=bool)
    mask[allowed] = True
    scores = np.zeros(len(snapshot.chunks), dtype=np.float32)
    for terms, weight in query.terms:
        found = snapshot.lexical.scores(terms, mask)
        scores += weight * found / max(float(found.max(initial=0.0)), 1e-9)
    near, cosines = snapshot.nearest(query.vector, allowed, CANDIDATES)
    worded = allowed[np.argsort(-scores[allowed], kind="stable")[:CANDIDATES]]
    worded = np.setdiff1d(worded[scores[worded] > 0], near)
    rows = np.concatenate([near, worded])
    both = np.concatenate([cosines, snapshot.cosines(query.vector, worded)])
    return Candidates(rows, both, scores[rows])


def order(snapshot: Snapshot, candidates: Candidates) -> list[int]:
    """Return positions in ``candidates``, best first: one chunk a section, no text twice, then the rest."""
    seen_sections: set[tuple[str, int]] = set()
    seen_texts: set[str] = set()
    first: list[int] = []
    rest: list[int] = []
    for position in np.lexsort((candidates.rows, -candidates.fused)):
        chunk = snapshot.chunks[int(candidates.rows[position])]
        section, text = (chunk.document_id, chunk.section), " ".join(chunk.text.lower().split())
        again = section in seen_sections or text in seen_texts
        (rest if again else first).append(int(position))
        seen_sections.add(section)
        seen_texts.add(text)
    return first + rest
