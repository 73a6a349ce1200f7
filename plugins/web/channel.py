"""The channel ``web``: turns accepted items into questions. Answers need no delivery; the page fetches them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.domain.questions import Question
from plugins.web.intake import NAME

if TYPE_CHECKING:
    from bot.access.departments import Departments
    from bot.domain.deliveries import InboxItem, OutboxItem
    from plugins.web.conversations import Conversations


class WebChannel:
    """Implements :class:`bot.domain.ports.Channel`; everything goes through the inbox and the database."""

    name = NAME

    def __init__(self, departments: Departments, conversations: Conversations) -> None:
        self._departments = departments
        self._conversations = conversations

    async def start(self) -> None:
        """Nothing to open: the routes are part of the server."""

    async def stop(self) -> None:
        """Nothing to close: the server stops accepting requests."""

    async def handle(self, item: InboxItem) -> Question:
        """Turn an accepted item into a question, with the asker's current permissions."""
        return await asyncio.to_thread(self._question, item)

    async def deliver(self, item: OutboxItem) -> str:
        """Count as delivered: the page reads the answer from the database."""
        return item.id

    def healthy(self) -> bool:
        """Return ``True``: while the server answers ``/readyz``, it answers the page."""
        return True

    def _question(self, item: InboxItem) -> Question:
        payload = item.payload
        person = self._departments.person(payload["person"])
        audience = self._departments.audience_of(person)
        conversation = payload["conversation"]
        return Question(
            text=payload["text"],
            person=person,
            audience=audience,
            department=payload["department"],
            departments=tuple(self._departments.askable(audience)),
            channel=NAME,
            place=conversation,
            thread=conversation,
            history=self._conversations.history(person, conversation),
        )
