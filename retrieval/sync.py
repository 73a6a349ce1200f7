"""Adding, refreshing and removing documents: sources list them, parsers read them, the library keeps them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.errors import DocumentError, NotFoundError
from retrieval.documents import EmptyError, UnreadableError, is_document, parse, parsers_of
from retrieval.library import Change, Library, Outcome, Report, Wanted, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bot.app import Mentee
    from bot.protocols import Source, SourceDocument
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
        self._parsers = parsers_of(mentee.plugins)
        self._sources: list[Source] = [
            source for _, offered in mentee.plugins.values("register_sources") for source in offered
        ]

    def add(
        self,
        addresses: Sequence[str],
        department: str,
        *,
        readers: Sequence[str] | None = None,
        base: str | None = None,
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
                origin = _Origin(address, folder, readers)
                self._collect(change, self._listing(origin), known, origin)
            if len(addresses) == 1 and len(change.outcomes) + len(change.wanted) == 1:
                _refuse_alone(change)
            return self.library.apply(department, change, actor=self._actor, listener=self._listener)

    def sync(self, department: str) -> Report:
        """Read every source of the department again: changed documents are updated, those that are gone removed.

        A source that cannot be read at all keeps its documents and is reported as failed.
        """
        self._mentee.departments.get(department)
        with self._retriever.generations.building(department):
            origins: dict[tuple[str, str], list[DocumentRow]] = {}
            for row in self.library.rows(department):
                origins.setdefault((row.source, str(row.content.get("base", ""))), []).append(row)
            change = Change()
            for (source, base), own in sorted(origins.items()):
                self._sync_source(change, _Origin(source, base), own)
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

    def _sync_source(self, change: Change, origin: _Origin, own: Sequence[DocumentRow]) -> None:
        try:
            documents = self._listing(origin)
        except DocumentError as error:
            change.outcomes.append(Outcome(origin.source, "failed", f"{error.text} Its documents are kept."))
            return
        seen = self._collect(change, documents, {row.address: row for row in own}, origin)
        change.removed += [row.address for row in own if row.address not in seen]

    def _listing(self, origin: _Origin) -> Sequence[SourceDocument]:
        for source in self._sources:
            if source.accepts(origin.located):
                return source.documents(origin.located)
        raise DocumentError(
            f"No source reads {origin.source!r}.", hint="Give a file, a folder, a git repository or a web address."
        )

    def _collect(
        self,
        change: Change,
        documents: Sequence[SourceDocument],
        known: Mapping[str, DocumentRow],
        origin: _Origin,
    ) -> set[str]:
        """Read the documents into the change; return every address that is there."""
        seen: set[str] = set()
        taken = {wanted.address for wanted in change.wanted}
        for place, document in _each(documents):
            address = origin.shown(place)
            seen.add(address)
            if self._listener:
                self._listener("Reading", 1, len(documents))
            if isinstance(document, UnreadableError):
                change.outcomes.append(Outcome(address, "failed", document.text))
            elif len(address) > MAX_ADDRESS:
                problem = f"Its address has more than {MAX_ADDRESS} characters."
                change.outcomes.append(Outcome(f"{address[:80]}…", "failed", problem))
            elif place != origin.located and not is_document(place, self._parsers):
                change.outcomes.append(Outcome(address, "skipped", "not a kind of file that is read"))
            elif address not in taken:
                self._read(change, document, known.get(address), address, origin)
        return seen

    def _read(
        self, change: Change, document: SourceDocument, row: DocumentRow | None, address: str, origin: _Origin
    ) -> None:
        given = origin.readers if origin.readers is not None else sorted(document.readers) or None
        wanted = Wanted(
            address,
            origin.source,
            origin.base,
            sha256(document.data),
            len(document.data),
            readers=None if given is None else tuple(given),
        )
        if row is not None and row.sha256 == wanted.data_sha256 and row.state == "ready":
            change.wanted.append(wanted)
            return
        try:
            change.wanted.append(replace(wanted, parsed=parse(document.data, address, self._parsers)))
        except EmptyError as error:
            change.outcomes.append(Outcome(address, "skipped", str(error)))
        except DocumentError as error:
            change.wanted.append(replace(wanted, error=str(error)))


@dataclass(frozen=True, slots=True)
class _Origin:
    """What an operator named: ``source`` as given, ``base`` the folder that a relative one is meant in."""

    source: str
    base: str
    readers: Sequence[str] | None = None

    @property
    def located(self) -> str:
        """The source so that it means the same from anywhere: local paths absolute, without resolving links."""
        if _REMOTE.match(self.source):
            return self.source
        return os.path.normpath(os.path.join(self.base, os.path.expanduser(self.source)))  # noqa: PTH111, PTH118

    def shown(self, place: str) -> str:
        """Return the address of a document: the source as given, joined with the document's path in it."""
        if place == self.located:
            return self.source
        return self.source.rstrip("/") + place.removeprefix(self.located)


def add_documents(
    mentee: Mentee,
    paths: Sequence[Path | str],
    department: str,
    *,
    readers: Sequence[str] | None = None,
    actor: str = "mentee",
) -> Report:
    """Add documents as ``mentee documents add`` does, with progress on standard error; see :meth:`Documents.add`."""
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
