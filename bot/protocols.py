"""What the core asks of its big parts. Plugins and engines implement these; the core sees nothing else of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bot.messages import AnswerEvent, Audience, ChatMessage, InboxItem, OutboxItem, Passage, Question, Turn


@dataclass(frozen=True, slots=True)
class AdapterRef:
    """A LoRA adapter version on disk. ``version`` is never reused, so it is safe as a cache key.

    :param starter: what a department starts from, made by no round: it can only read passages.
    """

    version: str
    path: Path
    base_model: str
    starter: bool = False


@dataclass(frozen=True, slots=True)
class Reserved:
    """A way to begin an answer that is kept for when the model is sure of it, such as a refusal.

    Greedy decoding begins with the likeliest token, however unlikely: a refusal, which has one way to begin, wins with
    a chance of .3 over an answer, whose chances are shared among its many ways.

    :param text: of which the first token is reserved at the answer's first place.
    :param chance: that the model must give to the token; below it another one begins.
    """

    text: str
    chance: float


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One answer to generate.

    :param department: for fairness between departments; ``""`` when it does not matter.
    :param max_new_tokens: hard cap on the answer's length in tokens.
    :param temperature: 0 is greedy and deterministic.
    :param stop: texts that end the answer; they are not part of it.
    :param reserved: kept by engines that see the model's numbers; a server behind the OpenAI API ignores it.
    """

    messages: tuple[ChatMessage, ...]
    adapter: AdapterRef | None = None
    department: str = ""
    max_new_tokens: int = 256
    temperature: float = 0.0
    seed: int = 0
    stop: tuple[str, ...] = ()
    reserved: Reserved | None = None


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What an engine serves: shown by ``mentee doctor`` and stored as provenance."""

    kind: str
    base_model: str
    device: str
    dtype: str
    context_tokens: int


class Engine(Protocol):
    """Turns a prompt into text with a base model and, per request, an adapter.

    Contract, held by one test suite for every engine: requests with different adapters may run at the same time and
    never mix; closing the iterator cancels the work at once; a full queue raises :class:`bot.errors.BusyError`;
    any other failure raises :class:`bot.errors.EngineError`.
    """

    @property
    def info(self) -> EngineInfo:
        """Describe what is served."""

    def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Stream the answer's text piece by piece."""

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Return the prompt's length in tokens, chat template included."""

    async def start(self) -> None:
        """Load the model; returns when the first request can be served."""

    async def stop(self) -> None:
        """Finish or cancel what runs and free the model."""


class Retriever(Protocol):
    """Finds passages. Everything here is blocking and is called in a worker thread."""

    def search(
        self, text: str, department: str, audience: Audience, *, k: int = 10, history: Sequence[Turn] = ()
    ) -> list[Passage]:
        """Return up to ``k`` passages the audience may read, best first. An empty department gives none."""

    def passages(self, chunk_ids: Sequence[str], department: str) -> list[Passage]:
        """Return stored passages by id, in the order asked, leaving out those that are gone."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape ``(len(texts), dimension)``."""

    def has_documents(self, department: str) -> bool:
        """Return whether the department has any searchable document."""

    def generation(self, department: str) -> str | None:
        """Return the name of the index generation now served for the department."""


class Channel(Protocol):
    """A way in and out: Slack, web chat, … A channel writes inbox items and delivers outbox items."""

    name: str

    async def start(self) -> None:
        """Begin accepting messages."""

    async def stop(self) -> None:
        """Stop accepting messages; what was accepted is in the inbox."""

    async def interpret(self, item: InboxItem) -> Question | None:
        """Turn a stored delivery into a question, or handle it here (a vote, say) and return ``None``."""

    async def deliver(self, item: OutboxItem) -> str:
        """Post the item and return the channel's own reference of the post.

        With ``item.attempts > 0`` an earlier try may have succeeded: look for it first (by ``item.id``).
        Raise :class:`bot.errors.BusyError` to be called again later without a strike.
        """

    def healthy(self) -> bool:
        """Return whether the channel could deliver now; ``/readyz`` asks."""


@runtime_checkable
class LiveChannel(Protocol):
    """A :class:`Channel` that shows an answer while it is made."""

    def showing(self, question: Question) -> AbstractAsyncContextManager[Callable[[AnswerEvent], None]]:
        """Show what becomes of a question for as long as the context lasts; it is told each event and never waits.

        What is shown is noted as the draft of the delivery :func:`bot.messages.delivery_id`, which completes it later:
        in this process or in another. A context left by an exception after which the question is tried again says so
        to the reader.
        """


class Service(Protocol):
    """A background worker that lives as long as the server."""

    name: str

    async def start(self) -> None:
        """Begin."""

    async def stop(self) -> None:
        """End within the drain limit."""


@dataclass(frozen=True, slots=True)
class ParsedSection:
    """A document's text under one heading path (outermost first), with the markup gone."""

    headings: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A parsed document: a title and sections in reading order. ``flags`` names oddities such as hidden text."""

    title: str
    sections: tuple[ParsedSection, ...]
    flags: tuple[str, ...] = ()


@runtime_checkable
class Parser(Protocol):
    """Turns bytes of certain kinds into a :class:`ParsedDocument`. Runs in a child process with limits."""

    name: str
    suffixes: tuple[str, ...]

    def parse(self, data: bytes, name: str) -> ParsedDocument:
        """Parse, or raise :class:`bot.errors.DocumentError`."""


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """A document as a source hands it over. ``readers`` empty means: whoever may read the department."""

    address: str
    data: bytes
    readers: frozenset[str] = frozenset()


@runtime_checkable
class Source(Protocol):
    """Lists the documents behind an address such as a folder; the scheme or shape of the address picks the source."""

    name: str

    def accepts(self, address: str) -> bool:
        """Return whether this source reads such an address."""

    def documents(self, address: str) -> Sequence[SourceDocument]:
        """Read everything behind the address, or raise :class:`bot.errors.DocumentError` naming what cannot be read."""


@dataclass(frozen=True, slots=True)
class ConsolePanel:
    """A box on the operators' page: a title and safe HTML made by the plugin when the page is drawn."""

    title: str
    html: str
    links: tuple[tuple[str, str], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class WebRoutes:
    """HTTP routes of a plugin, mounted under ``prefix``."""

    prefix: str
    app: Any
