"""Carries out what people do with escalations in Slack: ask for a person, mark the reply that answers, close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.errors import ForbiddenError, NotFoundError
from plugins.slack.answers.aside import aside
from plugins.slack.client import SlackRefusedError, call
from plugins.slack.conversations.questions import readable
from plugins.slack.conversations.threads import Threads
from plugins.slack.escalations.events import ASK, CHECK, CLOSE, KINDS, STOP_NEWS
from plugins.slack.events import NAME
from plugins.slack.install.manifest import COMMANDS
from plugins.slack.texts import escalations as texts
from plugins.slack.texts import news as news_texts
from plugins.slack.workspaces import person_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.escalations import Escalation
    from bot.messages import InboxItem, Person

GONE = frozenset({"thread_not_found", "message_not_found", "channel_not_found", "not_in_channel"})


class Desk:
    """Handles the inbox items of escalations.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, mentee: Mentee, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._client = client
        self._escalations = mentee.escalations
        self._threads = Threads(mentee.store)
        self._acts = {ASK: self._ask, CHECK: self._check, CLOSE: self._close, STOP_NEWS: self._stop_news}
        assert set(self._acts) == KINDS

    async def handle(self, item: InboxItem) -> None:
        """Do it and tell the one who did what came of it. Tried again, it changes nothing more.

        :raises BusyError: Slack asks to wait or cannot be reached.
        """
        about = dict(item.payload)
        if item.kind == CHECK:
            about["message"] = message = await self._message(about["channel"], about["ts"])
            about["thread"] = message.get("thread_ts")
        said = await self._acts[item.kind](about)
        if said:
            await aside(self._client(), about["channel"], about["user"], about["thread"], said)

    async def _ask(self, payload: Mapping[str, Any]) -> str:
        run = self._mentee.store.run
        if not await run(self._threads.was_posted, payload["answer_id"], payload["channel"]):
            return ""
        try:
            person = await run(self._mentee.departments.person, _person_id(payload))
            found, new = await run(self._escalations.open, payload["answer_id"], person)
            department = await run(self._mentee.departments.get, found.department)
        except NotFoundError as error:
            return str(error)
        if found.outcome:
            return texts.ended_already()
        if not new and found.opened_by != person.id:
            return texts.asked_already()
        return (texts.asked if found.told else texts.asked_nobody)(department.title)

    async def _check(self, payload: Mapping[str, Any]) -> str:
        """Resolve by the marked reply, if it is one and who marked it may."""
        message = payload["message"]
        if not message:
            return ""
        run = self._mentee.store.run
        found = await run(self._about, payload["channel"], str(message.get("thread_ts") or message["ts"]))
        person = await run(self._mentee.departments.person, _person_id(payload))
        if found is None or not await run(self._escalations.may_resolve, person, found.department):
            return ""
        if found.outcome:
            return texts.ended_already()
        author_id = person_id(message.get("user", ""))
        root = message.get("thread_ts") in (None, message["ts"])
        if root or message.get("bot_id") or author_id == found.opened_by:
            return texts.mark_a_reply()
        return await self._resolve(found.id, person, "replied", readable(message.get("text", ""), ""))

    async def _close(self, payload: Mapping[str, Any]) -> str:
        person = await self._mentee.store.run(self._mentee.departments.person, _person_id(payload))
        return await self._resolve(payload["escalation_id"], person, "closed", "")

    async def _stop_news(self, payload: Mapping[str, Any]) -> str:
        await self._mentee.store.run(self._mentee.news.switch, _person_id(payload), on=False)
        return news_texts.stopped(COMMANDS[0].command)

    async def _resolve(self, escalation_id: str, person: Person, outcome: Any, reply: str) -> str:
        try:
            first = await self._mentee.store.run(self._escalations.resolve, escalation_id, person, outcome, reply)
        except (NotFoundError, ForbiddenError) as error:
            return str(error)
        return "" if first else texts.ended_already()

    def _about(self, channel: str, thread: str) -> Escalation | None:
        """Return the escalation that is talked about in a thread: a note's, or the question's own."""
        noted = self._escalations.of_note(NAME, f"{channel}:{thread}")
        return noted or self._escalations.of_thread(NAME, channel, thread)

    async def _message(self, channel: str, ts: str) -> Mapping[str, Any]:
        """Return a message as it is now; nothing when it is gone or we cannot see it."""
        client = self._client()
        try:
            page = await call(
                client.conversations_replies, "conversations.replies",
                channel=channel, ts=ts, latest=ts, oldest=ts, inclusive=True, limit=1,
            )  # fmt: skip
        except SlackRefusedError as error:
            if error.name not in GONE:
                raise
            return {}
        return next((message for message in page["messages"] if message["ts"] == ts), {})


def _person_id(payload: Mapping[str, Any]) -> str:
    return person_id(payload["user"])
