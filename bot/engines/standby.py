"""A second engine that answers while the first cannot: the local model behind a server, where the operator says so.

It takes over only before the first piece of an answer, and only when the first engine is at fault: a server that is
down, failing or left alone. A full queue, a prompt that is too long or an unsound adapter stay the asker's answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from bot.engines.server_errors import ServerFailedError, ServerLeftAloneError
from bot.errors import EngineError, MenteeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.messages import ChatMessage
    from bot.protocols import AdapterRef, Engine, EngineInfo, GenerationRequest

PAUSE = 10.0
"""Seconds between tries to start the first engine."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """Who wrote an answer.

    :param adapter: the one in use; the standby leaves out an adapter that is not for its base model.
    :param reason: why the standby did, ``""`` when it did not.
    """

    info: EngineInfo
    adapter: AdapterRef | None
    reason: str = ""


def served(engine: Engine, request: GenerationRequest, pieces: AsyncGenerator[str, None]) -> Served:
    """Return who wrote the answer whose pieces ``engine`` has given."""
    found = pieces.served if isinstance(pieces, StandbyAnswer) else None
    return found or Served(engine.info, request.adapter)


class StandbyAnswer(AsyncGenerator[str, None]):
    """An answer's pieces, and ``served`` once the standby has begun them."""

    def __init__(self, write: Callable[[StandbyAnswer], AsyncGenerator[str, None]]) -> None:
        self.served: Served | None = None
        self._pieces = write(self)

    async def asend(self, value: None) -> str:
        """Return the next piece."""
        return await self._pieces.asend(value)

    async def athrow(self, *error: Any) -> str:
        """Raise an error where the answer stands."""
        return await self._pieces.athrow(*error)

    async def aclose(self) -> None:
        """Cancel the answer."""
        await self._pieces.aclose()


class StandbyEngine:
    """Implements :class:`bot.protocols.Engine` with two others.

    :param first: answers as long as it can.
    :param standby: answers else; it is started when it is first needed.
    """

    def __init__(
        self, first: Engine, standby: Engine, *, pause: float = PAUSE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._first = first
        self._standby = standby
        self._pause = pause
        self._clock = clock
        self._lock = asyncio.Lock()
        self._failure: EngineError | None = EngineError("The engine is not running.")
        self._try_after = float("-inf")
        self._standby_started = False

    @property
    def info(self) -> EngineInfo:
        """Describe what the first engine serves."""
        return self._first.info

    async def start(self) -> None:
        """Start the first engine, or else the other one."""
        if await self._first_failure() is not None:
            await self._start_standby()

    async def stop(self) -> None:
        """Stop both."""
        async with self._lock:
            await self._first.stop()
            if self._standby_started:
                await self._standby.stop()
                self._standby_started = False
            self._failure = EngineError("The engine is not running.")
            self._try_after = float("-inf")

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Return the prompt's length as the first engine counts it."""
        return self._first.count_tokens(messages)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Stream the answer's text; raises what the engine raises that gives it."""
        return StandbyAnswer(lambda answer: self._write(request, answer))

    async def _write(self, request: GenerationRequest, answer: StandbyAnswer) -> AsyncGenerator[str, None]:
        failure: MenteeError | None = await self._first_failure()
        begun = False
        if failure is None:
            try:
                async with aclosing(self._first.generate(request)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except (ServerFailedError, ServerLeftAloneError) as error:
                if begun:
                    raise
                failure = error
        if failure is None:
            return
        await self._start_standby()
        answer.served = self._stand_in(request, failure.text)
        async with aclosing(self._standby.generate(replace(request, adapter=answer.served.adapter))) as pieces:
            async for piece in pieces:
                yield piece

    def _stand_in(self, request: GenerationRequest, reason: str) -> Served:
        info, adapter = self._standby.info, request.adapter
        fitting = adapter if adapter and adapter.base_model == info.base_model else None
        log.warning("standby_answers", model=info.base_model, adapter=fitting and fitting.version, reason=reason)
        return Served(info, fitting, reason)

    async def _first_failure(self) -> EngineError | None:
        """Return why the first engine is not running, after a try to start it now and then; ``None`` when it runs."""
        if self._failure is not None and self._clock() >= self._try_after:
            self._try_after = self._clock() + self._pause  # those who come meanwhile do not wait for this
            try:
                await self._first.start()
                self._failure = None
            except EngineError as error:
                self._failure = error
        return self._failure

    async def _start_standby(self) -> None:
        async with self._lock:
            if not self._standby_started:
                await self._standby.start()
                self._standby_started = True
