"""Which documents there are, for pages and overviews. Everything here is blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from bot.storage.tables.documents import DocumentRow, SnapshotRow
from retrieval.search import rights

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from bot.domain.people import Audience
    from bot.storage.session import Store


@dataclass(frozen=True, slots=True)
class IndexedDepartment:
    """The state of a department's documents and of their index.

    :param ready: documents that can be searched.
    :param failed: documents that could not be read.
    :param snapshot: name of the active snapshot; empty without documents.
    :param chunks: chunks in the snapshot.
    :param indexed_at: when the snapshot was built.
    """

    ready: int = 0
    failed: int = 0
    snapshot: str = ""
    chunks: int = 0
    indexed_at: datetime | None = None


class Catalog:
    """Looks up which documents there are."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def departments(self) -> Mapping[str, IndexedDepartment]:
        """Return the state of every department that has documents, by its name."""
        counted = select(DocumentRow.department, DocumentRow.state, func.count())
        with self._store.read() as session:
            counts = {
                (department, state): count
                for department, state, count in session.execute(
                    counted.group_by(DocumentRow.department, DocumentRow.state)
                )
            }
            served = {row.department: row for row in session.scalars(select(SnapshotRow).where(SnapshotRow.active))}
        found = {}
        for name in sorted({department for department, _ in counts} | set(served)):
            ready, failed, row = counts.get((name, "ready"), 0), counts.get((name, "failed"), 0), served.get(name)
            found[name] = (
                IndexedDepartment(ready, failed, row.id, row.chunks, row.created_at)
                if row is not None
                else IndexedDepartment(ready, failed)
            )
        return found

    def readable(self, department: str, audience: Audience) -> Mapping[str, str]:
        """Return id and address of the department's documents that the audience may read."""
        with self._store.read() as session:
            return {key: found.address for key, found in rights.readable(session, department, audience).items()}
