"""Thumbs, reactions and reasons, as votes and corrections."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog

from bot.errors import BusyError, NotFoundError
from bot.messages import Correction, Vote
from bot.reasons import CAUSES
from plugins.slack.answers.aside import aside
from plugins.slack.conversations.threads import Threads
from plugins.slack.events import CORRECTION, PROPOSAL, REACTION, VOTE
from plugins.slack.surfaces.overview import Overview
from plugins.slack.texts import votes as texts
from plugins.slack.votes import modal
from plugins.slack.votes.lookup import Lookup
from plugins.slack.workspaces import person_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.messages import InboxItem
    from plugins.slack.answers.delivery import Poster

JUST_AFTER = timedelta(microseconds=1)
LAST_WAIT = 3
WAIT_SECONDS = 0.5

log = structlog.get_logger(__name__)


class Feedback:
    """Handles the inbox items that are no questions.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, mentee: Mentee, poster: Poster, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._lookup = Lookup(mentee, poster)
        self._client = client
        self._threads = Threads(mentee.store)
        self._overview = Overview(mentee)

    async def handle(self, item: InboxItem) -> None:
        """Record what an item says; feedback on an unknown answer is ignored and logged without its text."""
        try:
            if item.kind == REACTION:
                await self._reaction(item)
            elif item.kind == VOTE:
                await self._vote(item.payload)
            elif item.kind == CORRECTION:
                await self._correction(item.payload)
            elif item.kind == PROPOSAL:
                await self._propose(item.payload)
            else:
                await self._reason(item.payload)
        except NotFoundError:
            log.warning("slack_feedback_ignored", kind=item.kind, item=item.id)

    async def _correction(self, payload: Mapping[str, Any]) -> None:
        live = await self._mentee.store.run(self._correct, payload)
        if "channel" in payload:  # App Home shows by itself what became of it
            await self._thank(payload, texts.thanks(live=live))

    def _correct(self, payload: Mapping[str, Any]) -> bool:
        """Record an agent's correction; who has lost the right since the modal opened is refused."""
        person = self._mentee.departments.person(_person_id(payload))
        answer_id = self._overview.review(person, payload["answer_id"]).answer_id
        return self._mentee.votes.correct(Correction(answer_id, person, payload["text"], at=_at(payload)))

    async def _propose(self, payload: Mapping[str, Any]) -> None:
        """Record what somebody who reads the answer would have found right, and thank them."""
        answer_id = await self._known(payload["answer_id"], payload["channel"])
        person = await self._mentee.store.run(self._mentee.departments.person, _person_id(payload))
        correction = Correction(answer_id, person, payload["text"], at=_at(payload))
        live = await self._mentee.store.run(self._mentee.votes.correct, correction)
        await self._thank(payload, texts.thanks(live=live))

    async def _vote(self, payload: Mapping[str, Any]) -> None:
        answer_id = await self._known(payload["answer_id"], payload["channel"])
        await self._mentee.store.run(self._record, payload, answer_id, payload["value"])

    async def _reaction(self, item: InboxItem) -> None:
        answer_id = await self._lookup.answer_under(item.payload["channel"], item.payload["ts"])
        if answer_id is None:
            raise NotFoundError("The message carries no answer.")
        await self._mentee.store.run(self._react, item, answer_id)
        if item.payload["value"] == "down" and not item.payload["removed"]:
            await self._ask_why(item.payload, answer_id)

    async def _reason(self, payload: Mapping[str, Any]) -> None:
        answer_id = await self._known(payload["answer_id"], payload["channel"])
        run = self._mentee.store.run
        reason, comment = payload[modal.REASON], payload[modal.COMMENT]
        await run(self._record, payload, answer_id, "down", reason=reason, comment=comment)
        if payload[modal.CORRECTION]:
            await self._propose({**payload, "answer_id": answer_id, "text": payload[modal.CORRECTION]})
        else:
            await self._thank(payload, texts.thanks_for_reason(CAUSES.get(reason)))

    async def _known(self, answer_id: str, channel: str) -> str:
        if not await self._mentee.store.run(self._threads.was_posted, answer_id, channel):
            raise NotFoundError("No such answer was posted there.")
        return answer_id

    def _record(self, payload: Mapping[str, Any], answer_id: str, value: Any, **more: str) -> None:
        person = self._mentee.departments.person(_person_id(payload))
        self._mentee.votes.record(Vote(answer_id, person, value, at=_at(payload), **more))

    def _react(self, item: InboxItem, answer_id: str) -> None:
        """Set the vote, or take it back if it is this reaction's; a removed 👍 leaves a later 👎 alone.

        Deliveries may be handled in any order, so the withdrawal counts from the vote it withdraws, and waits a little
        for a vote that is not recorded yet.
        """
        payload, person_id = item.payload, _person_id(item.payload)
        value = payload["value"]
        if not payload["removed"]:
            self._record(payload, answer_id, value)
            return
        current = self._mentee.votes.current(answer_id, person_id)
        if current is not None and current.value == value:
            person = self._mentee.departments.person(person_id)
            self._mentee.votes.record(Vote(answer_id, person, None, at=current.at + JUST_AFTER))
        elif item.attempts < LAST_WAIT and not self._threads.voted(answer_id, person_id, value):
            raise BusyError("The reaction is removed before it is recorded.", retry_after=WAIT_SECONDS)

    async def _ask_why(self, payload: Mapping[str, Any], answer_id: str) -> None:
        """Ask for the reason of an emoji by a button, since only what somebody pressed opens a modal."""
        thread = await self._mentee.store.run(self._threads.thread_of, answer_id, payload["channel"])
        blocks = modal.why_blocks(answer_id, thread)
        await aside(self._client(), payload["channel"], payload["user"], thread, texts.ask_why(), blocks)

    async def _thank(self, payload: Mapping[str, Any], text: str) -> None:
        await aside(self._client(), payload["channel"], payload["user"], payload["thread"], text)


def _person_id(payload: Mapping[str, Any]) -> str:
    return person_id(payload["user"])


def _at(payload: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(payload["at"], UTC)
