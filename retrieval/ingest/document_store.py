"""The stored documents of all departments. A change is applied in one transaction, together with the new index.

The index snapshot is built first. One transaction then writes the documents and activates the snapshot; a process that
is killed before leaves everything as it was.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from bot.access.audit import note_change
from bot.domain.documents.parsed import ParsedDocument
from bot.domain.identifiers import new_id
from bot.storage.tables.documents import DocumentRow
from bot.storage.traces import known_marks
from retrieval.index.snapshot import IndexedDocument
from retrieval.ingest.changes import Outcome, Report
from retrieval.parse.serialization import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from bot.storage.session import Store
    from retrieval.embed import Embedder
    from retrieval.index.snapshot import Snapshot
    from retrieval.index.snapshot_store import SnapshotStore
    from retrieval.ingest.changes import Change, Listener, Wanted


class DocumentStore:
    """The stored documents of all departments, indexed in snapshots.

    :param open_embedder: returns the embedder; called only when something has to be embedded.
    """

    def __init__(self, store: Store, snapshots: SnapshotStore, open_embedder: Callable[[], Embedder]) -> None:
        self._store = store
        self._open_embedder = open_embedder
        self.snapshots = snapshots

    def rows(self, department: str) -> list[DocumentRow]:
        """Return the department's documents by address."""
        query = select(DocumentRow).where(DocumentRow.department == department).order_by(DocumentRow.address)
        with self._store.read() as session:
            return list(session.scalars(query))

    def erased(self, department: str, addresses: Collection[str]) -> set[str]:
        """Return those of the addresses whose document was erased."""
        marks = known_marks(self._store) if addresses else []
        return {each for each in addresses if any(mark.names_it(f"{department} {each}") for mark in marks)}

    def apply(self, department: str, change: Change, *, actor: str, listener: Listener | None = None) -> Report:
        """Make the change. The caller holds the department's build lock (:meth:`SnapshotStore.building`).

        :raises ArtifactError: the embedder is missing; nothing is changed then.
        """
        rows = {row.address: row for row in self.rows(department)}
        outcomes = [*change.outcomes, *(_outcome(wanted, rows.get(wanted.address)) for wanted in change.wanted)]
        states = {outcome.address: outcome.state for outcome in outcomes}
        changed = [wanted for wanted in change.wanted if states[wanted.address] in ("added", "updated", "failed")]
        ids = {wanted.address: _id(rows, wanted.address) for wanted in changed}
        outcomes += [Outcome(address, "removed") for address in change.removed]
        documents = _documents(rows.values(), changed, ids, frozenset(change.removed))
        snapshot = self._build(department, documents, listener)
        with self._store.write() as session:
            for wanted in changed:
                _write(session, department, ids[wanted.address], wanted)
            gone = DocumentRow.department == department, DocumentRow.address.in_(change.removed)
            session.execute(delete(DocumentRow).where(*gone))
            if snapshot is not None:
                self.snapshots.activate(session, snapshot, department)
            elif not documents:
                self.snapshots.deactivate(session, department)
            counts = Counter[str](outcome.state for outcome in outcomes)
            note_change(session, actor=actor, action="documents.change", subject=department, detail=counts)
        if snapshot is not None:
            self.snapshots.adopt(department, snapshot)
        elif not documents:
            self.snapshots.forget(department)
        return Report(department, tuple(outcomes), self.snapshots.active_name(department))

    def _build(
        self, department: str, documents: Sequence[IndexedDocument], listener: Listener | None
    ) -> Snapshot | None:
        """Return a new snapshot, or ``None`` when the active one already holds exactly these documents."""
        if not documents:
            return None
        progress = (lambda done, total: listener("Embedding", done, total)) if listener else None
        return self.snapshots.build(department, documents, self._open_embedder(), progress=progress)


def _outcome(wanted: Wanted, row: DocumentRow | None) -> Outcome:
    if wanted.parsed is None and row is not None and row.sha256 == wanted.sha256 and row.state == "ready":
        return Outcome(wanted.address, "unchanged" if _same_readers(wanted, row) else "updated")
    if wanted.parsed is None:
        return Outcome(wanted.address, "failed", wanted.error)
    return Outcome(wanted.address, "added" if row is None else "updated", flags=wanted.parsed.flags)


def _same_readers(wanted: Wanted, row: DocumentRow) -> bool:
    return wanted.readers is None or sorted(wanted.readers) == sorted(row.readers)


def _id(rows: Mapping[str, DocumentRow], address: str) -> str:
    return rows[address].id if address in rows else new_id("d")


def _documents(
    rows: Iterable[DocumentRow], changed: Sequence[Wanted], ids: Mapping[str, str], removed: frozenset[str]
) -> list[IndexedDocument]:
    """Return what the index shall hold: the stored documents, with the changed ones in their place."""
    found = {
        row.address: IndexedDocument(row.id, row.address, row.sha256, from_json(row.content))
        for row in rows
        if row.state == "ready" and row.address not in removed
    }
    for wanted in changed:
        if wanted.parsed is not None:
            found[wanted.address] = IndexedDocument(ids[wanted.address], wanted.address, wanted.sha256, wanted.parsed)
    return [found[address] for address in sorted(found)]


def _write(session: Session, department: str, document_id: str, wanted: Wanted) -> None:
    row = session.get(DocumentRow, document_id)
    if row is None:
        row = DocumentRow(id=document_id, department=department, address=wanted.address, readers=[])
        session.add(row)
    if wanted.readers is not None:
        row.readers = list(wanted.readers)
    row.source, row.error = wanted.source, wanted.error
    if wanted.parsed is not None:
        row.state, row.sha256, row.size = "ready", wanted.sha256, wanted.size
        row.title, row.flags = wanted.parsed.title[:512], list(wanted.parsed.flags)
        row.content = _content(wanted.parsed, wanted.base)
    elif row.state is None:  # new, and unreadable from the start; an older readable version stays as it is
        row.state, row.sha256, row.size = "failed", wanted.sha256, wanted.size
        row.title, row.content = "", _content(ParsedDocument("", ()), wanted.base)


def _content(parsed: ParsedDocument, base: str) -> dict[str, Any]:
    """Return what an index can be rebuilt from."""
    return {**to_json(parsed), "base": base}
