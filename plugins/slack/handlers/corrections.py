"""Corrections that agents write, and those that other people propose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from bot.domain.errors import NotFoundError
from bot.domain.feedback import Correction
from plugins.slack.copy import feedback as copy
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from bot.access.departments import Departments
    from bot.domain.deliveries import InboxItem
    from bot.feedback.votes import Votes
    from bot.storage.session import Store
    from plugins.slack.client.background_tasks import BackgroundTasks
    from plugins.slack.outbound.ephemeral import EphemeralSender
    from plugins.slack.overview.reviews import ReviewQueue
    from plugins.slack.workspaces.threads import Threads


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionHandler:
    """Records an agent's correction.

    :param publish_home: draws App Home anew for a person.
    """

    store: Store
    departments: Departments
    votes: Votes
    reviews: ReviewQueue
    ephemeral: EphemeralSender
    background: BackgroundTasks
    publish_home: Callable[[str], Awaitable[None]]

    async def handle(self, item: InboxItem) -> None:
        """Record it. Who has lost the right since the modal opened is refused.

        :raises NotFoundError: they may not correct the answer (any more).
        """
        payload = item.payload
        try:
            live = await self.store.run(self._correct, payload)
            if "channel" in payload:  # written elsewhere than in App Home, which shows what became of it
                await self.ephemeral.tell(payload, copy.thanks(live=live), thread=payload["thread"])
        finally:
            self.background.run("App Home", partial(self.publish_home, payload["user"]))

    def _correct(self, payload: Mapping[str, Any]) -> bool:
        person = self.departments.person(person_id(payload["user"]))
        answer_id = self.reviews.review(person, payload["answer_id"]).answer_id
        return self.votes.correct(Correction(answer_id, person, payload["text"], at=happened_at(payload)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalHandler:
    """Records what somebody who reads an answer would have found right."""

    store: Store
    departments: Departments
    votes: Votes
    threads: Threads
    ephemeral: EphemeralSender

    async def handle(self, item: InboxItem) -> None:
        """Record what was written in the modal.

        :raises NotFoundError: no such answer was posted there.
        """
        await self.propose(item.payload, item.payload["text"])

    async def propose(self, payload: Mapping[str, Any], text: str) -> None:
        """Record a proposal and thank its writer.

        :raises NotFoundError: no such answer was posted there.
        """
        live = await self.store.run(self._propose, payload, text)
        await self.ephemeral.tell(payload, copy.thanks(live=live), thread=payload["thread"])

    def _propose(self, payload: Mapping[str, Any], text: str) -> bool:
        answer_id, channel = payload["answer_id"], payload["channel"]
        if not self.threads.was_posted(answer_id, channel):
            raise NotFoundError("No such answer was posted there.")
        person = self.departments.person(person_id(payload["user"]))
        return self.votes.correct(Correction(answer_id, person, text, at=happened_at(payload)))


def happened_at(payload: Mapping[str, Any]) -> datetime:
    """Return when something happened, by Slack's word or at its arrival."""
    return datetime.fromtimestamp(payload["at"], UTC)
