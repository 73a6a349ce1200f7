"""Completions for plugins: the instance's model, within limits of time, length and number."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from bot.domain.errors import BusyError, EngineError, SettingsError, TooLargeError
from bot.domain.generation import GenerationRequest
from bot.domain.questions import ChatMessage, cleaned
from bot.hooks.calling.acting import note_completion
from bot.inference.control_tokens import without_control
from bot.inference.model_output import without_thoughts
from bot.network.deadline import remaining
from bot.observability.metrics import COMPLETION_SECONDS, COMPLETIONS

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncGenerator, Iterator, Sequence
    from concurrent.futures import Future

    from bot.inference.running import RunningEngine

MARGIN = 0.1
"""Seconds of a hook that are left for it after a completion that took too long."""


class PluginModel:
    """Generates text with the instance's model, for example a summary.

    The base model writes it, without the department's adapter, which is trained to answer from passages and may repeat
    what only its department may read. Prompts aren't logged. If your plugin shows the text, guards check it like any
    text of a plugin, with the source ``plugin``.

    A completion ends before your hook's time limit, and after ``limits.generation_seconds`` at most. Most models need
    longer than a hook's 2 s: call them in a job or in ``on_action``, or ask an operator to raise your plugin's limit.
    Completions wait in the engine's queue like the department's questions.

    :param slots: how many completions the plugin may have at the same time.
    :param tokens: the longest text (``model.max_new_tokens``), and ``seconds`` the longest time.
    """

    def __init__(  # noqa: PLR0913 - one keyword for each limit of a completion
        self,
        plugin: str,
        department: str | None,
        running: RunningEngine,
        *,
        slots: threading.BoundedSemaphore,
        tokens: int,
        seconds: float,
    ) -> None:
        self._plugin = plugin
        self._department = department or ""
        self._running = running
        self._slots = slots
        self._tokens = tokens
        self._seconds = seconds

    def complete(
        self,
        prompt: str | Sequence[ChatMessage],
        *,
        max_tokens: int | None = None,
        seconds: float | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> str:
        """Return the model's text. Blocking; in async code, use :meth:`acomplete`.

        :param prompt: what to do, or the messages of a conversation, each a :class:`bot.ChatMessage`.
        :param max_tokens: where the text is cut off; by default, and at most, ``model.max_new_tokens``.
        :param seconds: longest time for everything, if shorter than the limits above.
        :param temperature: 0 is deterministic.
        :param stop: texts that end the text and aren't part of it.
        :raises BusyError: the engine's queue is full, or your plugin already has 4 completions running.
        :raises EngineError: the text wasn't complete in time, or the engine failed.
        :raises TooLargeError: the prompt is too long for the model.
        :raises SettingsError: there is no model, ``max_tokens`` is out of bounds, or the call would block the engine.
        """
        if self._running.is_here():
            raise SettingsError(
                "complete() can't be used in the server's event loop, which it would block.",
                hint="Use `await context.model.acomplete(…)`.",
            )
        request, left = self._request(prompt, max_tokens, temperature, stop), self._left(seconds)
        with self._counted():
            future = self._running.submit(self._write(request, left))
            try:
                return future.result(left + MARGIN)
            except TimeoutError:
                future.cancel()
                raise _late(left) from None

    async def acomplete(
        self,
        prompt: str | Sequence[ChatMessage],
        *,
        max_tokens: int | None = None,
        seconds: float | None = None,
        temperature: float = 0.0,
        stop: Sequence[str] = (),
    ) -> str:
        """Await :meth:`complete`. Cancelling it ends the model's work."""
        request, left = self._request(prompt, max_tokens, temperature, stop), self._left(seconds)
        with self._counted():
            future: Future[str] = self._running.submit(self._write(request, left))
            return await asyncio.wrap_future(future)

    def _request(
        self, prompt: str | Sequence[ChatMessage], max_tokens: int | None, temperature: float, stop: Sequence[str]
    ) -> GenerationRequest:
        length = self._tokens if max_tokens is None else max_tokens
        if not 1 <= length <= self._tokens:
            raise SettingsError(
                f"max_tokens is {length}. Expected 1 to {self._tokens}, which is model.max_new_tokens.",
                hint="Use a smaller value, or ask an operator to raise model.max_new_tokens.",
            )
        asked = (ChatMessage("user", prompt),) if isinstance(prompt, str) else tuple(prompt)
        messages = tuple(replace(each, content=without_control(each.content)) for each in asked)
        return GenerationRequest(
            messages, None, self._department, max_new_tokens=length, temperature=temperature, stop=tuple(stop)
        )

    def _left(self, seconds: float | None) -> float:
        left = min(remaining() - MARGIN, self._seconds, seconds if seconds is not None else self._seconds)
        if left <= 0:
            raise EngineError(
                "The hook has no time left for a completion.",
                hint="Call the model in a job or in on_action, which have more time.",
            )
        return left

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Take one of the plugin's slots, and count what becomes of the completion."""
        if not self._slots.acquire(blocking=False):
            COMPLETIONS.labels(self._plugin, "busy").inc()
            raise BusyError(f"Plugin {self._plugin!r} already runs as many completions as it may.", retry_after=1)
        started, outcome = time.monotonic(), "failed"
        try:
            yield
            outcome = "done"
            note_completion(self._plugin)
        except BusyError:
            outcome = "busy"
            raise
        finally:
            self._slots.release()
            COMPLETIONS.labels(self._plugin, outcome).inc()
            COMPLETION_SECONDS.labels(self._plugin).observe(time.monotonic() - started)

    async def _write(self, request: GenerationRequest, seconds: float) -> str:
        """Let the engine write; runs in the engine's loop."""
        try:
            async with asyncio.timeout(seconds) as limit:
                await asyncio.shield(self._running.start())  # others may wait for it, too
                engine = self._running.engine
                size = await asyncio.to_thread(engine.count_tokens, request.messages)
                room = engine.info.context_tokens - request.max_new_tokens
                if size > room:
                    raise TooLargeError(
                        f"The prompt has {size} tokens. With max_tokens={request.max_new_tokens}, only {room} fit.",
                        hint="Shorten the prompt or lower max_tokens.",
                    )
                async with aclosing(_limited(engine.generate(request), request.max_new_tokens)) as pieces:
                    text: str = cleaned("".join([piece async for piece in without_thoughts(pieces)]))
                    return text.strip()
        except TimeoutError:
            if limit.expired():
                raise _late(seconds) from None
            raise


async def _limited(pieces: AsyncGenerator[str, None], most: int) -> AsyncGenerator[str, None]:
    """Yield an engine's pieces up to a number: an engine that a plugin brings may not keep to its limit."""
    count = 0
    async with aclosing(pieces):
        async for piece in pieces:
            yield piece
            count += 1
            if count >= most:
                return


def _late(seconds: float) -> EngineError:
    return EngineError(
        f"The model didn't complete the text within {seconds:.1f} s.",
        hint="Lower max_tokens, or call the model where there is more time: in a job or in on_action.",
    )
