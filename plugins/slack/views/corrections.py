"""Opens the modal in which somebody corrects an answer: from App Home, a message's menu, or an escalation.

Agents who may read what the answer names correct it at once; others propose. What can't be corrected is said kindly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.domain.errors import NotFoundError
from plugins.slack.client.web_api import call
from plugins.slack.copy import escalations as escalations_copy
from plugins.slack.copy import feedback as copy
from plugins.slack.views import modals
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.access.departments import Departments
    from bot.feedback.escalations import Escalations
    from bot.storage.session import Store
    from plugins.slack.block_kit import Block
    from plugins.slack.outbound.posted import PostedAnswers
    from plugins.slack.overview.reviews import ReviewQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectionModals:
    """Opens modals, always in the background: Slack waits three seconds for one.

    :param client: gives the Web API client of the moment.
    """

    store: Store
    departments: Departments
    escalations: Escalations
    reviews: ReviewQueue
    answers: PostedAnswers
    client: Callable[[], AsyncWebClient]

    async def of_home(self, body: Mapping[str, Any]) -> None:
        """Open it for an answer of the queue in App Home.

        :raises NotFoundError: see :meth:`plugins.slack.overview.reviews.ReviewQueue.review`.
        :raises MenteeError: Slack does not take the modal.
        """
        view = await self.store.run(self._review, body["user"]["id"], body["actions"][0]["value"])
        await self._open(body["trigger_id"], view)

    async def of_message(self, body: Mapping[str, Any]) -> None:
        """Open it for the answer that a message carries, as the message's shortcut asks.

        :raises MenteeError: Slack does not take the modal.
        """
        channel, ts = body["channel"]["id"], body["message_ts"]
        about = {"channel": channel, "thread": body["message"].get("thread_ts") or ts}
        answer_id = await self.answers.under(channel, ts)
        if answer_id is None:
            view = modals.notice_modal(copy.no_answer_here())
        else:
            view = await self.store.run(self._correct_or_propose, body["user"]["id"], answer_id, about)
        await self._open(body["trigger_id"], view)

    async def of_escalation(self, body: Mapping[str, Any]) -> None:
        """Open it for the answer of an escalation, with the reply that resolved it.

        :raises MenteeError: Slack does not take the modal.
        """
        view = await self.store.run(self._of_escalation, body["user"]["id"], body["actions"][0]["value"])
        await self._open(body["trigger_id"], view)

    async def decided_meanwhile(self, body: Mapping[str, Any], text: str) -> Block | None:
        """Return the modal once more if somebody else decided about the answer while its correction was written.

        It says who decided what, and keeps the text.
        """
        return await self.store.run(self._decided_meanwhile, body, text)

    def _decided_meanwhile(self, body: Mapping[str, Any], text: str) -> Block | None:
        about = json.loads(body["view"]["private_metadata"])
        answer_id, seen = about.pop("answer_id"), about.pop("seen", None)
        person = self.departments.person(person_id(body["user"]["id"]))
        try:
            review = self.reviews.review(person, answer_id)
        except NotFoundError:
            return None  # recording it refuses, too
        if seen in (None, review.seen) or review.decided is None or review.decided.person_id == person.id:
            return None
        return modals.correction_modal(review, initial=text, about=about, meanwhile=True)

    def _review(self, user: str, answer_id: str) -> Block:
        return modals.correction_modal(self.reviews.review(self.departments.person(person_id(user)), answer_id))

    def _correct_or_propose(self, user: str, answer_id: str, about: Mapping[str, Any]) -> Block:
        person = self.departments.person(person_id(user))
        try:
            return modals.correction_modal(self.reviews.review(person, answer_id), about=about)
        except NotFoundError:
            if self.reviews.is_agent_for(person, answer_id):
                return modals.notice_modal(copy.not_for_you())
            return modals.proposal_modal(answer_id, about)

    def _of_escalation(self, user: str, escalation_id: str) -> Block:
        person = self.departments.person(person_id(user))
        try:
            escalation = self.escalations.get(escalation_id)
        except NotFoundError as error:
            return modals.notice_modal(str(error))
        try:
            review = self.reviews.review(person, escalation.answer_id)
        except NotFoundError:
            return modals.notice_modal(escalations_copy.write_refused())
        return modals.correction_modal(review, initial=escalation.reply)

    async def _open(self, trigger_id: str, view: Block) -> None:
        client = self.client()
        await call(client.views_open, "views.open", trigger_id=trigger_id, view=view)
