"""What the core asks of its big parts. Plugins and engines implement these; the core sees nothing else of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bot.domain.answers import AnswerEvent
    from bot.domain.deliveries import InboxItem, OutboxItem
    from bot.domain.documents.parsed import ParsedDocument, SourceDocument
    from bot.domain.generation import AdapterRef, EngineInfo, GenerationRequest
    from bot.domain.people import Audience
    from bot.domain.questions import ChatMessage, Passage, Question, Turn


class Engine(Protocol):
    """Turns a prompt into text with a base model and, per request, an adapter.

    Requests with different adapters can run at the same time and never mix. Closing the iterator cancels the work
    immediately. A full queue raises :class:`bot.BusyError`, any other failure :class:`bot.EngineError`. The test kit
    (:mod:`bot.testing.engine_contract`) checks all of this.
    """

    @property
    def info(self) -> EngineInfo:
        """Describe what is served."""

    def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Stream the answer's text piece by piece.

        An engine that knows that it refuses ends with a :class:`bot.Refusal`.
        """

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Return the prompt's length in tokens, chat template included."""

    async def start(self) -> None:
        """Load the model. Returns when the engine can take requests."""

    async def stop(self) -> None:
        """Finish or cancel running requests and free the model."""


class Retriever(Protocol):
    """Finds passages. All methods block and are called in a worker thread."""

    def search(
        self, text: str, department: str, audience: Audience, *, k: int = 10, history: Sequence[Turn] = ()
    ) -> list[Passage]:
        """Return up to ``k`` passages that the audience may read, best first.

        :param history: the earlier turns that the text leans on, oldest first; none if it stands alone.
        """

    def passages(self, chunk_ids: Sequence[str], department: str, audience: Audience) -> list[Passage]:
        """Return passages by id, in the given order, without those that the audience can't read or that are gone."""

    def readable(self, documents: Collection[str], department: str, audience: Audience) -> Collection[str]:
        """Return which of these documents, by id, the audience may read now. Nobody can read one that is gone."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape ``(len(texts), dimension)``."""

    def has_documents(self, department: str) -> bool:
        """Return whether the department has any documents to search."""

    def snapshot(self, department: str) -> str | None:
        """Return the name of the index snapshot in use for the department."""


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """A text's tokens as an embedder sees them, without its special tokens.

    :param vectors: unit vectors in context, shape ``(tokens, dimension)``.
    :param spans: where each token stands in the text, as (start, end).
    """

    vectors: NDArray[np.float32]
    spans: tuple[tuple[int, int], ...]


@runtime_checkable
class TokenEmbedder(Protocol):
    """A :class:`Retriever` whose embedder may also tell a vector for each token of a text."""

    def embed_tokens(self, texts: Sequence[str]) -> Sequence[TokenVectors] | None:
        """Return the tokens of each text, or ``None`` if the embedder has no vectors for them. Blocking."""


@runtime_checkable
class RatesDepartments(Protocol):
    """A :class:`Retriever` that can tell which department's documents fit a question. Blocking.

    With any other retriever, the department with the most relevant passages is chosen.
    """

    def rate_departments(
        self, text: str, departments: Sequence[str], audience: Audience, *, history: Sequence[Turn] = ()
    ) -> Mapping[str, float]:
        """Return a number for each department; they are only compared with each other.

        Only documents that the audience may read count. A department without any isn't rated.
        """


class ChosenAdapters(Protocol):
    """Which adapter answers for which department."""

    def get(self, department: str, *, reading: bool = True) -> AdapterRef | None:
        """Return the department's adapter, or ``None`` when the base model answers alone.

        :param reading: whether there are passages to answer from; without any, a starting adapter has nothing to say.
        """

    def problems(self) -> Mapping[str, str]:
        """Return, by department, why its champion can't be used and what answers instead."""

    def forget(self) -> None:
        """Look anew at the next question, because this process has changed what answers."""


class AdapterRegistry(Protocol):
    """The versions of a department's adapters, and which one answers. All methods block."""

    def publish(self, source: Path, department: str) -> str:
        """Verify the adapter in the folder ``source``, copy it into the registry and return its new version.

        The folder is an artifact of kind "adapter": weights, configuration and a manifest that names its base model.

        :raises ArtifactError: it is invalid, or made for another base model. Nothing was written.
        """

    def champion(self, department: str) -> str | None:
        """Return the version that answers for the department, or ``None`` for the base model."""

    def promote(self, department: str, version: str | None, *, actor: str, reason: str = "") -> None:
        """Make a version the department's champion; ``None`` is the base model.

        :raises NotFoundError: the department has no such version.
        :raises ArtifactError: its files are invalid. The champion stays.
        """

    def rollback(self, department: str, *, actor: str, reason: str = "") -> str | None:
        """Restore the department's previous champion and return its version, or ``None`` for the base model.

        :raises NotFoundError: the base model already answers.
        """


class Channel(Protocol):
    """Brings messages in and out, such as Slack or web chat. It writes inbox items and delivers outbox items.

    While its plugin is off, nothing is accepted or answered, and deliveries wait in the outbox. When it is switched on
    again, the plugin is asked for a new channel. If :meth:`start` fails or takes longer than 10 s, it is called again
    later. The methods that are ``async def`` run in the server's event loop and must not block: use
    :func:`asyncio.to_thread` for what takes time. If :meth:`start` blocks, that is a failure, reported after 11 s.
    """

    name: str

    async def start(self) -> None:
        """Start accepting messages."""

    async def stop(self) -> None:
        """Stop accepting messages. Accepted ones are in the inbox."""

    async def handle(self, item: InboxItem) -> Question | None:
        """Turn a stored delivery into a question, or handle it here (a vote, say) and return ``None``."""

    async def deliver(self, item: OutboxItem) -> str:
        """Post the item and return the channel's own reference to the post.

        If ``item.attempts > 0``, an earlier attempt may have succeeded. Look for its post first, by ``item.id``. Raise
        :class:`bot.BusyError` to be called again later; this doesn't count as a failure.
        """

    def healthy(self) -> bool:
        """Return whether the channel can deliver now, for ``/readyz``."""


@runtime_checkable
class LiveChannel(Protocol):
    """A :class:`Channel` that shows an answer while it is written."""

    def showing(self, question: Question) -> AbstractAsyncContextManager[Callable[[AnswerEvent], None]]:
        """Show what becomes of a question for as long as the context lasts; it is told each event and never waits.

        What is shown is noted as the draft of the delivery ``delivery_id(question.id)``, which completes it later,
        in this process or in another. A context left by an exception after which the question is tried again says so
        to the reader.
        """


class Service(Protocol):
    """A background worker that runs as long as the server and its plugin is on.

    If :meth:`start` fails or takes longer than 10 s, it is called again later. It runs in the server's event loop and
    must not block: use :func:`asyncio.to_thread` for what takes time.
    """

    name: str

    async def start(self) -> None:
        """Start."""

    async def stop(self) -> None:
        """Stop within the drain limit."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person or a document that is being erased.

    :param id: names the erasure in the audit log, and stands in for the person where a row has to stay.
    :param person: id of the person; empty when a document is erased.
    :param document: id of the document; empty when a person is erased.
    :param address: the document's address in ``department``.
    :param answers: ids of the answers that are erased with it, or that the person voted on or corrected.
    :param names: ids that must not be found anywhere afterwards.
    :param texts: texts that must not be found anywhere afterwards.
    """

    id: str
    person: str = ""
    document: str = ""
    department: str = ""
    address: str = ""
    answers: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """``person`` or ``document``."""
        return "person" if self.person else "document"


class Eraser(Protocol):
    """Removes what a plugin stores of erased people and documents outside the core's tables."""

    name: str

    def erase(self, erasure: Erasure) -> Mapping[str, int]:
        """Remove it and return how much of what was removed. Blocking, without a time limit.

        Called before the core deletes its own rows. After a failure, ``mentee erase`` is run again, and so is this.
        """

    def aliases(self, erasure: Erasure) -> Iterable[str]:
        """Return further ids of what is erased, such as those of a document's chunks. Answers that name one go too."""

    def orphans(self) -> Iterable[str]:
        """Return what is stored but belongs to nothing any more, one line each, for ``mentee doctor --orphans``."""


@runtime_checkable
class Parser(Protocol):
    """Turns files of certain kinds into a :class:`ParsedDocument`. Runs in a child process with limits."""

    name: str
    suffixes: tuple[str, ...]

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Parse the file, or raise :class:`bot.DocumentError`."""


@runtime_checkable
class Source(Protocol):
    """Reads the documents at an address, such as a folder or a repository."""

    name: str

    def accepts(self, address: str) -> bool:
        """Return whether this source can read the address."""

    def documents(self, address: str) -> Sequence[SourceDocument]:
        """Read all documents at the address, or raise a ``DocumentError`` that names what can't be read."""


@dataclass(frozen=True, slots=True)
class ConsolePanel:
    """A panel in the console: a title, and safe HTML that the plugin creates each time the page loads."""

    title: str
    html: str
    links: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class WebRoutes:
    """HTTP routes of a plugin, mounted under ``prefix``.

    :param raw: paths that get their bodies as they were sent, for signed webhooks. Elsewhere a form or JSON with NUL or
        half a surrogate pair is refused with 400.
    """

    prefix: str
    app: Any
    raw: tuple[str, ...] = ()
