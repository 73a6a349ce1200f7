"""What surrounds a conversation while it goes on: suggested prompts, the thread's title, the status line.

An app with ``agent_view`` sets prompts on the direct conversation; one with the older ``assistant_view`` on the thread
that Slack opened for it (naming a thread in an agent app makes the call fail without a word).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from plugins.slack.client.web_api import call
from plugins.slack.copy import views as copy
from plugins.slack.copy.formats import shortened
from plugins.slack.outbound.addresses import shown_while_made
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.access.departments import Departments
    from bot.domain.questions import Question
    from bot.storage.session import Store
    from plugins.slack.client.background_tasks import BackgroundTasks
    from plugins.slack.outbound.status import StatusLines
    from plugins.slack.overview.departments import AskableDepartments
    from plugins.slack.overview.suggestions import Suggestions

TITLE_CHARACTERS = 75
"""Of a prompt's button and of a thread's title; a prompt's message is the whole question."""
DIRECT = "D"
"""What the ids of direct conversations begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistant:
    """Draws what surrounds a conversation.

    :param client: gives the Web API client of the moment.
    """

    store: Store
    departments: Departments
    askable: AskableDepartments
    suggestions: Suggestions
    status: StatusLines
    background: BackgroundTasks
    client: Callable[[], AsyncWebClient]

    def announce(self, question: Question) -> None:
        """Show that an answer is being made, and name a new thread of a direct conversation after its question."""
        thread = question.reply_to.get("thread_ts")
        if thread is None or not shown_while_made(question.reply_to):
            return
        self.status.begin(question.place, thread)
        self.background.run("status", partial(self.status.show, question.place, thread))
        if question.place.startswith(DIRECT) and not question.history:
            self.background.run("title", partial(self._set_title, question.place, thread, question.text))

    async def suggest(self, user: str, channel: str, thread: str | None = None) -> None:
        """Show questions that this person could ask.

        :param thread: the thread that Slack opened, of an app with ``assistant_view``.
        :raises MenteeError: Slack does not take them.
        """
        questions = await self.store.run(self._questions_for, user)
        if not questions:
            return
        prompts = [{"title": shortened(each, TITLE_CHARACTERS), "message": each} for each in questions]
        client = self.client()
        await call(
            client.assistant_threads_setSuggestedPrompts, "assistant.threads.setSuggestedPrompts",
            channel_id=channel, thread_ts=thread, title=copy.prompts_title(), prompts=prompts,
        )  # fmt: skip

    async def _set_title(self, channel: str, thread: str, question: str) -> None:
        client, title = self.client(), shortened(" ".join(question.split()), TITLE_CHARACTERS)
        await call(
            client.assistant_threads_setTitle, "assistant.threads.setTitle",
            channel_id=channel, thread_ts=thread, title=title,
        )  # fmt: skip

    def _questions_for(self, user: str) -> list[str]:
        return self.suggestions.of(self.askable.of_person(self.departments.person(person_id(user))))
