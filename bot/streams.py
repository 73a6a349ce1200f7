"""The events of answers under way, for whoever watches them in this process (a browser's event stream, the terminal).

A watcher that comes late gets everything from the start. What is remembered is bounded in number and in time; the
finished answer itself is in the database.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.messages import AnswerEvent, Done, Failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REMEMBERED = 500


@dataclass(slots=True)
class _Stream:
    events: list[AnswerEvent] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False


class AnswerStreams:
    """Keeps the events of each question and wakes its watchers. Used from the event loop only."""

    def __init__(self) -> None:
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
        self.closed = asyncio.Event()

    def close(self) -> None:
        """Tell the watchers that this process is stopping; what they watch is stored when it is done."""
        self.closed.set()

    def publish(self, question_id: str, event: AnswerEvent) -> None:
        """Add an event; ``Done`` and ``Failed`` end the stream, and anything after them is dropped."""
        stream = self._stream(question_id)
        if stream.ended:
            return
        stream.events.append(event)
        stream.ended = isinstance(event, Done | Failed)
        stream.changed.set()

    def restart(self, question_id: str) -> None:
        """Forget the events so far, because the question is being answered anew after an interruption."""
        stream = self._stream(question_id)
        if not stream.ended:
            stream.events.clear()

    def ended(self, question_id: str) -> bool:
        """Return whether the end of a question's stream is remembered here."""
        stream = self._streams.get(question_id)
        return stream is not None and stream.ended

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
        stream = self._streams.setdefault(question_id, _Stream())
        self._streams.move_to_end(question_id)
        if len(self._streams) > REMEMBERED:
            self._forget_oldest_ended()
        return stream

    def _forget_oldest_ended(self) -> None:
        for question_id, stream in self._streams.items():
            if stream.ended:
                del self._streams[question_id]
                return
