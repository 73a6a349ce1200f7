"""Opens the modal in which somebody corrects an answer: from a message's menu, or from an escalation.

Agents who may read what the answer names correct it at once; others propose. What cannot be corrected is said kindly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.errors import NotFoundError
from bot.messages import Role
from plugins.slack.client import call
from plugins.slack.surfaces.overview import Overview
from plugins.slack.texts import escalations as escalation_texts
from plugins.slack.texts import votes as texts
from plugins.slack.votes import modal
from plugins.slack.workspaces import person_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from plugins.slack.votes.lookup import Lookup


class Correcting:
    """Opens modals; every call is an errand, since Slack waits three seconds for one.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, mentee: Mentee, lookup: Lookup, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._lookup = lookup
        self._client = client
        self._overview = Overview(mentee)

    async def of_message(self, body: Mapping[str, Any]) -> None:
        """Open it for the answer that a message carries, as the message's shortcut asks.

        :raises MenteeError: Slack does not take the modal.
        """
        channel, ts = body["channel"]["id"], body["message_ts"]
        about = {"channel": channel, "thread": body["message"].get("thread_ts") or ts}
        answer_id = await self._lookup.answer_under(channel, ts)
        if answer_id is None:
            view = modal.notice_modal(texts.no_answer_here())
        else:
            view = await self._mentee.store.run(self._view, body["user"]["id"], answer_id, about)
        await self._open(body["trigger_id"], view)

    async def of_escalation(self, body: Mapping[str, Any]) -> None:
        """Open it for the answer of an escalation, with the reply that resolved it.

        :raises MenteeError: Slack does not take the modal.
        """
        view = await self._mentee.store.run(self._handed, body["user"]["id"], body["actions"][0]["value"])
        await self._open(body["trigger_id"], view)

    def _view(self, user: str, answer_id: str, about: Mapping[str, Any]) -> dict[str, Any]:
        person = self._mentee.departments.person(person_id(user))
        try:
            return modal.correction_modal(self._overview.review(person, answer_id), about=about)
        except NotFoundError:
            if person.role.includes(Role.AGENT):
                return modal.notice_modal(texts.not_for_you())
            return modal.proposal_modal(answer_id, about)

    def _handed(self, user: str, escalation_id: str) -> dict[str, Any]:
        person = self._mentee.departments.person(person_id(user))
        try:
            escalation = self._mentee.escalations.get(escalation_id)
        except NotFoundError as error:
            return modal.notice_modal(str(error))
        try:
            review = self._overview.review(person, escalation.answer_id)
        except NotFoundError:
            return modal.notice_modal(escalation_texts.write_refused())
        return modal.correction_modal(review, initial=escalation.reply)

    async def _open(self, trigger_id: str, view: Mapping[str, Any]) -> None:
        client = self._client()
        await call(client.views_open, "views.open", trigger_id=trigger_id, view=view)
