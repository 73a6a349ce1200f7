"""Adding, syncing and removing documents: sources list them, parsers read them, the document store keeps them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bot.domain.errors import DocumentError, NotFoundError
from retrieval.ingest.changes import Change, Outcome
from retrieval.ingest.reading import Origin, SourceFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.access.departments import Departments
    from bot.storage.tables.documents import DocumentRow
    from retrieval.ingest.changes import Listener, Report
    from retrieval.ingest.document_store import DocumentStore
    from retrieval.ingest.reading import Reader


ERASED = "it was erased; delete it at its source"


class Documents:
    """Changes the documents of departments.

    :param actor: who makes the changes, for the audit log.
    """

    def __init__(
        self,
        stored: DocumentStore,
        departments: Departments,
        reader: Reader,
        *,
        actor: str,
        listener: Listener | None = None,
    ) -> None:
        self._stored = stored
        self._departments = departments
        self._reader = reader
        self._actor = actor
        self._listener = listener

    def rows(self, department: str) -> list[DocumentRow]:
        """Return the department's documents by address.

        :raises NotFoundError: there is no such department.
        """
        self._departments.get(department)
        return self._stored.rows(department)

    def add(
        self,
        addresses: Sequence[str],
        department: str,
        *,
        readers: Sequence[str] | None = None,
        base: str | None = None,
    ) -> Report:
        """Add what the addresses lead to. Adding the same again changes nothing.

        Of several addresses, one whose source fails is reported as failed, and the others are added.

        :param readers: principals who may read them; ``None`` leaves it to the department, or as it was.
        :param base: folder that relative addresses are relative to; the working directory by default.
        :raises DocumentError: an address has no source, or a single one can't be read; nothing is changed then.
        :raises NotFoundError: there is no such department.
        """
        self._departments.get(department)
        folder = os.path.abspath(base or os.curdir)  # noqa: PTH100 - the path as given must not be resolved
        with self._stored.snapshots.building(department):
            known = {row.address: row for row in self._stored.rows(department)}
            change = Change()
            for address in addresses:
                origin = Origin(address, folder, readers)
                try:
                    self._reader.collect(change, known, origin)
                except SourceFailedError as error:
                    if len(addresses) == 1:
                        raise
                    change.outcomes.append(Outcome(address, "failed", error.text))
            self._leave_out_erased(change, department)
            if len(addresses) == 1 and len(change.outcomes) + len(change.wanted) == 1:
                _refuse_alone(change)
            return self._apply(department, change)

    def sync(self, department: str) -> Report:
        """Read every source of the department again: changed documents are updated, those that are gone removed.

        A source that cannot be read at all keeps its documents and is reported as failed.
        """
        self._departments.get(department)
        with self._stored.snapshots.building(department):
            origins: dict[tuple[str, str], list[DocumentRow]] = {}
            for row in self._stored.rows(department):
                origins.setdefault((row.source, str(row.content.get("base", ""))), []).append(row)
            change = Change()
            for (source, base), own in sorted(origins.items()):
                self._sync_source(change, Origin(source, base), own)
            self._leave_out_erased(change, department)
            return self._apply(department, change)

    def remove(self, addresses: Sequence[str], department: str) -> Report:
        """Remove documents by their address or by what was added (a folder, say).

        When this returns, no answer uses them any more, and the new index snapshot does not hold them.

        :raises NotFoundError: an address names no document of the department.
        """
        self._departments.get(department)
        with self._stored.snapshots.building(department):
            rows = self._stored.rows(department)
            gone: dict[str, None] = {}
            for address in addresses:
                found = [row.address for row in rows if address.rstrip("/") in (row.address, row.source.rstrip("/"))]
                if not found:
                    raise NotFoundError(
                        f"{department!r} has no document {address!r}.",
                        hint=f"Run `mentee documents list --department {department}` to see them.",
                    )
                gone.update(dict.fromkeys(found))
            change = Change(removed=list(gone))
            return self._apply(department, change)

    def _leave_out_erased(self, change: Change, department: str) -> None:
        """Skip documents that were erased: their source may still have them."""
        erased = self._stored.erased(department, [wanted.address for wanted in change.wanted])
        change.outcomes += [Outcome(address, "skipped", ERASED) for address in sorted(erased)]
        change.wanted = [wanted for wanted in change.wanted if wanted.address not in erased]

    def _apply(self, department: str, change: Change) -> Report:
        return self._stored.apply(department, change, actor=self._actor, listener=self._listener)

    def _sync_source(self, change: Change, origin: Origin, own: Sequence[DocumentRow]) -> None:
        try:
            seen = self._reader.collect(change, {row.address: row for row in own}, origin)
        except DocumentError as error:
            change.outcomes.append(Outcome(origin.source, "failed", f"{error.text} Its documents are kept."))
            return
        change.removed += [row.address for row in own if row.address not in seen]


def _refuse_alone(change: Change) -> None:
    for outcome in change.outcomes:
        if outcome.state in ("failed", "skipped"):
            raise DocumentError(f"{outcome.address} was not added: {outcome.reason}")
    for wanted in change.wanted:
        if wanted.error:
            raise DocumentError(wanted.error)
