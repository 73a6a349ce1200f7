"""An engine without a model, for tests of everything around it: it says what the test tells it to say."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING

import pytest

from bot.engines.stops import StopFilter
from bot.errors import BusyError
from bot.protocols import EngineInfo

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from bot.messages import ChatMessage
    from bot.protocols import GenerationRequest

_PIECES = re.compile(r"\s*\S+|\s+$")


class ScriptedEngine:
    """Implements :class:`bot.protocols.Engine`; a "token" is a word with the space before it.

    What it answers, in this order: the next text given to :meth:`say`; else what ``answer`` returns for the request
    (or is, when it is a text). An exception given to :meth:`say` is raised in place of an answer.

    :param answer: the text for each request, or a function of the request.
    :param delay: seconds before each piece.
    :param queue: requests that may run at the same time; one more raises :class:`bot.errors.BusyError`.

    ``requests`` holds what was asked; ``finished`` and ``cancelled`` count the ends. Clear ``gate`` to hold each answer
    before its piece number ``hold_at``, the first one unless the test says otherwise; set it to let them go on.
    ``held`` counts the answers that came so far.
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
        """Stream the scripted answer word by word, cut at ``stop`` and at ``max_new_tokens`` words."""
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
        """Be ready."""
        self.started = True

    async def stop(self) -> None:
        """Serve no longer."""
        self.started = False

    def _answer(self, request: GenerationRequest) -> str:
        return self.answer(request) if callable(self.answer) else self.answer


def long_answer(paragraphs: int = 20, words: int = 60) -> str:
    """Return a cited answer of many paragraphs, no sentence twice; set ``model.max_new_tokens`` high enough for it."""
    return "\n\n".join(
        f"Paragraph {number} on hotels: {' '.join(f'word-{number}-{index}' for index in range(words))} [1]."
        for number in range(paragraphs)
    )


@pytest.fixture
def scripted_engine() -> ScriptedEngine:
    """Return a fresh :class:`ScriptedEngine`."""
    return ScriptedEngine()
