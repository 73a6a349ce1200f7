"""One model server: its connections, circuit breaker and loaded adapters."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

from bot.domain.errors import EngineError
from bot.inference.control_tokens import without_control
from bot.inference.openai.adapters import REPLICAS, ServerAdapters
from bot.inference.openai.circuit_breaker import CircuitBreaker
from bot.inference.openai.errors import (
    AdapterRefusedError,
    AdapterUnknownError,
    ServerFailedError,
    ServerSlowError,
    check_answered,
    unreachable,
)
from bot.inference.openai.sse import answer_pieces

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from contextlib import AsyncExitStack

    from bot.domain.generation import GenerationRequest
    from bot.inference.fingerprint import ModelFingerprint

CONNECT_SECONDS = 5.0
UNKNOWN_CONTEXT = 4096
"""Context length assumed if a server doesn't send ``max_model_len``."""

STOPS = 4
"""Number of stop texts sent to a server (OpenAI's limit); the engine itself looks for all of them."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to wait for the first piece of an answer, and for each one after it."""

    first_token: float = 30.0
    next_token: float = 15.0


class ModelServer:
    """A model server. ``running`` is the number of its answers under way.

    ``context`` is its context length, 0 until :meth:`check` has passed.

    :param base: the base model that it has to serve.
    :param connections: maximum number of connections.
    """

    def __init__(
        self, url: str, base: ModelFingerprint, *, timeouts: Timeouts, connections: int, headers: dict[str, str]
    ) -> None:
        self.url = url
        self.running = 0
        self.context = 0
        self.breaker = CircuitBreaker()
        self._base = base
        self._timeouts = timeouts
        self._checked = False
        self._client = httpx2.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=httpx2.Timeout(CONNECT_SECONDS, read=None),  # answers have their own timeouts, below
            limits=httpx2.Limits(max_connections=connections),
        )
        self._adapters = ServerAdapters(self._client, url, base)

    async def close(self) -> None:
        """Close the connections; answers under way end with an error."""
        await self._client.aclose()

    async def check(self) -> None:
        """Check that the server is reachable and serves the model; after success, not again until a failure.

        :raises EngineError: it isn't, or it doesn't.
        """
        if self._checked:
            return
        try:
            response = await self._client.get("/v1/models", timeout=CONNECT_SECONDS)
            if response.status_code != httpx2.codes.NOT_FOUND:
                await check_answered(response, self.url)
            served: dict[str, dict[str, Any]] = {str(model["id"]): model for model in response.json()["data"]}
        except httpx2.HTTPError as error:
            raise unreachable(self.url, error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(f"The server {self.url} doesn't speak the OpenAI API: {error}.") from error
        if self._base.name not in served:
            raise ServerFailedError(
                f"The server {self.url} serves {', '.join(sorted(served)) or 'nothing'}, not {self._base.name!r}.",
                hint="Set model.name to the name it serves (vLLM: --served-model-name).",
            )
        self.context = int(served[self._base.name].get("max_model_len") or UNKNOWN_CONTEXT)
        self._checked = True

    async def begin(
        self, stack: AsyncExitStack, request: GenerationRequest, deadline: float
    ) -> tuple[AsyncIterator[str], str | None]:
        """Begin an answer; return its pieces and the first of them, ``None`` if the answer is empty.

        :param stack: closes the answer.
        :raises MenteeError: the server didn't begin; no text has come.
        """
        self.breaker.check(self.url)
        try:
            await self.check()
            pieces, first = await self._known(stack, request, deadline)
        except (httpx2.HTTPError, ServerFailedError) as error:
            raise self._failed(error) from error
        self.breaker.succeeded()
        return pieces, first

    async def next_piece(self, pieces: AsyncIterator[str], deadline: float) -> str | None:
        """Return the next piece, or ``None`` at the end of the answer or at the deadline.

        :raises ServerFailedError: the server broke off, or sent nothing for too long.
        """
        until = min(deadline, time.monotonic() + self._timeouts.next_token)
        try:
            async with _timeout(until, f"The server {self.url} sent nothing for {{}} in mid-answer."):
                return await anext(pieces, None)
        except ServerSlowError as error:
            if until == deadline:
                return None
            raise self._failed(error) from error
        except (httpx2.HTTPError, ServerFailedError) as error:
            raise self._failed(error) from error

    async def _known(
        self, stack: AsyncExitStack, request: GenerationRequest, deadline: float
    ) -> tuple[AsyncIterator[str], str | None]:
        """Send the request, loading its adapter whenever the server doesn't know it."""
        ref = request.adapter
        problem = ""
        for _ in range(REPLICAS):
            loaded = await stack.enter_async_context(self._adapters.held(ref))
            until = min(deadline, time.monotonic() + self._timeouts.first_token)
            try:
                async with _timeout(until, f"The server {self.url} began no answer within {{}}."):
                    pieces = await stack.enter_async_context(self._stream(request, loaded.name))
                    return pieces, await anext(pieces, None)
            except AdapterUnknownError as error:
                if ref is None:
                    raise ServerFailedError(error.text) from error
                self._adapters.forget(ref, loaded)
                problem = error.text
        raise AdapterRefusedError(f"{problem} It was loaded {REPLICAS} times, but the server lost it each time.")

    @asynccontextmanager
    async def _stream(self, request: GenerationRequest, name: str) -> AsyncIterator[AsyncGenerator[str, None]]:
        stops = [stop for stop in request.stop if stop][:STOPS]
        body = {
            "model": name,
            "messages": [{"role": m.role, "content": without_control(m.content)} for m in request.messages],
            "max_tokens": request.max_new_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "stream": True,
            **({"stop": stops} if stops else {}),
        }
        async with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
            await check_answered(response, self.url)
            async with aclosing(answer_pieces(response, self.url)) as pieces:
                yield pieces

    def _failed(self, error: Exception) -> ServerFailedError:
        """Record a failure of the server and return it as an error."""
        self.breaker.failed()
        self._checked = False
        return error if isinstance(error, ServerFailedError) else unreachable(self.url, error)


@asynccontextmanager
async def _timeout(until: float, problem: str) -> AsyncIterator[None]:
    """Limit the block to ``until`` (by ``time.monotonic``); ``problem`` has a placeholder for the seconds."""
    seconds = max(0.0, until - time.monotonic())
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        hint = "Is it overloaded? limits.first_token_seconds and limits.next_token_seconds are its time."
        raise ServerSlowError(problem.format(f"{seconds:.3g} s"), hint=hint) from None
