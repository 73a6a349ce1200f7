"""An engine without a model, which answers what the test tells it to."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING

import pytest

from bot.domain.errors import BusyError
from bot.domain.generation import EngineInfo, Refusal
from bot.inference.stop_texts import StopFilter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from bot.domain.generation import GenerationRequest
    from bot.domain.questions import ChatMessage

_PIECES = re.compile(r"\s*\S+|\s+$")


class ScriptedEngine:
    """Implements :class:`bot.domain.ports.Engine`. A token is a word with the space before it.

    It answers with the next text given to :meth:`say`, or else with ``answer``. A :class:`bot.Refusal` is one piece. An
    exception given to :meth:`say` is raised instead.

    :param answer: the text of each answer, or a function that returns it for a request.
    :param delay: seconds before each word.
    :param queue: maximum number of concurrent requests; one more raises :class:`bot.domain.errors.BusyError`.

    ``requests`` are the requests so far; ``finished`` and ``cancelled`` count how they ended. Clear ``gate`` to hold
    each answer before its word number ``hold_at`` (by default the first), and set it to continue. ``held`` counts the
    answers that got there.
    """

    def __init__(
        self,
        answer: str | Callable[[GenerationRequest], str] = "This is a scripted answer.",
        *,
        delay: float = 0.0,
        queue: int = 200,
    ) -> None:
        self.answer = answer
        self.delay = delay
        self.queue = queue
        self.requests: list[GenerationRequest] = []
        self.finished = 0
        self.cancelled = 0
        self.running = 0
        self.started = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.hold_at = 0
        self.held = 0
        self._next: deque[str | Exception] = deque()

    @property
    def info(self) -> EngineInfo:
        """Describe what is served."""
        return EngineInfo("scripted", "scripted", "none", "none", context_tokens=100_000)

    def say(self, *answers: str | Exception) -> None:
        """Queue answers for the next requests, in order; an exception is raised instead."""
        self._next.extend(answers)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[str, None]:
        """Stream the answer word by word, up to ``stop`` or ``max_new_tokens`` words."""
        self.requests.append(request)
        if self.running >= self.queue:
            raise BusyError("All places of the engine's queue are taken.", retry_after=1)
        text = self._next.popleft() if self._next else self._answer(request)
        if isinstance(text, Exception):
            raise text
        self.running += 1
        complete = False
        try:
            stops = StopFilter(request.stop)
            for number, piece in enumerate(_PIECES.findall(text)[: request.max_new_tokens]):
                if number == self.hold_at:
                    self.held += 1
                    await self.gate.wait()
                await asyncio.sleep(self.delay)
                if isinstance(text, Refusal):
                    yield text
                    break
                if shown := stops.feed(piece):
                    yield shown
                if stops.stopped:
                    break
            if held := stops.rest():
                yield held
            complete = True
        finally:
            self.running -= 1
            self.finished += complete
            self.cancelled += not complete

    def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Return the number of words."""
        return sum(len(message.content.split()) for message in messages)

    async def start(self) -> None:
        """Mark the engine as started."""
        self.started = True

    async def stop(self) -> None:
        """Mark the engine as stopped."""
        self.started = False

    def _answer(self, request: GenerationRequest) -> str:
        return self.answer(request) if callable(self.answer) else self.answer


def long_answer(paragraphs: int = 20, words: int = 60) -> str:
    """Return a cited answer of many paragraphs without repeated sentences. Set ``model.max_new_tokens`` accordingly."""
    return "\n\n".join(
        f"Paragraph {number} on hotels: {' '.join(f'word-{number}-{index}' for index in range(words))} [1]."
        for number in range(paragraphs)
    )


@pytest.fixture
def scripted_engine() -> ScriptedEngine:
    """Return a fresh :class:`ScriptedEngine`."""
    return ScriptedEngine()
