"""A Slack message as a question: who asks, who will read the answer, what was said before."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import structlog

from bot.errors import MenteeError
from bot.messages import EVERYONE, Audience, OutboxItem, Person, Question
from bot.store.models import OutboxRow, PersonRow
from plugins.slack import texts
from plugins.slack.client import call
from plugins.slack.events import NAME
from plugins.slack.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.messages import InboxItem

MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|([^>]*))?>")
CHANNEL = re.compile(r"<#[A-Z0-9]+\|([^>]*)>")
LINK = re.compile(r"<((?:https?|mailto):[^|>]+)(?:\|([^>]*))?>")

log = structlog.get_logger(__name__)


class Questions:
    """Turns inbox items into questions.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, mentee: Mentee, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._client = client
        self._threads = Threads(mentee.store)

    async def interpret(self, item: InboxItem) -> Question | None:
        """Return the question, or ``None`` after answering a mention that asks nothing."""
        text = readable(item.payload["text"], item.payload["me"])
        if not text:
            await self._mentee.store.run(self._explain, item)
            return None
        person = await self._person(item.payload["user"])
        return await self._mentee.store.run(self._question, item, text, person)

    def _question(self, item: InboxItem, text: str, person: Person) -> Question:
        payload, departments = item.payload, self._mentee.departments
        channel = departments.channel(f"{NAME}:{payload['channel']}")
        granted = frozenset(channel.principals if channel else ())
        if payload["external"]:  # another company reads along: only what an operator gave this very channel
            audience = Audience(granted)
        elif payload["direct"]:
            audience = departments.audience_of(person)
        else:
            audience = Audience(granted | {EVERYONE})
        return Question(
            text=text,
            person=person,
            audience=audience,
            department=payload.get("department"),
            departments=tuple(
                channel.departments if channel and channel.departments else departments.askable(audience)
            ),
            channel=NAME,
            place=payload["channel"],
            thread=payload["thread"],
            history=self._threads.history(payload["channel"], payload["thread"], before=f"q_{item.id}"),
            reply_to=_address(payload),
            train_eligible=bool(channel and channel.train_eligible and not payload["direct"]),
        )

    async def _person(self, user: str) -> Person:
        """Return the asker with their name; Slack is asked for it once."""
        person = await self._mentee.store.run(self._mentee.departments.person, f"{NAME}:{user}")
        if person.name:
            return person
        client = self._client()
        try:
            answer = await call(client.users_info, "users.info", user=user)
        except MenteeError as error:
            log.info("slack_name_unknown", problem=error.text)  # an answer does not wait for a name
            return person
        profile = answer["user"].get("profile", {})
        name = profile.get("display_name") or profile.get("real_name") or user
        return await self._mentee.store.run(self._remember, person, str(name)[:255])

    def _remember(self, person: Person, name: str) -> Person:
        with self._mentee.store.write() as session:
            row = session.get(PersonRow, person.id) or PersonRow(id=person.id, role=person.role.value)
            row.name = name
            session.add(row)
        return Person(person.id, name, person.role)

    def _explain(self, item: InboxItem) -> None:
        notice = OutboxItem(NAME, "notice", _address(item.payload), {"text": texts.how_to_ask()}, id=f"out_{item.id}")
        with self._mentee.store.write() as session:
            if session.get(OutboxRow, notice.id) is None:  # the item may come again after a crash
                self._mentee.outbox.add(session, notice, lane=item.payload["channel"])


def readable(text: str, me: str) -> str:
    """Return a message's text as its writer saw it, without the mention of us."""
    text = MENTION.sub(lambda match: "" if match[1] == me else f"@{match[2] or match[1]}", text)
    text = CHANNEL.sub(lambda match: f"#{match[1]}", text)
    text = LINK.sub(lambda match: match[2] if match[2] and match[2] in match[1] else _link(match), text)
    return re.sub(r"[ \t]+", " ", html.unescape(text)).strip()


def _link(match: re.Match[str]) -> str:
    return f"{match[2]} ({match[1]})" if match[2] else match[1]


def _address(payload: Mapping[str, Any]) -> dict[str, str]:
    """Return where the answer goes: into the thread, or by the response URL of a command to its person alone."""
    if "response_url" in payload:
        return {"channel": payload["channel"], "user": payload["user"], "response_url": payload["response_url"]}
    return {"channel": payload["channel"], "thread_ts": payload["thread"]}
