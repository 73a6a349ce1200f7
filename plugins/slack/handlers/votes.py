"""Thumbs, reactions and reasons, as votes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bot.domain.errors import BusyError, NotFoundError
from bot.domain.feedback import Vote
from bot.feedback.reasons import what_follows
from plugins.slack.copy import feedback as copy
from plugins.slack.handlers.corrections import happened_at
from plugins.slack.outbound.blocks import why_blocks
from plugins.slack.views import modals
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.access.departments import Departments
    from bot.domain.deliveries import InboxItem
    from bot.feedback.votes import Votes
    from bot.storage.session import Store
    from plugins.slack.handlers.corrections import ProposalHandler
    from plugins.slack.outbound.ephemeral import EphemeralSender
    from plugins.slack.outbound.posted import PostedAnswers
    from plugins.slack.overview.reviews import ReviewQueue
    from plugins.slack.workspaces.people import SlackPeople
    from plugins.slack.workspaces.threads import Threads

JUST_AFTER = timedelta(microseconds=1)
LAST_WAIT = 3
WAIT_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteHandlers:
    """Handles three kinds of items; feedback on an unknown answer raises :class:`NotFoundError`."""

    store: Store
    departments: Departments
    people: SlackPeople
    votes: Votes
    threads: Threads
    answers: PostedAnswers
    ephemeral: EphemeralSender
    proposals: ProposalHandler
    reviews: ReviewQueue

    async def vote(self, item: InboxItem) -> None:
        """Record a pressed thumb."""
        await self.store.run(self._vote, item.payload, item.payload["value"])

    async def reaction(self, item: InboxItem) -> None:
        """Record a thumb given as an emoji; ask why if it points down, because only a button opens a modal.

        :raises BusyError: Slack cannot be asked which answer it is, or the vote it takes back is not recorded yet.
        """
        payload = item.payload
        if "here" in payload:
            await self.people.meet(payload["user"], payload["here"])
        answer_id = await self.answers.under(payload["channel"], payload["ts"])
        if answer_id is None:
            raise NotFoundError("The message carries no answer.")
        await self.store.run(self._react, item, answer_id)
        if payload["value"] == "down" and not payload["removed"]:
            thread = await self.store.run(self.threads.thread_of, answer_id, payload["channel"])
            blocks = why_blocks(answer_id, thread)
            await self.ephemeral.tell(payload, copy.ask_why(), thread=thread, blocks=blocks)

    async def reason(self, item: InboxItem) -> None:
        """Record the reason of a vote down, and what the person would have found right."""
        payload, reason = item.payload, item.payload[modals.REASON]
        await self.store.run(self._vote, payload, "down", reason=reason, comment=payload[modals.COMMENT])
        if payload[modals.CORRECTION]:
            await self.proposals.propose(payload, payload[modals.CORRECTION])
        else:
            agent = await self.store.run(self._is_agent, payload)
            follows = what_follows(reason, agent=agent)
            await self.ephemeral.tell(payload, copy.thanks_for_reason(follows), thread=payload["thread"])

    def _is_agent(self, payload: Mapping[str, Any]) -> bool:
        person = self.departments.person(person_id(payload["user"]))
        return self.reviews.is_agent_for(person, payload["answer_id"])

    def _vote(self, payload: Mapping[str, Any], value: Any, **more: Any) -> None:
        if not self.threads.was_posted(payload["answer_id"], payload["channel"]):
            raise NotFoundError("No such answer was posted there.")
        self._record(payload, payload["answer_id"], value, **more)

    def _record(self, payload: Mapping[str, Any], answer_id: str, value: Any, **more: Any) -> None:
        person = self.departments.person(person_id(payload["user"]))
        self.votes.record(Vote(answer_id, person, value, at=happened_at(payload), **more))

    def _react(self, item: InboxItem, answer_id: str) -> None:
        """Set the vote, or take it back if it is this reaction's; a removed 👍 leaves a later 👎 alone.

        Deliveries may be handled in any order, so the withdrawal counts from the vote it withdraws, and waits a little
        for a vote that is not recorded yet.
        """
        payload, value = item.payload, item.payload["value"]
        if not payload["removed"]:
            self._record(payload, answer_id, value)
            return
        person = self.departments.person(person_id(payload["user"]))
        current = self.votes.current(answer_id, person.id)
        if current is not None and current.value == value:
            self.votes.record(Vote(answer_id, person, None, at=current.at + JUST_AFTER))
        elif item.attempts < LAST_WAIT and not self.votes.ever(answer_id, person.id, value):
            raise BusyError("The reaction is removed before it is recorded.", retry_after=WAIT_SECONDS)
