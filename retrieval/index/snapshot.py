"""An index snapshot: a hashed directory with a FAISS index, a BM25 index and the chunks of a department's documents.

Permissions are *not* in a snapshot. They are read from the database with every query, so a changed permission or a
deleted document takes effect without a new snapshot.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from bot.domain.documents.rendering import Mark
from bot.domain.errors import ArtifactError
from bot.storage import artifacts
from retrieval.chunk import Chunk, Reading, chunk_document, in_sentences
from retrieval.index.lexical import LexicalIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from bot.domain.documents.parsed import ParsedDocument
    from retrieval.embed import Embedder

KIND = "index"
FORMAT = 4
VECTORS = "index.faiss"
CHUNKS = "chunks.jsonl"
LEXICAL = "lexical"


@dataclass(frozen=True, slots=True)
class IndexedDocument:
    """A document to be indexed."""

    document_id: str
    address: str
    sha256: str
    parsed: ParsedDocument


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A loaded snapshot. Row ``i`` of every array belongs to ``chunks[i]``; FAISS ids are row numbers.

    :param addresses: the documents' addresses when it was built.
    :param documents: SHA-256 of each document's bytes.
    :param rows: the rows of each document.
    """

    name: str
    embedder: str
    dimension: int
    chunks: tuple[Chunk, ...]
    addresses: Mapping[str, str]
    documents: Mapping[str, str]
    rows: Mapping[str, NDArray[np.int64]]
    vectors: faiss.Index
    lexical: LexicalIndex

    def nearest(
        self, query: NDArray[np.float32], allowed: NDArray[np.int64], count: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the rows and cosines of the ``count`` chunks nearest to the query, among the allowed rows."""
        selector = faiss.IDSelectorBatch(allowed)
        parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg] # patched in at import
        found, rows = self.vectors.search(query.reshape(1, -1), min(count, len(allowed)), params=parameters)
        kept = rows[0] >= 0
        return rows[0][kept], found[0][kept]

    def cosines(self, query: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the cosine of the query and each of the rows."""
        return np.asarray(self.stored(rows) @ query, dtype=np.float32)

    def reading(self, row: int) -> Reading:
        """Return a chunk as it is read; see :func:`retrieval.chunk.in_sentences`."""
        after = self.chunks[row + 1] if row + 1 < len(self.chunks) else None
        return in_sentences(self.chunks[row], after)

    def stored(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the stored vectors, shape ``(len(rows), dimension)``."""
        if not len(rows):
            return np.zeros((0, self.dimension), dtype=np.float32)
        return np.stack([self.vectors.reconstruct(int(row)) for row in rows])


def build_snapshot(
    target: Path,
    documents: Sequence[IndexedDocument],
    embedder: Embedder,
    *,
    previous: Snapshot | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Snapshot:
    """Write a snapshot to ``target`` and return it loaded.

    :param previous: its vectors are reused for unchanged texts if the embedder is the same.
    :param progress: called with ``(texts newly embedded, texts to embed in all)``.
    :raises ArtifactError: ``target`` exists or cannot be written, or the embedder cannot be loaded.
    """
    chunks = [
        chunk
        for document in documents
        for chunk in chunk_document(document.parsed, document.document_id, embedder.count_tokens)
    ]
    vectors = _vectors(chunks, embedder, previous, progress)
    lexical = LexicalIndex.build(chunk.indexed for chunk in chunks)
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
    index.add_with_ids(vectors, np.arange(len(chunks), dtype=np.int64))
    snapshot = Snapshot(
        name=target.name,
        embedder=embedder.identity,
        dimension=int(vectors.shape[1]),
        chunks=tuple(chunks),
        addresses={document.document_id: document.address for document in documents},
        documents={document.document_id: document.sha256 for document in documents},
        rows=_rows(chunks),
        vectors=index,
        lexical=lexical,
    )
    _write(target, snapshot)
    return snapshot


def _write(target: Path, snapshot: Snapshot) -> None:
    try:
        with artifacts.writing(target, KIND) as draft:
            faiss.write_index(snapshot.vectors, str(draft.path / VECTORS))
            snapshot.lexical.save(draft.path / LEXICAL)
            _write_chunks(draft.path / CHUNKS, snapshot.chunks, snapshot.addresses)
            draft.meta = {
                "format": FORMAT,
                "embedder": snapshot.embedder,
                "dimension": snapshot.dimension,
                "chunks": len(snapshot.chunks),
                "documents": dict(snapshot.documents),
            }
    except (OSError, RuntimeError) as error:  # FAISS reports a full disk as a RuntimeError
        raise ArtifactError(
            f"Can't write the index {target}: {error}.", hint="Nothing was changed. Check whether the disk is full."
        ) from error


def load_snapshot(path: Path) -> Snapshot:
    """Load a snapshot after checking every file's hash.

    :raises ArtifactError: anything is missing, altered, of another format, or does not fit together.
    """
    manifest = artifacts.verify(path, KIND)
    meta = manifest.meta
    _require(meta.get("format") == FORMAT, path, f"has format {meta.get('format')}, this Mentee reads {FORMAT}")
    chunks, addresses = _read_chunks(path / CHUNKS)
    lexical = LexicalIndex.load(path / LEXICAL)
    try:
        index = faiss.read_index(str(path / VECTORS))
    except RuntimeError as error:
        raise ArtifactError(f"The index {path} has no readable vectors: {error}.") from error
    sizes = {len(chunks), lexical.size, index.ntotal, meta.get("chunks")}
    _require(len(sizes) == 1, path, f"contradicts itself: counts {sorted(map(str, sizes))}")
    _require(index.d == meta.get("dimension"), path, f"has dimension {index.d}, {meta.get('dimension')} expected")
    _require(isinstance(index, faiss.IndexIDMap2), path, f"holds a {type(index).__name__}, not an IndexIDMap2")
    return Snapshot(
        name=path.name,
        embedder=str(meta["embedder"]),
        dimension=index.d,
        chunks=chunks,
        addresses=addresses,
        documents=meta["documents"],
        rows=_rows(chunks),
        vectors=index,
        lexical=lexical,
    )


def _vectors(
    chunks: Sequence[Chunk],
    embedder: Embedder,
    previous: Snapshot | None,
    progress: Callable[[int, int], None] | None,
) -> NDArray[np.float32]:
    known: dict[str, int] = {}
    if previous is not None and previous.embedder == embedder.identity:
        known = {chunk.indexed: row for row, chunk in enumerate(previous.chunks)}
    vectors = np.zeros((len(chunks), embedder.dimension), dtype=np.float32)
    fresh = [row for row, chunk in enumerate(chunks) if chunk.indexed not in known]
    reused = [row for row, chunk in enumerate(chunks) if chunk.indexed in known]
    if previous is not None and reused:
        vectors[reused] = previous.stored(np.array([known[chunks[row].indexed] for row in reused], dtype=np.int64))
    if fresh:
        heard = (lambda done: progress(done, len(fresh))) if progress else None
        vectors[fresh] = embedder.encode([chunks[row].indexed for row in fresh], progress=heard)
    return vectors


def _write_chunks(path: Path, chunks: Sequence[Chunk], addresses: Mapping[str, str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for chunk in chunks:
            row = {
                "chunk_id": chunk.chunk_id,
                "document_id": chunk.document_id,
                "document": addresses[chunk.document_id],
                "heading": chunk.heading,
                "context": chunk.context,
                "text": chunk.text,
                "section": chunk.section,
                "markdown": chunk.markdown,
                "page": chunk.page,
                "marks": [[mark.start, mark.end, mark.markdown] for mark in chunk.marks],
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _read_chunks(path: Path) -> tuple[tuple[Chunk, ...], dict[str, str]]:
    chunks, addresses = [], {}
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                row: dict[str, Any] = json.loads(line)
                addresses[row["document_id"]] = row.pop("document")
                chunks.append(Chunk(**{**row, "marks": tuple(Mark(*mark) for mark in row["marks"])}))
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"The index {path.parent} has unreadable chunks: {error}.") from error
    return tuple(chunks), addresses


def _rows(chunks: Sequence[Chunk]) -> dict[str, NDArray[np.int64]]:
    found: dict[str, list[int]] = defaultdict(list)
    for row, chunk in enumerate(chunks):
        found[chunk.document_id].append(row)
    return {document: np.array(rows, dtype=np.int64) for document, rows in found.items()}


def _require(condition: bool, path: Path, problem: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise ArtifactError(
            f"The index {path} {problem}.", hint="Mentee refused it. `mentee documents sync` builds a new one."
        )
