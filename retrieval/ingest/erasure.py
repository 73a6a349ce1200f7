"""Erases documents: a new snapshot without them, and no older snapshot that still has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.storage.tables.documents import DocumentRow, SnapshotRow
from retrieval.index.snapshot import CHUNKS
from retrieval.ingest.changes import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from bot.domain.ports import Erasure
    from bot.storage.session import Store
    from retrieval.index.snapshot_store import SnapshotStore
    from retrieval.ingest.document_store import DocumentStore

ACTOR = "erasure"


class DocumentEraser:
    """Implements :class:`bot.domain.ports.Eraser` for index snapshots.

    :param open_stored: returns the store of documents; called only when a document is erased.
    """

    name = "index snapshots"

    def __init__(self, store: Store, snapshots: SnapshotStore, open_stored: Callable[[], DocumentStore]) -> None:
        self._store = store
        self._snapshots = snapshots
        self._open_stored = open_stored

    def erase(self, erasure: Erasure) -> Mapping[str, int]:
        """Rebuild the department's index without the document, then delete all its older snapshots."""
        if not erasure.document:
            return {}
        with self._snapshots.building(erasure.department):
            stored = self._open_stored()
            if any(row.address == erasure.address for row in stored.rows(erasure.department)):
                stored.apply(erasure.department, Change(removed=[erasure.address]), actor=ACTOR)
            return {"documents": 1, "index snapshots": self._snapshots.drop_inactive(erasure.department)}

    def aliases(self, erasure: Erasure) -> Iterator[str]:
        """Yield the ids of the document's chunks in every snapshot."""
        for folder in self._folders(erasure.department) if erasure.document else ():
            for chunk in _chunks(folder):
                if chunk["document_id"] == erasure.document:
                    yield chunk["chunk_id"]

    def orphans(self) -> Iterator[str]:
        """Yield snapshots that no row knows, and active ones with chunks of documents that are gone."""
        with self._store.read() as session:
            documents = set(session.scalars(select(DocumentRow.id)))
            active = dict(session.execute(select(SnapshotRow.id, SnapshotRow.active)).all())
        for department in self._snapshots.departments():
            for folder in self._folders(department):
                if folder.name not in active:
                    yield f"index snapshot {folder.name}, which no row knows"
                    continue
                gone = {each["document_id"] for each in _chunks(folder)} - documents if active[folder.name] else ()
                for document in sorted(gone):
                    yield f"index snapshot {folder.name} has chunks of document {document}, which is gone"

    def _folders(self, department: str) -> list[Path]:
        folder = self._snapshots.folder(department)
        return sorted(path.parent for path in folder.glob(f"*/{CHUNKS}"))


def _chunks(folder: Path) -> Iterator[dict[str, str]]:
    with (folder / CHUNKS).open(encoding="utf-8") as file:
        yield from map(json.loads, file)
