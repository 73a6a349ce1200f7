"""Failover to a standby engine, such as a local model behind a server (the setting ``model.standby``).

The standby takes over only before an answer's first piece of text, and only when the primary engine is at fault: a
server that is down or failing, or whose circuit breaker is open. A full queue, a prompt that is too long and an invalid
adapter are still errors.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from bot.domain.errors import EngineError, MenteeError
from bot.inference.openai.errors import CircuitOpenError, ServerFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.domain.generation import AdapterRef, EngineInfo, GenerationRequest
    from bot.domain.ports import Engine
    from bot.domain.questions import ChatMessage

RETRY_SECONDS = 10.0
"""Seconds between attempts to start the primary engine."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """Which engine and adapter wrote an answer.

    :param adapter: ``None`` if the standby left out an adapter of another base model.
    :param reason: why the standby answered; ``""`` if the primary did.
    """

    info: EngineInfo
    adapter: AdapterRef | None
    reason: str = ""


def served(engine: Engine, request: GenerationRequest, pieces: AsyncGenerator[str, None]) -> Served:
    """Return what wrote an answer, given the pieces that ``engine`` returned for it."""
    found = pieces.served if isinstance(pieces, FailoverAnswer) else None
    return found or Served(engine.info, request.adapter)


class FailoverAnswer(AsyncGenerator[str, None]):
    """An answer's pieces; ``served`` is set when the standby writes them."""

    def __init__(self, write: Callable[[FailoverAnswer], AsyncGenerator[str, None]]) -> None:
        self.served: Served | None = None
        self._pieces = write(self)

    async def asend(self, value: None) -> str:
        return await self._pieces.asend(value)

    async def athrow(self, *error: Any) -> str:
        return await self._pieces.athrow(*error)

    async def aclose(self) -> None:
        await self._pieces.aclose()


class FailoverEngine:
    """Implements :class:`bot.domain.ports.Engine` with a primary engine and a standby.

    :param standby: answers while the primary can't; started when it is first needed.
    """

    def __init__(
        self,
        primary: Engine,
        standby: Engine,
        *,
        retry_seconds: float = RETRY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._primary = primary
        self._standby = standby
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._lock = asyncio.Lock()
        self._failure: EngineError | None = EngineError("The engine is not running.")
        self._try_after = float("-inf")
        self._standby_started = False

    @property
    def info(self) -> EngineInfo:
        """Describe what the primary engine serves."""
        return self._primary.info

    async def start(self) -> None:
        """Start the primary engine, or the standby if that fails."""
        if await self._primary_failure() is not None:
            await self._start_standby()

    async def stop(self) -> None:
        """Stop both engines."""
        async with self._lock:
            await self._primary.stop()
            if self._standby_started:
                await self._standby.stop()
                self._standby_started = False
            self._failure = EngineError("The engine is not running.")
            self._try_after = float("-inf")

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Return the prompt's length as the primary engine counts it."""
        return self._primary.count_tokens(messages)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Stream the answer's text; raises what the answering engine raises."""
        return FailoverAnswer(lambda answer: self._write(request, answer))

    async def _write(self, request: GenerationRequest, answer: FailoverAnswer) -> AsyncGenerator[str, None]:
        failure: MenteeError | None = await self._primary_failure()
        begun = False
        if failure is None:
            try:
                async with aclosing(self._primary.generate(request)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except (ServerFailedError, CircuitOpenError) as error:
                if begun:
                    raise
                failure = error
        if failure is None:
            return
        await self._start_standby()
        answer.served = self._fail_over(request, failure.text)
        async with aclosing(self._standby.generate(replace(request, adapter=answer.served.adapter))) as pieces:
            async for piece in pieces:
                yield piece

    def _fail_over(self, request: GenerationRequest, reason: str) -> Served:
        info, adapter = self._standby.info, request.adapter
        usable = adapter if adapter and adapter.base_model == info.base_model else None
        log.warning("failover", model=info.base_model, adapter=usable and usable.version, reason=reason)
        return Served(info, usable, reason)

    async def _primary_failure(self) -> EngineError | None:
        """Return why the primary isn't running, retrying to start it now and then; ``None`` if it is running."""
        if self._failure is not None and self._clock() >= self._try_after:
            self._try_after = self._clock() + self._retry_seconds  # questions that come meanwhile don't wait
            try:
                await self._primary.start()
                self._failure = None
            except EngineError as error:
                self._failure = error
        return self._failure

    async def _start_standby(self) -> None:
        async with self._lock:
            if not self._standby_started:
                await self._standby.start()
                self._standby_started = True
