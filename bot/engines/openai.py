"""OpenAI-compatible servers as the engine: vLLM, or any other that streams ``/v1/chat/completions``.

Servers must see the adapters' folders under the same paths as Mentee does, and vLLM must run with
``VLLM_ALLOW_RUNTIME_LORA_UPDATING=True`` on a network of its own. A department's alias for its adapter is kept here, by
:mod:`bot.champions`: servers know versions only.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import stamina
import structlog

from bot.artifacts import MANIFEST
from bot.engines.identity import ModelIdentity, model_identity
from bot.engines.model_server import UNKNOWN_CONTEXT, ModelServer, Waits
from bot.engines.server_errors import AdapterRefusedError, ServerFailedError, ServerSlowError
from bot.engines.stops import StopFilter
from bot.errors import BusyError, EngineError
from bot.protocols import EngineInfo

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from pathlib import Path

    from bot.messages import ChatMessage
    from bot.protocols import GenerationRequest
    from bot.settings import Settings

ATTEMPTS = 3
CHARACTERS_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 8

log = structlog.get_logger(__name__)


class OpenAIEngine:
    """Implements :class:`bot.protocols.Engine` with one server or several that serve the same model.

    :param url: base URL of the server, with or without ``/v1``; of several, separated by spaces.
    :param model: the name under which the servers serve the base model.
    :param queue: requests that may be under way at once.
    :param seconds: after which an answer is cut.
    :param folder: the model's folder here, where there is one; then tokens are counted exactly.
    :param waits: patience with a server inside of ``seconds``.
    """

    def __init__(  # noqa: PLR0913 - each is one setting
        self,
        url: str,
        model: str,
        *,
        api_key: str = "",
        queue: int = 200,
        seconds: float = 60.0,
        folder: Path | None = None,
        waits: Waits | None = None,
    ) -> None:
        self._urls = tuple(each.rstrip("/").removesuffix("/v1") for each in url.split())
        known = folder is not None and (folder / MANIFEST).is_file()
        self._base = replace(model_identity(folder), name=model) if folder and known else ModelIdentity(model)
        self._limit = queue
        self._seconds = seconds
        self._folder = folder
        self._waits = waits or Waits()
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._servers: tuple[ModelServer, ...] = ()
        self._running = 0
        self._usual_seconds = 2.0
        self._tokenizer: Any = None

    @classmethod
    def from_settings(cls, settings: Settings) -> OpenAIEngine:
        """Return the engine that the settings describe."""
        folder = settings.models_dir / settings.model.name
        key = settings.model_api_key
        limits = settings.limits
        return cls(
            settings.model.server_url,
            settings.model.name,
            api_key=key.get_secret_value() if key else "",
            queue=limits.queue,
            seconds=limits.generation_seconds,
            folder=folder if folder.is_dir() else None,
            waits=Waits(limits.first_token_seconds, limits.next_token_seconds),
        )

    @property
    def info(self) -> EngineInfo:
        """Describe what is served; device and dtype are the servers' own business."""
        context = min((server.context for server in self._servers if server.context), default=UNKNOWN_CONTEXT)
        return EngineInfo("openai", self._base.name, " ".join(self._urls), "server", context)

    async def start(self) -> None:
        """Connect, and check that a server is there and serves the model; the others are checked when used.

        :raises EngineError: none can be reached, or they serve something else.
        """
        self._servers = tuple(
            ModelServer(url, self._base, waits=self._waits, connections=self._limit + 8, headers=self._headers)
            for url in self._urls
        )
        failures = await asyncio.gather(*(self._checked(server) for server in self._servers))
        if all(failures):
            await self.stop()
            raise failures[0]  # type: ignore[misc] # they are all errors

    async def _checked(self, server: ModelServer) -> Exception | None:
        try:
            async for attempt in stamina.retry_context(on=ServerFailedError, attempts=ATTEMPTS, wait_initial=0.2):
                with attempt:
                    await server.check()
        except EngineError as error:
            log.warning("server_not_ready", server=server.url, problem=error.text)
            return error
        return None

    async def stop(self) -> None:
        """Close the connections; running answers end with an error."""
        servers, self._servers = self._servers, ()
        for server in servers:
            await server.close()

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Return the prompt's length in tokens: exact where the model's folder is here, else estimated from above."""
        if self._folder is None:
            characters = sum(len(message.content) for message in messages)
            return characters // CHARACTERS_PER_TOKEN + TOKENS_PER_MESSAGE * (len(messages) + 1)
        from bot.engines.loading import encode, load_tokenizer, render

        self._tokenizer = self._tokenizer or load_tokenizer(self._folder)
        return len(encode(self._tokenizer, render(self._tokenizer, messages)))

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Stream the answer's text piece by piece; it is cut at the cap, at a stop text and at the time limit.

        :raises BusyError: too many requests are under way here, or the servers say that they are full.
        :raises EngineError: no server can be reached, or one failed in mid-answer; the text names it.
        :raises ArtifactError: the adapter is missing, altered, not for this model, or refused by the servers.
        """
        if self._running >= self._limit:
            wait = float(max(1, round(self._usual_seconds)))
            raise BusyError(f"{self._running} questions are being answered.", retry_after=wait)
        if not self._servers:
            raise EngineError("The engine is not running.", hint="Try again when Mentee has started.")
        started = time.monotonic()
        deadline = started + self._seconds
        stops = StopFilter(request.stop)
        self._running += 1
        try:
            async with AsyncExitStack() as stack:
                server, pieces, piece = await self._begin(stack, request, deadline)
                while piece is not None and not stops.stopped:
                    if shown := stops.feed(piece):
                        yield shown
                    piece = None if stops.stopped else await server.next_piece(pieces, deadline)
                if held := stops.rest():
                    yield held
            self._usual_seconds += 0.1 * (time.monotonic() - started - self._usual_seconds)
        finally:
            self._running -= 1

    async def _begin(
        self, stack: AsyncExitStack, request: GenerationRequest, deadline: float
    ) -> tuple[ModelServer, AsyncIterator[str], str | None]:
        """Begin the answer, trying again until some of its text has come; after that nothing is ever asked twice."""
        tried: list[ModelServer] = []

        def worth_a_retry(error: Exception) -> bool:
            if all(server.breaker.is_open for server in self._servers):
                return False
            if len(set(tried)) < len(self._servers):
                return isinstance(error, (BusyError, ServerFailedError, AdapterRefusedError))
            return isinstance(error, ServerFailedError) and not isinstance(error, ServerSlowError)

        attempts = max(ATTEMPTS, len(self._servers))
        async for attempt in stamina.retry_context(on=worth_a_retry, attempts=attempts, wait_initial=0.2, wait_max=2.0):
            with attempt:
                server = self._choose(request.department, tried)
                tried.append(server)
                trial = await stack.enter_async_context(AsyncExitStack())
                server.running += 1
                trial.callback(_leave, server)
                try:
                    return server, *await server.begin(trial, request, deadline)
                except BaseException:
                    await trial.aclose()
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _choose(self, department: str, tried: Sequence[ModelServer]) -> ModelServer:
        """Return the sound server with the fewest answers under way; a department keeps to one while it can: caches."""

        def rank(server: ModelServer) -> tuple[bool, int, int, int]:
            home = zlib.crc32(f"{department} {server.url}".encode())
            return server.breaker.is_open, tried.count(server), server.running, home

        return min(self._servers, key=rank)


def _leave(server: ModelServer) -> None:
    server.running -= 1
