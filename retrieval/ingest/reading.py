"""Reading sources: what an operator named is listed by a source, and each document is parsed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from bot.domain.documents.parsed import SourceDocument
from bot.domain.errors import DocumentError, MenteeError, UnreadableError
from bot.hooks.calling.errors import WrongResultError
from bot.hooks.calling.tracebacks import of_error, of_function, said
from retrieval.ingest.changes import Outcome, Wanted, sha256
from retrieval.parse.dispatch import is_document, parse
from retrieval.parse.kinds import SUFFIXES
from retrieval.parse.text import EmptyError, recoded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bot.domain.ports import Parser, Source
    from bot.storage.tables.documents import DocumentRow
    from retrieval.ingest.changes import Change, Listener

MAX_ADDRESS = 1024
MAX_TITLE = 500
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git\+|[^/\s@]+@[^/\s:]+:", re.IGNORECASE)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """What an operator named: ``source`` as given, and ``base``, the folder that a relative one is relative to."""

    source: str
    base: str
    readers: Sequence[str] | None = None

    @property
    def located(self) -> str:
        """The source with local paths made absolute; links are not resolved."""
        if _REMOTE.match(self.source):
            return self.source
        home = os.path.expanduser(self.source)  # noqa: PTH111 - a string in, a string out
        return os.path.normpath(os.path.join(self.base, home))  # noqa: PTH118 - the same

    def shown(self, place: str) -> str:
        """Return the address of a document: its own if that is absolute, else the source as given and the path in it.

        A source that lists a folder or repository returns the places in it: they begin with :attr:`located`.
        """
        if place == self.located:
            return self.source
        root = self.located.rstrip("/") + "/"
        if not place.startswith(root) and (_REMOTE.match(place) or os.path.isabs(place)):  # noqa: PTH117 - or an address
            return place
        return f"{self.source.rstrip('/')}/{place.removeprefix(root).lstrip('/')}"


class SourceFailedError(DocumentError):
    """A source failed, so what is behind the address is unknown. Other addresses can still be read."""


@dataclass(frozen=True, slots=True)
class PluginSource:
    """A source, and the plugin that brought it."""

    plugin: str
    source: Source


class Failed(Protocol):
    """Counts a failure of a plugin, as :meth:`bot.hooks.host.PluginHost.failed` does."""

    def __call__(self, plugin: str, what: str, problem: str, traceback: str = "") -> object:
        """Count it."""


class Reader:
    """Reads the documents behind an origin into a change.

    :param sources: the first that accepts an address reads it.
    :param parsers: the parser of each suffix.
    :param failed: called when the code of a source fails.
    """

    def __init__(
        self,
        sources: Sequence[PluginSource],
        parsers: Mapping[str, Parser],
        *,
        failed: Failed,
        listener: Listener | None = None,
    ) -> None:
        self._sources = sources
        self._parsers = parsers
        self._failed = failed
        self._listener = listener

    def collect(self, change: Change, known: Mapping[str, DocumentRow], origin: Origin) -> set[str]:
        """Read what is behind an origin into the change; return the addresses of all documents.

        :raises SourceFailedError: a source fails.
        :raises DocumentError: no source reads it, or there is nothing to read.
        """
        found = self._accepting(origin)
        with self._own_code(found, "documents", origin):
            documents = _usable(found.source, origin.located)
            count = len(documents)
        seen: set[str] = set()
        taken = {wanted.address for wanted in change.wanted}
        for place, document in self._each(found, documents, count, origin):
            address = origin.shown(place)
            seen.add(address)
            if self._listener:
                self._listener("Reading", 1, count)
            if isinstance(document, UnreadableError):
                change.outcomes.append(Outcome(address, "failed", document.text))
            elif len(address) > MAX_ADDRESS:
                problem = f"Its address has more than {MAX_ADDRESS} characters."
                change.outcomes.append(Outcome(f"{address[:80]}…", "failed", problem))
            elif place != origin.located and not is_document(_file_name(document, self._parsers), self._parsers):
                change.outcomes.append(Outcome(address, "skipped", "not a supported kind of file"))
            elif address not in taken:
                self._read(change, document, known.get(address), address, origin)
        return seen

    def _accepting(self, origin: Origin) -> PluginSource:
        """Return the first source that accepts an origin. A source that fails when asked is skipped."""
        failure: SourceFailedError | None = None
        for each in self._sources:
            try:
                with self._own_code(each, "accepts", origin):
                    if each.source.accepts(origin.located):
                        return each
            except SourceFailedError as error:
                failure = failure or error
        raise failure or DocumentError(
            f"No source reads {origin.source!r}.",
            hint="Give a file, a folder, a git repository or a web address. If a plugin should read it, "
            "`mentee plugins list` says whether it is on.",
        )

    def _each(
        self, found: PluginSource, documents: Sequence[SourceDocument], count: int, origin: Origin
    ) -> Iterator[tuple[str, SourceDocument | UnreadableError]]:
        for number in range(count):
            try:
                with self._own_code(found, "documents", origin):
                    document = documents[number]
                    if not isinstance(document, SourceDocument):
                        raise _wrong(found.source, f"a sequence with {type(document).__name__}, not SourceDocument")
            except UnreadableError as error:
                yield error.address, error
            else:
                yield document.address, document

    @contextmanager
    def _own_code(self, found: PluginSource, method: str, origin: Origin) -> Iterator[None]:
        """Run code of a source, which may be a plugin's, and make a ``DocumentError`` of whatever it raises.

        An error of Mentee's, such as a page that can't be fetched, is no failure of the plugin.
        """
        name = found.source.name
        try:
            yield
        except DocumentError:
            raise
        except MenteeError as error:
            raise SourceFailedError(f"The source {name!r} can't read {origin.source!r}: {error.text}") from error
        except (Exception, SystemExit) as error:
            if isinstance(error, WrongResultError):
                problem, where = str(error), error.where
            else:
                problem, where = said(error), of_error(error, callers=__file__)
            log.exception("source_failed", source=name, plugin=found.plugin, address=origin.source)
            self._failed(found.plugin, f"{method}() of the source {name!r}", problem, where)
            raise SourceFailedError(
                f"The source {name!r} can't read {origin.source!r}: {problem}.",
                hint=f"Run `mentee plugins show {found.plugin}` to see where. If the plugin is yours, raise a "
                "DocumentError that says what to do.",
            ) from error

    def _read(
        self, change: Change, document: SourceDocument, row: DocumentRow | None, address: str, origin: Origin
    ) -> None:
        own = None if document.readers is None else sorted(document.readers.principals)
        given = origin.readers if origin.readers is not None else own
        title = " ".join(document.title.split())[:MAX_TITLE]
        wanted = Wanted(
            address,
            origin.source,
            origin.base,
            sha256(title.encode() + document.data),  # a new title is a change, as one in the document would be
            len(document.data),
            readers=None if given is None else tuple(given),
        )
        if row is not None and row.sha256 == wanted.sha256 and row.state == "ready":
            change.wanted.append(wanted)
            return
        named = document if document.file_name else replace(document, address=address)
        try:
            parsed = parse(recoded(document.data, document.media_type), _file_name(named, self._parsers), self._parsers)
            change.wanted.append(replace(wanted, parsed=replace(parsed, title=title or parsed.title)))
        except EmptyError as error:
            change.outcomes.append(Outcome(address, "skipped", str(error)))
        except DocumentError as error:
            change.wanted.append(replace(wanted, error=str(error)))


def _file_name(document: SourceDocument, parsers: Mapping[str, Parser]) -> str:
    """Return a name whose suffix tells the parser: the document's own, or its address and its media type."""
    if document.file_name:
        return document.file_name
    suffix = SUFFIXES.get(document.media_type.partition(";")[0].strip().lower(), "")
    if not suffix or is_document(document.address, parsers):
        return document.address
    return re.split(r"[?#]", document.address)[0].rstrip("/") + suffix


def _usable(source: Source, address: str) -> Sequence[SourceDocument]:
    """Return what a source finds. A list is checked at once, a lazy sequence when its documents are read."""
    documents: Any = source.documents(address)
    if not isinstance(documents, Sequence) or isinstance(documents, str | bytes):
        raise _wrong(source, f"{type(documents).__name__}, not a list of SourceDocument")
    if isinstance(documents, list | tuple):
        wrong = next((each for each in documents if not isinstance(each, SourceDocument)), None)
        if wrong is not None:
            raise _wrong(source, f"a list with {type(wrong).__name__}, not SourceDocument")
    return documents


def _wrong(source: Source, found: str) -> WrongResultError:
    return WrongResultError(f"documents() returned {found}", of_function(source.documents))
