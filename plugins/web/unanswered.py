"""A person's questions without an answer: those that wait or are being answered, and those that they stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bot.delivery.inbox import STOPPED
from bot.domain.answers import Failed
from plugins.web.intake import NAME, sender

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.delivery.events import AnswerEvents
    from bot.delivery.inbox import Inbox
    from bot.domain.deliveries import InboxEntry
    from bot.domain.people import Person

DELETED = "You deleted this conversation."
STOPPED_BY_YOU = "You stopped this answer. What was written of it isn't kept."


class Unanswered:
    """Lists and stops the questions that have no answer.

    :param live: the events of answers that this process is writing.
    """

    def __init__(self, inbox: Inbox, live: AnswerEvents) -> None:
        self._inbox = inbox
        self._live = live

    def of(self, person: Person) -> list[dict[str, Any]]:
        """Return a person's questions without an answer as the page shows them, oldest first. Blocking."""
        found = self._inbox.unhandled(NAME, sender(person))
        return [_shown(each) for each in found if each.item.payload.get("person") == person.id]

    async def stop(self, question_id: str) -> bool:
        """Stop a question, for good: it isn't answered after a restart either.

        Returns ``False`` if it has already ended.
        """
        stopped = await asyncio.to_thread(self._inbox.stop, question_id.removeprefix("q_"))
        if stopped:
            self._live.publish(question_id, Failed(STOPPED_BY_YOU, stopped=True))
        return stopped

    def end(self, question_ids: Sequence[str]) -> None:
        """Tell whoever watches these answers that their conversation was deleted. On the event loop only."""
        for each in question_ids:
            self._live.publish(each, Failed(DELETED, stopped=True))


def _shown(entry: InboxEntry) -> dict[str, Any]:
    payload, question_id = entry.item.payload, f"q_{entry.item.id}"
    stopped = entry.item.kind == STOPPED
    return {
        "id": question_id,
        "text": payload["text"],
        "department": payload["department"],
        "conversation": payload["conversation"],
        "asked_at": entry.received_at,
        "state": "stopped" if stopped else "running",
        "end": STOPPED_BY_YOU if stopped else "",
        "events": f"/api/v1/questions/{question_id}/events",
    }
