"""An OpenAI-compatible server as the engine: vLLM, or any other that streams ``/v1/chat/completions``.

Adapters are loaded into vLLM under their version's name and never replaced in place: a version's weights are what its
name says, in every cache of the server. The server must see the adapters' folders under the same paths as Mentee does,
and run with ``VLLM_ALLOW_RUNTIME_LORA_UPDATING=True`` on a network of its own.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import stamina

from bot.engines.breaker import Breaker
from bot.engines.server_adapters import ServerAdapters
from bot.errors import ArtifactError, BusyError, EngineError, MenteeError
from bot.protocols import EngineInfo

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from pathlib import Path

    from bot.messages import ChatMessage
    from bot.protocols import GenerationRequest
    from bot.settings import Settings

CONNECT_SECONDS = 5.0
ATTEMPTS = 3
UNKNOWN_CONTEXT = 4096
"""Tokens assumed where a server does not say ``max_model_len``."""

CHARACTERS_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 8
CONTROL = re.compile(r"<\|[\w .:-]{1,40}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>")
"""Control tokens of the usual chat formats; a server takes them in a message's text for its own."""


class OpenAIEngine:
    """Implements :class:`bot.protocols.Engine` with a server.

    :param url: base URL of the server, with or without ``/v1``.
    :param model: the name under which the server serves the base model.
    :param queue: requests that may be under way at once.
    :param seconds: after which an answer is cut.
    :param folder: the model's folder here, where there is one; then tokens are counted exactly.
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
    ) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")
        self._model = model
        self._limit = queue
        self._seconds = seconds
        self._folder = folder
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client: httpx2.AsyncClient | None = None
        self._adapters: ServerAdapters | None = None
        self._breaker = Breaker()
        self._running = 0
        self._usual_seconds = 2.0
        self._context = UNKNOWN_CONTEXT
        self._tokenizer: Any = None

    @classmethod
    def from_settings(cls, settings: Settings) -> OpenAIEngine:
        """Return the engine that the settings describe."""
        folder = settings.models_dir / settings.model.name
        key = settings.model_api_key
        return cls(
            settings.model.server_url,
            settings.model.name,
            api_key=key.get_secret_value() if key else "",
            queue=settings.limits.queue,
            seconds=settings.limits.generation_seconds,
            folder=folder if folder.is_dir() else None,
        )

    @property
    def info(self) -> EngineInfo:
        """Describe what is served; device and dtype are the server's own business."""
        return EngineInfo("openai", self._model, self._url, "server", self._context)

    async def start(self) -> None:
        """Connect, and check that the server serves the model.

        :raises EngineError: it cannot be reached, or serves something else.
        """
        timeout = httpx2.Timeout(self._seconds, connect=CONNECT_SECONDS)
        limits = httpx2.Limits(max_connections=self._limit + 8)
        self._client = httpx2.AsyncClient(base_url=self._url, headers=self._headers, timeout=timeout, limits=limits)
        self._adapters = ServerAdapters(self._client, self._url, self._model)
        try:
            self._context = await self._served_context()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the connections; running answers end with an error."""
        client, self._client = self._client, None
        if client:
            await client.aclose()

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

        :raises BusyError: too many requests are under way here, or the server says that it is full.
        :raises EngineError: the server cannot be reached or failed; the text names it.
        :raises ArtifactError: the adapter is missing, altered, not for this model, or refused by the server.
        """
        if self._running >= self._limit:
            raise BusyError(f"{self._running} questions are being answered.", retry_after=self._wait_estimate())
        if self._client is None:
            raise EngineError("The engine is not running.", hint="Try again when Mentee has started.")
        self._breaker.check(self._url)
        started = time.monotonic()
        self._running += 1
        try:
            async with AsyncExitStack() as stack:
                pieces, first = await self._first_piece(stack, request, started + self._seconds)
                while first is not None:
                    if first:
                        yield first
                    first = await self._next_piece(pieces, started + self._seconds)
            self._usual_seconds += 0.1 * (time.monotonic() - started - self._usual_seconds)
        finally:
            self._running -= 1

    async def _first_piece(
        self, stack: AsyncExitStack, request: GenerationRequest, deadline: float
    ) -> tuple[AsyncIterator[str], str | None]:
        """Begin the answer, trying again until something of it has come; after that nothing is ever asked twice."""
        assert self._adapters is not None
        async for attempt in stamina.retry_context(
            on=_worth_a_retry, attempts=ATTEMPTS, wait_initial=0.2, wait_max=2.0
        ):
            with attempt:
                try:
                    name = await stack.enter_async_context(self._adapters.held(request.adapter))
                    pieces = await stack.enter_async_context(self._stream(request, name))
                    first = await self._next_piece(pieces, deadline, first=True)
                except ArtifactError:
                    raise
                except (httpx2.HTTPError, EngineError) as error:
                    await stack.aclose()
                    if isinstance(error, _AdapterUnknownError) and request.adapter:
                        self._adapters.forget(request.adapter.version)
                    raise self._failed(error) from error
                self._breaker.succeeded()
                return pieces, first
        raise AssertionError("the last attempt returns or raises")

    @asynccontextmanager
    async def _stream(self, request: GenerationRequest, name: str) -> AsyncIterator[AsyncIterator[str]]:
        assert self._client is not None
        body = {
            "model": name,
            "messages": [{"role": m.role, "content": _plain(m.content)} for m in request.messages],
            "max_tokens": request.max_new_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "stream": True,
            **({"stop": list(request.stop)} if request.stop else {}),
        }
        async with self._client.stream("POST", "/v1/chat/completions", json=body) as response:
            await self._check(response)
            yield _pieces(response, self._url)

    async def _next_piece(self, pieces: AsyncIterator[str], deadline: float, *, first: bool = False) -> str | None:
        """Return the next piece, or ``None`` at the end of the answer or of its time."""
        try:
            return await asyncio.wait_for(anext(pieces, None), max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            if first:
                problem = f"The server {self._url} began no answer within {self._seconds:g} s."
                raise EngineError(problem, hint="Is it overloaded? limits.generation_seconds sets the limit.") from None
            return None
        except httpx2.HTTPError as error:
            if first:
                raise
            raise self._failed(error) from error

    async def _check(self, response: httpx2.Response) -> None:
        if response.status_code == httpx2.codes.OK:
            return
        await response.aread()
        problem = server_message(response)
        status = response.status_code
        if status == httpx2.codes.TOO_MANY_REQUESTS:
            after = response.headers.get("retry-after", "")
            wait = float(after) if after.replace(".", "", 1).isdigit() else self._wait_estimate()
            raise BusyError(f"The server {self._url} is busy.", retry_after=wait)
        if status in {httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN}:
            raise EngineError(f"The server {self._url} refused the key: {problem}", hint="Set MENTEE_MODEL_API_KEY.")
        if status == httpx2.codes.NOT_FOUND:
            raise _AdapterUnknownError(f"The server {self._url} does not know the model: {problem}")
        if status >= httpx2.codes.INTERNAL_SERVER_ERROR:
            raise _ServerFailedError(f"The server {self._url} failed with status {status}: {problem}")
        raise EngineError(f"The server {self._url} refused the request with status {status}: {problem}")

    def _failed(self, error: Exception) -> Exception:
        """Count a failure of the server and return it as an error for people."""
        if isinstance(error, _AdapterUnknownError) or (isinstance(error, MenteeError) and not _worth_a_retry(error)):
            return error
        self._breaker.failed()
        if isinstance(error, MenteeError):
            return error
        text = f"The server {self._url} cannot be reached: {error or type(error).__name__}"
        return _ServerFailedError(text, hint="Is it running, and is model.server_url right?")

    async def _served_context(self) -> int:
        served = await self._served_models()
        if self._model not in served:
            raise EngineError(
                f"The server {self._url} serves {', '.join(sorted(served)) or 'no model'}, not {self._model!r}.",
                hint="Set model.name to the name it serves (vLLM: --served-model-name).",
            )
        return int(served[self._model].get("max_model_len") or UNKNOWN_CONTEXT)

    async def _served_models(self) -> dict[str, dict[str, Any]]:
        assert self._client is not None
        try:
            async for attempt in stamina.retry_context(on=httpx2.HTTPError, attempts=ATTEMPTS, wait_initial=0.2):
                with attempt:
                    response = await self._client.get("/v1/models", timeout=CONNECT_SECONDS)
            await self._check(response)
            return {str(model["id"]): model for model in response.json()["data"]}
        except httpx2.HTTPError as error:
            raise self._failed(error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(f"The server {self._url} does not speak the OpenAI API: {error}.") from error

    def _wait_estimate(self) -> float:
        return float(max(1, round(self._usual_seconds)))


class _ServerFailedError(EngineError):
    """A failure that may be gone at the next try."""


class _AdapterUnknownError(_ServerFailedError):
    """The server forgot the adapter, as after its restart; it is loaded again."""


def server_message(response: httpx2.Response) -> str:
    """Return what a server's error body says, at most 300 characters; its formats differ."""
    try:
        body = response.json()
        error = body.get("error", body)
        text = error if isinstance(error, str) else error.get("message") or error.get("detail") or error
    except (ValueError, AttributeError):
        text = response.text
    return str(text)[:300]


def _worth_a_retry(error: Exception) -> bool:
    return isinstance(error, _ServerFailedError)


def _plain(text: str) -> str:
    return CONTROL.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)


async def _pieces(response: httpx2.Response, url: str) -> AsyncIterator[str]:
    """Yield the text of each server-sent event. An answer without its end mark was cut off, and that is an error."""
    async for line in response.aiter_lines():
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        try:
            event = json.loads(data)
            if "error" in event:
                raise EngineError(f"The server {url} failed in mid-answer: {event['error']}")
            for choice in event.get("choices", ()):
                yield choice.get("delta", {}).get("content") or ""
        except (ValueError, AttributeError, TypeError) as error:
            raise EngineError(f"The server {url} sent something that is no answer: {error}.") from error
    raise _ServerFailedError(f"The server {url} broke off in mid-answer.")
