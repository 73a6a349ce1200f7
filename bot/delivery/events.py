"""The events of answers in progress, for their watchers in this process (a browser's event stream, the terminal).

A watcher that comes late gets everything from the start. What is remembered is bounded in number; the finished answer
itself is in the database.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cachetools import LRUCache

from bot.domain.answers import AnswerEvent, Done, Failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REMEMBERED = 500
"""Answers whose events are kept after their end."""

UNDER_WAY = 5_000
"""Answers whose end isn't known here: being written, or watched here and written by another process."""


@dataclass(slots=True)
class _Stream:
    events: list[AnswerEvent] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False


class AnswerEvents:
    """Keeps the events of each question and wakes its watchers. Used from the event loop only."""

    def __init__(self) -> None:
        self._running: LRUCache[str, _Stream] = LRUCache(UNDER_WAY)
        self._ended: LRUCache[str, _Stream] = LRUCache(REMEMBERED)
        self.closed = asyncio.Event()

    def close(self) -> None:
        """Tell watchers that this process is stopping. They find the stored answer later."""
        self.closed.set()

    def publish(self, question_id: str, event: AnswerEvent) -> None:
        """Add an event; ``Done`` and ``Failed`` end the stream, and anything after them is dropped."""
        stream = self._stream(question_id)
        if stream.ended:
            return
        stream.events.append(event)
        stream.ended = isinstance(event, Done | Failed)
        if stream.ended:
            self._ended[question_id] = stream
            self._running.pop(question_id, None)
        stream.changed.set()

    def restart(self, question_id: str) -> None:
        """Drop the events so far, because the question is being answered again after an interruption."""
        stream = self._stream(question_id)
        if not stream.ended:
            stream.events.clear()

    def ended(self, question_id: str) -> bool:
        """Return whether this process remembers the end of a question's stream."""
        return question_id in self._ended

    async def watch(self, question_id: str) -> AsyncIterator[AnswerEvent]:
        """Yield the events of a question from its start until it ends."""
        stream = self._stream(question_id)
        position = 0
        while True:
            while position < len(stream.events):
                yield stream.events[position]
                position += 1
            if stream.ended:
                return
            stream.changed.clear()
            await stream.changed.wait()
            position = min(position, len(stream.events))

    def _stream(self, question_id: str) -> _Stream:
        return self._ended.get(question_id) or self._running.setdefault(question_id, _Stream())
