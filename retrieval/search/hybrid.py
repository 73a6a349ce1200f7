"""The retriever: hybrid search over the snapshot of a department's index, limited to what the audience may read.

The audience's rights select rows *inside* both searches; nothing is filtered afterwards, so what somebody may not read
takes no place among the results.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from bot.domain.errors import ArtifactError
from bot.domain.questions import Passage
from retrieval.embed import CachedEmbedder, open_embedder
from retrieval.index.snapshot_store import SnapshotStore
from retrieval.search import relevance, rights
from retrieval.search.candidates import find, order
from retrieval.search.departments import fits, signs
from retrieval.search.query import make_query
from retrieval.search.spelling import corrected

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from bot.config.settings import Settings
    from bot.domain.people import Audience
    from bot.domain.ports import TokenVectors
    from bot.domain.questions import Turn
    from bot.storage.session import Store
    from retrieval.embed import Embedder
    from retrieval.index.snapshot import Snapshot
    from retrieval.search.rights import Readable


class HybridRetriever:
    """Implements :class:`bot.domain.ports.Retriever` over the index snapshots of an instance.

    :param embedder: used instead of the one that the settings name.
    """

    def __init__(self, store: Store, settings: Settings, *, embedder: Embedder | None = None) -> None:
        self._store = store
        self._settings = settings
        self._given = embedder
        self._opened: CachedEmbedder | None = None
        self._lock = threading.Lock()
        self.snapshots = SnapshotStore(store, settings.artifacts_dir / "indexes")
        self.snapshots.sweep_all()

    @property
    def embedder(self) -> CachedEmbedder:
        """The embedder, opened at first use.

        :raises ArtifactError: it has not been fetched.
        """
        with self._lock:
            if self._opened is None:
                self._opened = CachedEmbedder(self._given or open_embedder(self._settings))
            return self._opened

    def search(
        self, text: str, department: str, audience: Audience, *, k: int = 10, history: Sequence[Turn] = ()
    ) -> list[Passage]:
        """Return up to ``k`` passages the audience may read, best first. An empty department gives none.

        :raises ArtifactError: the index does not verify, or was made with another embedder.
        """
        opened = self._open(department, audience) if text.strip() else None
        if opened is None:
            return []
        snapshot, allowed, readable = opened
        mask = np.zeros(len(snapshot.chunks), dtype=bool)
        mask[allowed] = True
        query = make_query(corrected(text, snapshot, mask), history, self.embedder)
        candidates = find(snapshot, query, allowed)
        best = order(snapshot, candidates)[:k]
        probabilities = relevance.probabilities(snapshot, query, candidates, best)
        return [
            _passage(
                snapshot,
                int(candidates.rows[position]),
                department,
                readable,
                score=float(candidates.fused[position]),
                relevance=float(probability),
            )
            for position, probability in zip(best, probabilities, strict=True)
        ]

    def rate_departments(
        self, text: str, departments: Sequence[str], audience: Audience, *, history: Sequence[Turn] = ()
    ) -> Mapping[str, float]:
        """Return how well the documents of each department fit a text; see :mod:`retrieval.search.departments`.

        A department without documents that the audience may read, or whose index can't be read, isn't rated.
        """
        if not text.strip():
            return {}
        query = make_query(text, history, self.embedder)
        found = {}
        for department in departments:
            with suppress(ArtifactError):  # one broken index must not keep the others from answering
                opened = self._open(department, audience)
                if opened is not None:
                    found[department] = signs(opened[0], query, opened[1])
        return fits(found, query)

    def _open(
        self, department: str, audience: Audience
    ) -> tuple[Snapshot, NDArray[np.int64], Mapping[str, Readable]] | None:
        """Return a department's snapshot, the rows that the audience may read, and their documents; ``None`` if none.

        :raises ArtifactError: the index does not verify, or was made with another embedder.
        """
        with self._store.read() as session:
            name = self.snapshots.active(session, department)
            readable = rights.readable(session, department, audience)
        if name is None or not readable:
            return None
        snapshot = self.snapshots.serve(department, name)
        allowed = [snapshot.rows[document] for document in readable if document in snapshot.rows]
        if not allowed:
            return None
        require_embedder(snapshot, self.embedder.identity, department)
        return snapshot, np.concatenate(allowed), readable

    def passages(self, chunk_ids: Sequence[str], department: str, audience: Audience) -> list[Passage]:
        """Return stored passages by id, in the order asked, leaving out those that are gone."""
        with self._store.read() as session:
            name = self.snapshots.active(session, department)
            readable = rights.readable(session, department, audience)
        if name is None:
            return []
        snapshot = self.snapshots.serve(department, name)
        wanted = set(chunk_ids)
        found = {chunk.chunk_id: row for row, chunk in enumerate(snapshot.chunks) if chunk.chunk_id in wanted}
        return [
            _passage(snapshot, found[chunk_id], department, readable)
            for chunk_id in chunk_ids
            if chunk_id in found and snapshot.chunks[found[chunk_id]].document_id in readable
        ]

    def readable(self, documents: Collection[str], department: str, audience: Audience) -> Collection[str]:
        with self._store.read() as session:
            return frozenset(rights.readable(session, department, audience, among=documents))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.embedder.encode(texts)

    def embed_tokens(self, texts: Sequence[str]) -> list[TokenVectors] | None:
        return self.embedder.encode_tokens(texts)

    def has_documents(self, department: str) -> bool:
        with self._store.read() as session:
            served = self.snapshots.active(session, department) is not None
            return served and rights.any_documents(session, department)

    def snapshot(self, department: str) -> str | None:
        return self.snapshots.active_name(department)


def _passage(  # noqa: PLR0913 - a chunk's place, and what it was found for
    snapshot: Snapshot,
    row: int,
    department: str,
    readable: Mapping[str, Readable],
    *,
    score: float = 0.0,
    relevance: float = 0.0,
) -> Passage:
    chunk = snapshot.chunks[row]
    document = readable[chunk.document_id]
    reading = snapshot.reading(row)
    return Passage(
        chunk_id=chunk.chunk_id,
        document_id=chunk.document_id,
        document=document.address,
        heading=chunk.place or chunk.context,
        text=reading.text,
        score=score,
        department=department,
        snapshot=snapshot.name,
        relevance=relevance,
        following=reading.following,
        title=chunk.title,
        readers=document.readers,
        markdown=reading.markdown,
        marks=reading.marks,
    )


def require_embedder(snapshot: Snapshot, identity: str, department: str) -> None:
    """Make sure that the index was built with this embedder; vectors of different weights can't be compared.

    :raises ArtifactError: it was built with another one.
    """
    if snapshot.embedder != identity:
        raise ArtifactError(
            f"The index of {department!r} was built with the embedder {snapshot.embedder}; settings say {identity}.",
            hint=f"Rebuild it with `mentee documents sync --department {department}`.",
        )
