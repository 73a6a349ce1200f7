"""A department's documents as stored: what is there, what an operator wants changed, and the change made in one step.

The new generation is built aside first; then one transaction writes the documents and points to it. A process killed
before that leaves everything as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import structlog
from sqlalchemy import delete, select

from bot.errors import ArtifactError
from bot.messages import new_id
from bot.store.models import AuditRow, DocumentRow
from retrieval import index
from retrieval.parse.sandbox import from_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from bot.protocols import ParsedDocument
    from bot.store import Store
    from retrieval.index import Generation, IndexedDocument
    from retrieval.search import HybridRetriever

State = Literal["added", "updated", "unchanged", "removed", "skipped", "failed"]
Listener = Callable[[str, int, int], None]
"""Hears (stage, newly done, total)."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one document. ``reason`` says why it failed or was skipped."""

    address: str
    state: State
    reason: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What a change did. ``generation`` is the one served afterwards."""

    department: str
    outcomes: tuple[Outcome, ...]
    generation: str | None

    def of(self, *states: State) -> list[Outcome]:
        """Return the outcomes in any of the states."""
        return [outcome for outcome in self.outcomes if outcome.state in states]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document as it shall be stored. ``parsed`` is ``None`` when it could not be read: ``error`` says why.

    :param base: folder that a relative ``source`` was given in, so that it can be read again from anywhere.
    """

    address: str
    source: str
    base: str
    data_sha256: str
    size: int
    readers: tuple[str, ...] | None = None
    parsed: ParsedDocument | None = None
    error: str = ""


@dataclass(slots=True)
class Change:
    """Changes to a department's documents that are made together."""

    wanted: list[Wanted] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


class Library:
    """The stored documents of all departments and the generations made from them."""

    def __init__(self, store: Store, retriever: HybridRetriever) -> None:
        self._store = store
        self._retriever = retriever
        self._generations = retriever.generations

    def rows(self, department: str) -> list[DocumentRow]:
        """Return the department's documents by address."""
        query = select(DocumentRow).where(DocumentRow.department == department).order_by(DocumentRow.address)
        with self._store.read() as session:
            return list(session.scalars(query))

    def apply(self, department: str, change: Change, *, actor: str, listener: Listener | None = None) -> Report:
        """Make the change. The caller holds the department's build lock (:meth:`Generations.building`).

        :raises ArtifactError: the embedder is missing; nothing is changed then.
        """
        rows = {row.address: row for row in self.rows(department)}
        outcomes = [*change.outcomes, *(_outcome(wanted, rows.get(wanted.address)) for wanted in change.wanted)]
        states = {outcome.address: outcome.state for outcome in outcomes}
        kept = [wanted for wanted in change.wanted if states[wanted.address] in ("added", "updated", "failed")]
        ids = {wanted.address: _id(rows, wanted.address) for wanted in kept}
        outcomes += [Outcome(address, "removed") for address in change.removed]
        documents = _documents(rows.values(), kept, ids, frozenset(change.removed))
        generation = self._build(department, documents, listener)
        with self._store.write() as session:
            for wanted in kept:
                _write(session, department, ids[wanted.address], wanted)
            gone = DocumentRow.department == department, DocumentRow.address.in_(change.removed)
            session.execute(delete(DocumentRow).where(*gone))
            if generation is not None:
                self._generations.activate(session, generation, department)
            elif not documents:
                self._generations.deactivate(session, department)
            session.add(_audit(department, outcomes, actor))
        if generation is not None:
            self._generations.adopt(department, generation)
        elif not documents:
            self._generations.forget(department)
        return Report(department, tuple(outcomes), self._retriever.generation(department))

    def _build(
        self, department: str, documents: Sequence[IndexedDocument], listener: Listener | None
    ) -> Generation | None:
        """Return a new generation, or ``None`` when the active one already holds exactly these documents."""
        if not documents:
            return None
        embedder = self._retriever.embedder
        previous = self._previous(department)
        wanted = {document.document_id: document.sha256 for document in documents}
        if previous is not None and previous.embedder == embedder.identity and previous.documents == wanted:
            return None
        heard = (lambda done, total: listener("Embedding", done, total)) if listener else None
        target = self._generations.folder(department) / self._generations.fresh_name(department)
        return index.build(target, documents, embedder.inner, previous=previous, progress=heard)

    def _previous(self, department: str) -> Generation | None:
        with self._store.read() as session:
            name = self._generations.active(session, department)
        if name is None:
            return None
        try:
            served = self._generations.serve(department, name)
        except ArtifactError as error:
            log.warning("index_rebuilt", department=department, problem=error.text)
            return None
        return served if served.name == name else None


def sha256(data: bytes) -> str:
    """Return the SHA-256 of a document's bytes as hex."""
    return hashlib.sha256(data).hexdigest()


def _outcome(wanted: Wanted, row: DocumentRow | None) -> Outcome:
    if wanted.parsed is None and row is not None and row.sha256 == wanted.data_sha256 and row.state == "ready":
        return Outcome(wanted.address, "unchanged" if _same_readers(wanted, row) else "updated")
    if wanted.parsed is None:
        return Outcome(wanted.address, "failed", wanted.error)
    return Outcome(wanted.address, "added" if row is None else "updated", flags=wanted.parsed.flags)


def _same_readers(wanted: Wanted, row: DocumentRow) -> bool:
    return wanted.readers is None or sorted(wanted.readers) == sorted(row.readers)


def _id(rows: Mapping[str, DocumentRow], address: str) -> str:
    return rows[address].id if address in rows else new_id("d")


def _documents(
    rows: Iterable[DocumentRow], kept: Sequence[Wanted], ids: Mapping[str, str], removed: frozenset[str]
) -> list[IndexedDocument]:
    """Return what the department shall hold: stored documents, with the changed ones in their place."""
    found = {
        row.address: index.IndexedDocument(row.id, row.address, row.sha256, from_json(row.content))
        for row in rows
        if row.state == "ready" and row.address not in removed
    }
    for wanted in kept:
        if wanted.parsed is not None:
            found[wanted.address] = index.IndexedDocument(
                ids[wanted.address], wanted.address, wanted.data_sha256, wanted.parsed
            )
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
        row.state, row.sha256, row.size = "ready", wanted.data_sha256, wanted.size
        row.title, row.flags = wanted.parsed.title[:512], list(wanted.parsed.flags)
        sections = [{"headings": list(part.headings), "text": part.text} for part in wanted.parsed.sections]
        row.content = {"title": wanted.parsed.title, "sections": sections, "base": wanted.base}
    elif row.state is None:  # new, and unreadable from the start; an older readable version stays as it is
        row.state, row.sha256, row.size = "failed", wanted.data_sha256, wanted.size
        row.title, row.content = "", {"title": "", "sections": [], "base": wanted.base}


def _audit(department: str, outcomes: Sequence[Outcome], actor: str) -> AuditRow:
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts[outcome.state] = counts.get(outcome.state, 0) + 1
    return AuditRow(actor=actor, action="documents.change", subject=department, detail=counts)
