"""The channel ``web``: turns what the page sent into questions. Answers need no delivery; the browser fetches them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bot.errors import BusyError
from bot.messages import InboxItem, Question
from plugins.web.conversations import Conversations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.app import Mentee
    from bot.messages import OutboxItem, Person

NAME = "web"
BUSY_SECONDS = 5.0
HISTORY = 6
"""Earlier turns of the conversation that go along with a question."""


class WebChannel:
    """Implements :class:`bot.protocols.Channel` on nothing but the inbox and the database."""

    name = NAME

    def __init__(self, mentee: Mentee) -> None:
        self._mentee = mentee
        self._conversations = Conversations(mentee)

    async def start(self) -> None:
        """Nothing to open: the routes are part of the server."""

    async def stop(self) -> None:
        """Nothing to close; the server stops accepting requests."""

    async def interpret(self, item: InboxItem) -> Question:
        """Turn a stored question of the page into a question, with its asker's rights as they are now."""
        return await self._mentee.store.run(self._question, item)

    async def deliver(self, item: OutboxItem) -> str:
        """Count as delivered: the text is in the database, where the page looks."""
        return item.id

    def healthy(self) -> bool:
        """Return ``True``: while the server answers ``/readyz``, it answers the page."""
        return True

    def _question(self, item: InboxItem) -> Question:
        payload = item.payload
        person = self._mentee.departments.person(payload["person"])
        audience = self._mentee.departments.audience_of(person)
        conversation = payload["conversation"]
        return Question(
            text=payload["text"],
            person=person,
            audience=audience,
            department=payload["department"],
            departments=tuple(self._mentee.departments.askable(audience)),
            channel=NAME,
            place=conversation,
            thread=conversation,
            history=self._conversations.history(person, conversation, HISTORY),
        )


def accept(mentee: Mentee, person: Person, key: str, asked: Mapping[str, str | None]) -> None:
    """Commit a question to the inbox; the same key of the same person is the same question.

    :param asked: ``text``, ``department`` (``None`` to have it routed) and ``conversation``.
    :raises BusyError: the inbox is full.
    """
    if mentee.inbox.depth() >= mentee.settings.limits.queue:
        raise BusyError("Many questions are waiting just now.", retry_after=BUSY_SECONDS)
    payload = {**asked, "person": person.id}
    mentee.inbox.accept(InboxItem(NAME, "question", payload, f"{NAME}:{person.id}:{key}", id=item_id(person, key)))


def item_id(person: Person, key: str) -> str:
    """Return the inbox id of a person's question with that key, so that asking again needs no look-up."""
    return f"in_{hashlib.sha256(f'{person.id}:{key}'.encode()).hexdigest()[:32]}"
