"""What people do with escalations in Slack: ask for a person, mark the reply that answers, close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.domain.errors import ForbiddenError, NotFoundError
from plugins.slack.client.web_api import SlackRefusedError, call
from plugins.slack.copy import escalations as copy
from plugins.slack.copy.formats import readable
from plugins.slack.items import NAME
from plugins.slack.workspaces.current import person_id, user_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.access.departments import Departments
    from bot.domain.deliveries import InboxItem
    from bot.domain.people import Person
    from bot.feedback.escalations import Escalation, Escalations
    from bot.storage.session import Store
    from plugins.slack.outbound.ephemeral import EphemeralSender
    from plugins.slack.workspaces.threads import Threads

GONE = frozenset({"thread_not_found", "message_not_found", "channel_not_found", "not_in_channel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationHandlers:
    """Handles three kinds of items. Tried again, each changes nothing more.

    :param client: gives the Web API client of the moment.
    """

    store: Store
    departments: Departments
    escalations: Escalations
    threads: Threads
    ephemeral: EphemeralSender
    client: Callable[[], AsyncWebClient]

    async def ask_person(self, item: InboxItem) -> None:
        """Hand a question to the department's people, and tell the one who asked for it."""
        payload = item.payload
        if await self.store.run(self.threads.was_posted, payload["answer_id"], payload["channel"]):
            await self._tell(payload, await self.store.run(self._open, payload))

    async def check_mark(self, item: InboxItem) -> None:
        """Resolve an escalation by the reply that somebody marked, if it is one and they may.

        :raises BusyError: Slack asks to wait or cannot be reached.
        """
        message = await self._message(item.payload["channel"], item.payload["ts"])
        if message:
            said = await self.store.run(self._resolve_by_reply, item.payload, message)
            await self._tell({**item.payload, "thread": message.get("thread_ts")}, said)

    async def close(self, item: InboxItem) -> None:
        """End an escalation without an answer."""
        await self._tell(item.payload, await self.store.run(self._close, item.payload))

    async def _tell(self, payload: Mapping[str, Any], said: str) -> None:
        if said:
            await self.ephemeral.tell(payload, said, thread=payload["thread"])

    def _open(self, payload: Mapping[str, Any]) -> str:
        try:
            person = self.departments.person(person_id(payload["user"]))
            found, new = self.escalations.open(payload["answer_id"], person)
            department = self.departments.get(found.department)
        except NotFoundError as error:
            return str(error)
        if found.outcome:
            return copy.ended_already()
        if not new and found.opened_by != person.id:
            return copy.asked_already()
        return (copy.asked if found.told else copy.asked_nobody)(department.title)

    def _resolve_by_reply(self, payload: Mapping[str, Any], message: Mapping[str, Any]) -> str:
        found = self._about(payload["channel"], str(message.get("thread_ts") or message["ts"]))
        person = self.departments.person(person_id(payload["user"]))
        if found is None or not self.escalations.may_resolve(person, found.department):
            return ""
        if found.outcome:
            return copy.ended_already()
        root = message.get("thread_ts") in (None, message["ts"])
        if root or message.get("bot_id") or message.get("user") == user_of(found.opened_by):
            return copy.mark_a_reply()
        return self._resolve(found.id, person, "replied", readable(message.get("text", ""), ""))

    def _close(self, payload: Mapping[str, Any]) -> str:
        person = self.departments.person(person_id(payload["user"]))
        return self._resolve(payload["escalation_id"], person, "closed", "")

    def _resolve(self, escalation_id: str, person: Person, outcome: Any, reply: str) -> str:
        try:
            first = self.escalations.resolve(escalation_id, person, outcome, reply)
        except (NotFoundError, ForbiddenError) as error:
            return str(error)
        return "" if first else copy.ended_already()

    def _about(self, channel: str, thread: str) -> Escalation | None:
        """Return the escalation that is talked about in a thread: a note's, or the question's own."""
        noted = self.escalations.of_note(NAME, f"{channel}:{thread}")
        return noted or self.escalations.of_thread(NAME, channel, thread, ended=True)

    async def _message(self, channel: str, ts: str) -> Mapping[str, Any]:
        """Return a message as it is now; nothing when it is gone or we cannot see it."""
        client = self.client()
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
