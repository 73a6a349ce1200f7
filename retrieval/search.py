"""Hybrid search: exact cosine over the embedder's vectors and BM25, fused as a weighted sum of normalised scores.

A weighted sum keeps how much better one passage is than the next, which reciprocal ranks throw away; with BM25 divided
by its best score of the query and cosines left as they are it beat both single methods
(docs/explanation/retrieval.md; Bruch et al. 2023, arXiv:2210.11934). The audience's rights are a selector inside both
searches, never a filter after them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bot.errors import ArtifactError
from bot.messages import Passage
from retrieval import relevance, rights
from retrieval.embed import open_embedder
from retrieval.generations import Generations
from retrieval.query import make_query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from bot.messages import Audience, Turn
    from bot.settings import Settings
    from bot.store import Store
    from retrieval.embed import Embedder
    from retrieval.index import Generation
    from retrieval.query import Query

LEXICAL_WEIGHT = 0.2
CANDIDATES = 100
REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Candidates:
    """Chunks in the running: their rows, cosines, and BM25 scores as a share of the query's best."""

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32]
    lexical: NDArray[np.float32]

    @property
    def fused(self) -> NDArray[np.float32]:
        """The fused scores, in 0..1."""
        mixed = (1 - LEXICAL_WEIGHT) * self.cosines + LEXICAL_WEIGHT * self.lexical
        return np.asarray(np.clip(mixed, 0.0, 1.0), dtype=np.float32)


class RememberingEmbedder:
    """Keeps the newest texts' vectors: routing asks every department the same question, and passages come again."""

    def __init__(self, embedder: Embedder) -> None:
        self.inner = embedder
        self._known: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = threading.Lock()
        self.identity = embedder.identity

    @property
    def dimension(self) -> int:
        """The length of a vector."""
        return self.inner.dimension

    @property
    def max_tokens(self) -> int:
        """How many tokens of a text the model sees."""
        return self.inner.max_tokens

    def count_tokens(self, text: str) -> int:
        """Return the length of a text in tokens."""
        return self.inner.count_tokens(text)

    def encode(self, texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Return unit vectors, shape ``(len(texts), dimension)``."""
        with self._lock:
            found = {text: self._known[text] for text in texts if text in self._known}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            found.update(zip(missing, self.inner.encode(missing, progress=progress), strict=True))
        with self._lock:
            for text in missing:
                self._known[text] = found[text]
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return np.stack([found[text] for text in texts]) if texts else np.zeros((0, self.dimension), dtype=np.float32)


class HybridRetriever:
    """Implements :class:`bot.protocols.Retriever` over the generations of an instance."""

    def __init__(self, store: Store, settings: Settings, *, embedder: Embedder | None = None) -> None:
        self._store = store
        self._settings = settings
        self._given = embedder
        self._made: RememberingEmbedder | None = None
        self._lock = threading.Lock()
        self.generations = Generations(store, settings)
        self.generations.sweep_all()

    @property
    def embedder(self) -> RememberingEmbedder:
        """The embedder, opened at first use.

        :raises ArtifactError: it has not been fetched.
        """
        with self._lock:
            if self._made is None:
                self._made = RememberingEmbedder(self._given or open_embedder(self._settings))
            return self._made

    def search(
        self, text: str, department: str, audience: Audience, *, k: int = 10, history: Sequence[Turn] = ()
    ) -> list[Passage]:
        """Return up to ``k`` passages the audience may read, best first. An empty department gives none.

        :raises ArtifactError: the index does not verify, or was made with another embedder.
        """
        with self._store.read() as session:
            name = self.generations.active(session, department)
            readable = rights.readable(session, department, audience)
        if name is None or not readable or not text.strip():
            return []
        generation = self.generations.serve(department, name)
        allowed = [generation.rows[document] for document in readable if document in generation.rows]
        if not allowed:
            return []
        require_embedder(generation, self.embedder.identity, department)
        query = make_query(text, history, self.embedder)
        candidates = find(generation, query, np.concatenate(allowed))
        best = order(generation, candidates)[:k]
        chances = relevance.chances(generation, query, candidates, best)
        return [
            _passage(
                generation,
                int(candidates.rows[position]),
                department,
                readable,
                score=float(candidates.fused[position]),
                relevance=float(chance),
            )
            for position, chance in zip(best, chances, strict=True)
        ]

    def passages(self, chunk_ids: Sequence[str], department: str) -> list[Passage]:
        """Return stored passages by id, in the order asked, leaving out those that are gone."""
        with self._store.read() as session:
            name = self.generations.active(session, department)
            addresses = rights.addresses(session, department)
        if name is None:
            return []
        generation = self.generations.serve(department, name)
        wanted = set(chunk_ids)
        found = {chunk.chunk_id: row for row, chunk in enumerate(generation.chunks) if chunk.chunk_id in wanted}
        return [
            _passage(generation, found[chunk_id], department, addresses)
            for chunk_id in chunk_ids
            if chunk_id in found and generation.chunks[found[chunk_id]].document_id in addresses
        ]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape ``(len(texts), dimension)``."""
        return self.embedder.encode(texts)

    def has_documents(self, department: str) -> bool:
        """Return whether the department has any searchable document."""
        with self._store.read() as session:
            return self.generations.active(session, department) is not None and bool(
                rights.addresses(session, department)
            )

    def generation(self, department: str) -> str | None:
        """Return the name of the index generation now served for the department."""
        with self._store.read() as session:
            return self.generations.active(session, department)


def _passage(  # noqa: PLR0913 - a chunk's place, and what it was found for
    generation: Generation,
    row: int,
    department: str,
    addresses: Mapping[str, str],
    *,
    score: float = 0.0,
    relevance: float = 0.0,
) -> Passage:
    chunk = generation.chunks[row]
    text, following = generation.text(row)
    return Passage(
        chunk_id=chunk.chunk_id,
        document_id=chunk.document_id,
        document=addresses[chunk.document_id],
        heading=chunk.heading or chunk.context,
        text=text,
        score=score,
        department=department,
        generation=generation.name,
        relevance=relevance,
        following=following,
        title=chunk.title,
    )


def find(generation: Generation, query: Query, allowed: NDArray[np.int64]) -> Candidates:
    """Search both indexes among the allowed rows and score everything that either found with both."""
    mask = np.zeros(len(generation.chunks), dtype=bool)
    mask[allowed] = True
    scores = np.zeros(len(generation.chunks), dtype=np.float32)
    for terms, weight in query.terms:
        found = generation.lexical.scores(terms, mask)
        scores += weight * found / max(float(found.max(initial=0.0)), 1e-9)
    near, cosines = generation.nearest(query.vector, allowed, CANDIDATES)
    worded = allowed[np.argsort(-scores[allowed], kind="stable")[:CANDIDATES]]
    worded = np.setdiff1d(worded[scores[worded] > 0], near)
    rows = np.concatenate([near, worded])
    both = np.concatenate([cosines, generation.cosines(query.vector, worded)])
    return Candidates(rows, both, scores[rows])


def order(generation: Generation, candidates: Candidates) -> list[int]:
    """Return positions in ``candidates``, best first: one chunk a section, no text twice, then the rest."""
    seen_sections: set[tuple[str, int]] = set()
    seen_texts: set[str] = set()
    first: list[int] = []
    rest: list[int] = []
    for position in np.lexsort((candidates.rows, -candidates.fused)):
        chunk = generation.chunks[int(candidates.rows[position])]
        section, text = (chunk.document_id, chunk.section), " ".join(chunk.text.lower().split())
        again = section in seen_sections or text in seen_texts
        (rest if again else first).append(int(position))
        seen_sections.add(section)
        seen_texts.add(text)
    return first + rest


def require_embedder(generation: Generation, identity: str, department: str) -> None:
    """Make sure that the question's vector and the index's come from the same weights.

    :raises ArtifactError: they do not.
    """
    if generation.embedder != identity:
        raise ArtifactError(
            f"The index of {department!r} was made with embedder {generation.embedder}, the settings name {identity}.",
            hint=f"Build it anew: `mentee documents sync --department {department}`.",
        )
