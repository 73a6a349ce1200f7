"""One model server at one address: its connections, its circuit breaker and the adapters that it holds."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

from bot.engines.breaker import Breaker
from bot.engines.server_adapters import REPLICAS, ServerAdapters
from bot.engines.server_errors import (
    AdapterRefusedError,
    AdapterUnknownError,
    ServerFailedError,
    ServerSlowError,
    check_answered,
    unreachable,
)
from bot.engines.sse import answer_pieces
from bot.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from contextlib import AsyncExitStack

    from bot.engines.identity import ModelIdentity
    from bot.protocols import GenerationRequest

CONNECT_SECONDS = 5.0
UNKNOWN_CONTEXT = 4096
"""Tokens assumed where a server does not say ``max_model_len``."""

STOPS = 4
"""Stop texts that every server takes (OpenAI's limit); the engine itself looks for all of them."""

CONTROL = re.compile(r"<\|[\w .:-]{1,40}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>")
"""Control tokens of the usual chat formats; a server takes them in a message's text for its own."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds of patience with a server: for the first piece of an answer, and for each one after it."""

    first: float = 30.0
    next: float = 15.0


class ModelServer:
    """A server that may fail, forget and come back. ``running`` counts the answers under way on it.

    ``context`` is the tokens that it takes, 0 until :meth:`check` has passed.

    :param base: what it has to serve.
    :param connections: that may be open at once.
    """

    def __init__(
        self, url: str, base: ModelIdentity, *, waits: Waits, connections: int, headers: dict[str, str]
    ) -> None:
        self.url = url
        self.running = 0
        self.context = 0
        self.breaker = Breaker()
        self._base = base
        self._waits = waits
        self._checked = False
        self._client = httpx2.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=httpx2.Timeout(CONNECT_SECONDS, read=None),  # an answer's own time is kept below
            limits=httpx2.Limits(max_connections=connections),
        )
        self._adapters = ServerAdapters(self._client, url, base)

    async def close(self) -> None:
        """Close the connections; answers under way end with an error."""
        await self._client.aclose()

    async def check(self) -> None:
        """Check that the server is there and serves the model; passes at once until it fails again.

        :raises EngineError: it is not, or it does not.
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
            raise EngineError(f"The server {self.url} does not speak the OpenAI API: {error}.") from error
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
        """Begin an answer; return its pieces and the first of them, ``None`` when it is empty.

        :param stack: what is left on it closes the answer.
        :raises MenteeError: the server did not begin; nothing of the answer has come.
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
        """Return the next piece, or ``None`` at the end of the answer or of its time.

        :raises ServerFailedError: the server broke off, or sent nothing for too long.
        """
        until = min(deadline, time.monotonic() + self._waits.next)
        try:
            async with _patience(until, f"The server {self.url} sent nothing for {{}} in mid-answer."):
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
        """Send the request, loading its adapter (again) for as long as the server does not know it."""
        ref = request.adapter
        problem = ""
        for _ in range(REPLICAS):
            loaded = await stack.enter_async_context(self._adapters.held(ref))
            until = min(deadline, time.monotonic() + self._waits.first)
            try:
                async with _patience(until, f"The server {self.url} began no answer within {{}}."):
                    pieces = await stack.enter_async_context(self._stream(request, loaded.name))
                    return pieces, await anext(pieces, None)
            except AdapterUnknownError as error:
                if ref is None:
                    raise ServerFailedError(error.text) from error
                self._adapters.forget(ref, loaded)
                problem = error.text
        raise AdapterRefusedError(f"{problem} It was loaded {REPLICAS} times, and forgotten each time.")

    @asynccontextmanager
    async def _stream(self, request: GenerationRequest, name: str) -> AsyncIterator[AsyncGenerator[str, None]]:
        stops = [stop for stop in request.stop if stop][:STOPS]
        body = {
            "model": name,
            "messages": [{"role": m.role, "content": _plain(m.content)} for m in request.messages],
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
        """Count a failure of the server and return it as an error for people."""
        self.breaker.failed()
        self._checked = False
        return error if isinstance(error, ServerFailedError) else unreachable(self.url, error)


@asynccontextmanager
async def _patience(until: float, problem: str) -> AsyncIterator[None]:
    """Let the block take until then (by ``time.monotonic``); ``problem`` has a place for how long that was."""
    seconds = max(0.0, until - time.monotonic())
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        hint = "Is it overloaded? limits.first_token_seconds and limits.next_token_seconds are its time."
        raise ServerSlowError(problem.format(f"{seconds:.3g} s"), hint=hint) from None


def _plain(text: str) -> str:
    return CONTROL.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
