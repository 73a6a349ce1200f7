"""What surrounds a conversation: App Home, the greeting, suggested prompts and the thread's title.

An app with ``agent_view`` sets prompts on the direct conversation; one with the older ``assistant_view`` on the thread
that Slack opened for it (naming a thread in an agent app makes the call fail without a word).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.messages import OutboxItem
from bot.store.models import OutboxRow
from plugins.slack.client import call
from plugins.slack.events import GREETING, NAME
from plugins.slack.surfaces.home import home_view
from plugins.slack.surfaces.overview import Overview
from plugins.slack.surfaces.suggestions import Suggestions
from plugins.slack.texts import surfaces as texts
from plugins.slack.texts.formats import shortened
from plugins.slack.votes.modal import correction_modal
from plugins.slack.workspaces import person_id, stamped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.messages import InboxItem
    from plugins.slack.surfaces.overview import Glance, Review

TITLE_CHARACTERS = 75
"""Of a prompt's button and of a thread's title; a prompt's message is the whole question."""


class Pane:
    """Draws what surrounds a conversation.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, mentee: Mentee, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._client = client
        self._overview = Overview(mentee)
        self._suggestions = Suggestions(mentee.store)

    async def publish_home(self, user: str) -> None:
        """Draw App Home for one person.

        :raises MenteeError: Slack does not take it (:func:`plugins.slack.client.call`).
        """
        glance = await self._mentee.store.run(self._glance, user)
        client = self._client()
        await call(client.views_publish, "views.publish", user_id=user, view=home_view(glance))

    async def open_correction(self, trigger_id: str, user: str, answer_id: str) -> None:
        """Open the modal in which an agent corrects an answer.

        :raises NotFoundError: see :meth:`plugins.slack.surfaces.overview.Overview.review`.
        :raises MenteeError: Slack does not take it.
        """
        review = await self._mentee.store.run(self._review, user, answer_id)
        client = self._client()
        await call(client.views_open, "views.open", trigger_id=trigger_id, view=correction_modal(review))

    async def greet(self, item: InboxItem) -> None:
        """Put the greeting of a new conversation into the outbox, once however often the item is tried."""
        await self._mentee.store.run(self._add_greeting, item)

    async def suggest(self, user: str, channel: str, thread: str | None = None) -> None:
        """Show questions that this person could ask.

        :param thread: the thread that Slack opened, of an app with ``assistant_view``.
        :raises MenteeError: Slack does not take them.
        """
        questions = await self._mentee.store.run(self._questions_for, user)
        if not questions:
            return
        prompts = [{"title": shortened(each, TITLE_CHARACTERS), "message": each} for each in questions]
        client = self._client()
        await call(
            client.assistant_threads_setSuggestedPrompts, "assistant.threads.setSuggestedPrompts",
            channel_id=channel, thread_ts=thread, title=texts.prompts_title(), prompts=prompts,
        )  # fmt: skip

    async def entitle(self, channel: str, thread: str, question: str) -> None:
        """Name a thread of a direct conversation after its first question.

        :raises MenteeError: Slack does not take it.
        """
        client, title = self._client(), shortened(" ".join(question.split()), TITLE_CHARACTERS)
        await call(
            client.assistant_threads_setTitle, "assistant.threads.setTitle",
            channel_id=channel, thread_ts=thread, title=title,
        )  # fmt: skip

    def _glance(self, user: str) -> Glance:
        return self._overview.glance(self._mentee.departments.person(person_id(user)))

    def _review(self, user: str, answer_id: str) -> Review:
        return self._overview.review(self._mentee.departments.person(person_id(user)), answer_id)

    def _questions_for(self, user: str) -> list[str]:
        departments = self._mentee.departments
        audience = departments.audience_of(departments.person(person_id(user)))
        return self._suggestions.of(self._overview.departments(audience))

    def _add_greeting(self, item: InboxItem) -> None:
        payload = {"text": texts.greeting(), "user": item.payload["user"]}
        greeting = OutboxItem(NAME, GREETING, _address(item.payload), payload, id=f"out_{item.id}")
        with self._mentee.store.write() as session:
            if session.get(OutboxRow, greeting.id) is None:
                self._mentee.outbox.add(session, greeting, lane=item.payload["channel"])


def _address(payload: Mapping[str, Any]) -> dict[str, Any]:
    return stamped({"channel": payload["channel"], "thread_ts": payload["thread"]})
