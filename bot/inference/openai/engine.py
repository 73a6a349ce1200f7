"""The engine for OpenAI-compatible servers: vLLM, or any other that streams ``/v1/chat/completions``.

Servers must see the adapters' folders under the same paths as Mentee does, and vLLM must run with
``VLLM_ALLOW_RUNTIME_LORA_UPDATING=True`` on a private network. Servers know adapters by version; which one is a
department's champion is up to :mod:`bot.inference.active_adapters`.
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

from bot.domain.errors import BusyError, EngineError
from bot.domain.generation import EngineInfo, Refusal
from bot.inference.fingerprint import ModelFingerprint, model_fingerprint
from bot.inference.openai.client import UNKNOWN_CONTEXT, ModelServer, Timeouts
from bot.inference.openai.errors import AdapterRefusedError, ServerFailedError, ServerSlowError
from bot.inference.stop_texts import StopFilter
from bot.storage.artifacts import MANIFEST

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from pathlib import Path

    from bot.domain.generation import GenerationRequest
    from bot.domain.questions import ChatMessage

ATTEMPTS = 3
CHARACTERS_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 8

log = structlog.get_logger(__name__)


class OpenAIEngine:
    """Implements :class:`bot.domain.ports.Engine` with one server or several that serve the same model.

    :param url: base URL of the server, with or without ``/v1``; separate several with spaces.
    :param model: the name under which the servers serve the base model.
    :param queue: maximum number of requests under way.
    :param seconds: time limit of an answer, which is then cut.
    :param folder: the model's folder on this machine, if any; then tokens are counted exactly.
    :param timeouts: for a server to begin and to continue an answer, within ``seconds``.
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
        timeouts: Timeouts | None = None,
    ) -> None:
        self._urls = tuple(each.rstrip("/").removesuffix("/v1") for each in url.split())
        known = folder is not None and (folder / MANIFEST).is_file()
        self._base = replace(model_fingerprint(folder), name=model) if folder and known else ModelFingerprint(model)
        self._limit = queue
        self._seconds = seconds
        self._folder = folder
        self._timeouts = timeouts or Timeouts()
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._servers: tuple[ModelServer, ...] = ()
        self._running = 0
        self._usual_seconds = 2.0
        self._tokenizer: Any = None

    @property
    def info(self) -> EngineInfo:
        """Describe what is served; device and dtype are up to the servers."""
        context = min((server.context for server in self._servers if server.context), default=UNKNOWN_CONTEXT)
        return EngineInfo("openai", self._base.name, " ".join(self._urls), "server", context)

    async def start(self) -> None:
        """Connect, and check that at least one server serves the model; the others are checked when used.

        :raises EngineError: none can be reached, or they serve another model.
        """
        self._servers = tuple(
            ModelServer(url, self._base, timeouts=self._timeouts, connections=self._limit + 8, headers=self._headers)
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
        """Return the prompt's length in tokens: exact if the model's folder is here, else an upper estimate."""
        if self._folder is None:
            characters = sum(len(message.content) for message in messages)
            return characters // CHARACTERS_PER_TOKEN + TOKENS_PER_MESSAGE * (len(messages) + 1)
        from bot.inference.loading import encode, load_tokenizer, render

        self._tokenizer = self._tokenizer or load_tokenizer(self._folder)
        return len(encode(self._tokenizer, render(self._tokenizer, messages)))

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Stream the answer's text; it ends at the token limit, at a stop text or at the time limit.

        :raises BusyError: too many requests are under way here, or the servers are full.
        :raises EngineError: no server can be reached, or one failed mid-answer; the text names it.
        :raises ArtifactError: the adapter is missing, altered, for another model, or refused by the servers.
        """
        if self._running >= self._limit:
            wait = float(max(1, round(self._usual_seconds)))
            raise BusyError(f"{self._running} questions are being answered.", retry_after=wait)
        if not self._servers:
            raise EngineError("The engine is not running.", hint="Try again once Mentee has started.")
        started = time.monotonic()
        deadline = started + self._seconds
        stops = StopFilter(request.stop)
        self._running += 1
        try:
            async with AsyncExitStack() as stack:
                server, pieces, piece = await self._begin(stack, request, deadline)
                while piece is not None and not stops.stopped:
                    if isinstance(piece, Refusal):
                        yield piece
                        return
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
        """Begin the answer, retrying until the first text has come; never after that."""
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
        """Return the healthy server with the fewest answers; a department prefers the same one, for its caches."""

        def rank(server: ModelServer) -> tuple[bool, int, int, int]:
            home = zlib.crc32(f"{department} {server.url}".encode())
            return server.breaker.is_open, tried.count(server), server.running, home

        return min(self._servers, key=rank)


def _leave(server: ModelServer) -> None:
    server.running -= 1
