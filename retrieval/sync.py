"""Adding, refreshing and removing documents: sources list them, parsers read them, the library stores and indexes them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from bot.errors import DocumentError, NotFoundError
from retrieval.documents import EmptyError, UnreadableError, by_suffix, is_document, parse
from retrieval.library import Change, Library, Outcome, Report, Wanted, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bot.app import Mentee
    from bot.protocols import Parser, Source, SourceDocument
    from bot.store.models import DocumentRow
    from retrieval.library import Listener
    from retrieval.search import HybridRetriever

MAX_ADDRESS = 1024
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git\+|[^/\s]+@[^/\s]+:", re.IGNORECASE)


class Documents:
    """The documents of an instance, changed through its sources and parsers.

    :param actor: who makes the changes, for the audit.
    """

    def __init__(self, mentee: Mentee, *, actor: str, listener: Listener | None = None) -> None:
        self._mentee = mentee
        self._actor = actor
        self._listener = listener
        self._retriever: HybridRetriever = mentee.retriever  # type: ignore[assignment] # ours, or the command says so
        self.library = Library(mentee.store, self._retriever)
        parsers: list[Parser] = [
            parser for _, offered in reversed(list(mentee.plugins.values("register_parsers"))) for parser in offered
        ]
        self._parsers = by_suffix(parsers)
        self._sources: list[Source] = [
            source for _, offered in mentee.plugins.values("register_sources") for source in offered
        ]

    def add(
        self, addresses: Sequence[str], department: str, *, readers: Sequence[str] | None = None, base: str | None = None
    ) -> Report:
        """Add what is behind the addresses. Adding the same again changes nothing.

        :param readers: principals who may read them; ``None`` leaves it to the department, or as it was.
        :param base: folder that relative addresses are meant in; the working directory when left out.
        :raises DocumentError: an address has no source, or a single file cannot be read; nothing is changed then.
        :raises NotFoundError: there is no such department.
        """
        self._mentee.departments.get(department)
        folder = os.path.abspath(base or os.curdir)  # noqa: PTH100 - the path as given must not be resolved
        with self._retriever.generations.building(department):
            known = {row.address: row for row in self.library.rows(department)}
            change = Change()
            for address in addresses:
                documents = self._listing(address, folder)
                self._collect(change, documents, known, address, folder, readers)
            if len(addresses) == 1 and len(change.outcomes) + len(change.wanted) == 1:
                _refuse_alone(change)
            return self.library.apply(department, change, actor=self._actor, listener=self._listener)

    def sync(self, department: str) -> Report:
        """Read every source of the department again: changed documents are updated, those that are gone removed.

        A source that cannot be read at all keeps its documents and is reported as failed.
        """
        self._mentee.departments.get(department)
        with self._retriever.generations.building(department):
            rows = self.library.rows(department)
            known = {row.address: row for row in rows}
            change = Change()
            for source, folder in sorted({(row.source, row.content.get("base", "")) for row in rows}):
                own = [row for row in rows if row.source == source and row.content.get("base", "") == folder]
                self._sync_source(change, source, folder, own, known)
            return self.library.apply(department, change, actor=self._actor, listener=self._listener)

    def remove(self, addresses: Sequence[str], department: str) -> Report:
        """Remove documents by their address or by what was added (a folder, say).

        They are gone from every answer when this returns, and from the index with the generation it builds.

        :raises NotFoundError: an address names no document of the department.
        """
        self._mentee.departments.get(department)
        with self._retriever.generations.building(department):
            rows = self.library.rows(department)
            gone: dict[str, None] = {}
            for address in addresses:
                found = [row.address for row in rows if address.rstrip("/") in (row.address, row.source.rstrip("/"))]
                if not found:
                    raise NotFoundError(
                        f"{address!r} is no document of {department!r}.",
                        hint=f"`mentee documents list --department {department}` shows them.",
                    )
                gone.update(dict.fromkeys(found))
            change = Change(removed=list(gone))
            return self.library.apply(department, change, actor=self._actor, listener=self._listener)

    def _sync_source(
        self, change: Change, source: str, folder: str, own: Sequence[DocumentRow], known: dict[str, DocumentRow]
    ) -> None:
        try:
            documents = self._listing(source, folder)
        except DocumentError as error:
            change.outcomes.append(Outcome(source, "failed", f"{error.text} Its documents are kept."))
            return
        seen = self._collect(change, documents, known, source, folder, None)
        change.removed += [row.address for row in own if row.address not in seen]

    def _listing(self, address: str, folder: str) -> Sequence[SourceDocument]:
        located = _located(address, folder)
        for source in self._sources:
            if source.accepts(located):
                return source.documents(located)
        raise DocumentError(f"No source reads {address!r}.", hint="Give a file, a folder, a git repository or a web address.")

    def _collect(  # noqa: PLR0913 - one walk, shared by add and sync
        self,
        change: Change,
        documents: Sequence[SourceDocument],
        known: dict[str, DocumentRow],
        source: str,
        folder: str,
        readers: Sequence[str] | None,
    ) -> set[str]:
        """Read the documents into the change; return every address that is there."""
        seen: set[str] = set()
        located = _located(source, folder)
        taken = {wanted.address for wanted in change.wanted}
        for number, (place, document) in enumerate(_each(documents), start=1):
            address = source.rstrip("/") + place.removeprefix(located) if place.startswith(located) else place
            seen.add(address)
            if self._listener:
                self._listener("Reading", 1, len(documents))
            if isinstance(document, UnreadableError):
                change.outcomes.append(Outcome(address, "failed", document.text))
            elif place != located and not is_document(place, self._parsers):
                change.outcomes.append(Outcome(address, "skipped", "not a kind of file that is read"))
            elif address not in taken:
                self._read(change, document, known.get(address), address, (source, folder), readers, alone=number == 1 == len(documents))
        return seen

    def _read(  # noqa: PLR0913 - one walk, shared by add and sync
        self,
        change: Change,
        document: SourceDocument,
        row: DocumentRow | None,
        address: str,
        origin: tuple[str, str],
        readers: Sequence[str] | None,
        *,
        alone: bool,
    ) -> None:
        if len(address) > MAX_ADDRESS:
            change.outcomes.append(Outcome(address[:80] + "…", "failed", f"Its address is over {MAX_ADDRESS} characters."))
            return
        digest = sha256(document.data)
        rights = tuple(readers) if readers is not None else tuple(sorted(document.readers)) or None
        values = (address, *origin, digest, len(document.data), rights)
        if row is not None and row.sha256 == digest and row.state == "ready":
            change.wanted.append(Wanted(*values))
            return
        try:
            change.wanted.append(Wanted(*values, parsed=parse(document.data, address, self._parsers)))
        except EmptyError as error:
            if alone:
                raise
            change.outcomes.append(Outcome(address, "skipped", error.text))
        except DocumentError as error:
            if alone and row is None:
                raise
            change.wanted.append(Wanted(*values, error=str(error)))


def add_documents(
    mentee: Mentee, paths: Sequence[Path | str], department: str, *, readers: Sequence[str] | None = None, actor: str = "mentee"
) -> Report:
    """Add documents with progress shown on standard error, as ``mentee documents add`` does; see :meth:`Documents.add`."""
    from retrieval.progress import shown

    with shown(department) as listener:
        documents = Documents(mentee, actor=actor, listener=listener)
        return documents.add([str(path) for path in paths], department, readers=readers)


def _refuse_alone(change: Change) -> None:
    for outcome in change.outcomes:
        if outcome.state in ("failed", "skipped"):
            raise DocumentError(f"{outcome.address} was not added: {outcome.reason}")
    for wanted in change.wanted:
        if wanted.error:
            raise DocumentError(wanted.error)


def _each(documents: Sequence[SourceDocument]) -> Iterator[tuple[str, SourceDocument | UnreadableError]]:
    for number in range(len(documents)):
        try:
            document = documents[number]
        except UnreadableError as error:
            yield error.address, error
        else:
            yield document.address, document


def _located(address: str, folder: str) -> str:
    """Return an address that means the same from anywhere: local paths become absolute, without resolving links."""
    if _REMOTE.match(address):
        return address
    return os.path.normpath(os.path.join(folder, os.path.expanduser(address)))  # noqa: PTH111, PTH118 - as above
