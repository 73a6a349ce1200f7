"""A Slack message as a question: who asks, who will read the answer, what was said before."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from bot.budget import Budget
from bot.errors import BusyError, MenteeError
from bot.messages import OutboxItem, Person, Question
from bot.people import People
from bot.store.models import OutboxRow
from plugins.slack.client import call
from plugins.slack.conversations.addresses import answer_address, private_address
from plugins.slack.conversations.attachments import Attachments
from plugins.slack.conversations.channels import Channels
from plugins.slack.conversations.threads import Threads, private_thread
from plugins.slack.events import NAME
from plugins.slack.texts import answers as texts
from plugins.slack.texts import channels as channels_texts
from plugins.slack.workspaces import person_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.messages import InboxItem
    from plugins.slack.conversations.channels import ChannelSettings
    from plugins.slack.conversations.groups import Groups

MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|([^>]*))?>")
CHANNEL = re.compile(r"<#[A-Z0-9]+\|([^>]*)>")
LINK = re.compile(r"<((?:https?|mailto):[^|>]+)(?:\|([^>]*))?>")

log = structlog.get_logger(__name__)


class Questions:
    """Turns inbox items into questions.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, mentee: Mentee, groups: Groups, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._groups = groups
        self._client = client
        self._channels = Channels(mentee)
        self._threads = Threads(mentee.store)
        self._attachments = Attachments(mentee, client)
        per_minute = mentee.settings.limits.questions_per_minute
        self._budget = Budget(per_minute, f"You asked {per_minute} questions within a minute.")

    async def interpret(self, item: InboxItem) -> Question | None:
        """Return the question, or ``None`` where there is none, or none that this person may ask there.

        :raises BusyError: Slack does not hand over an attached file, or tell who is in a group, just now.
        """
        payload = item.payload
        settings = await self._mentee.store.run(self._channels.get, payload["channel"])
        text = readable(payload["text"], payload["me"])
        refusal = await self._refusal(item, settings) or (self._over_budget(item) if text else "")
        if refusal or not text:
            if payload.get("addressed", True):  # who did not call us is met with silence
                await self._mentee.store.run(self._decline, item, refusal)
            return None
        person = await self._person(payload["user"])
        question = await self._mentee.store.run(self._question, item, text, person, settings)
        return replace(question, attachments=await self._attachments.of(item))

    def _question(self, item: InboxItem, text: str, person: Person, settings: ChannelSettings) -> Question:
        payload, departments = item.payload, self._mentee.departments
        direct, external = payload["direct"], payload["external"]
        if direct and not external:
            audience = departments.audience_of(person)
        else:
            audience = self._channels.audience(settings, external=external)
        private = settings.private_first and not direct
        thread = private_thread(payload["thread"], payload["user"]) if private else payload["thread"]
        return Question(
            text=text,
            person=person,
            audience=audience,
            department=payload.get("department"),
            departments=settings.departments or tuple(departments.askable(audience)),
            channel=NAME,
            place=payload["channel"],
            thread=thread,
            history=self._threads.history(payload["channel"], {payload["thread"], thread}, before=f"q_{item.id}"),
            reply_to=answer_address(payload, settings),
            train_eligible=not direct and self._channels.trains(settings, external=external),
        )

    async def _refusal(self, item: InboxItem, settings: ChannelSettings) -> str:
        """Return why the channel does not let this person ask; empty when it does."""
        if item.payload["direct"]:
            return ""
        if settings.answers == "never":
            return channels_texts.answers_nobody()
        if settings.askers and not await self._groups.hold(settings.askers, item.payload["user"]):
            return channels_texts.may_not_ask()
        return ""

    def _over_budget(self, item: InboxItem) -> str:
        """Return what is said to somebody who asks too much, and count the question unless it is tried again."""
        if item.attempts > 1:
            return ""
        try:
            self._budget.spend(person_id(item.payload["user"]))
        except BusyError as error:
            return str(error)
        return ""

    async def _person(self, user: str) -> Person:
        """Return the asker with their name; Slack is asked for it once."""
        person = await self._mentee.store.run(self._mentee.departments.person, person_id(user))
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
        return await self._mentee.store.run(People(self._mentee.store).rename, person, str(name)[:255])

    def _decline(self, item: InboxItem, refusal: str) -> None:
        """Tell the writer alone why they get no answer; where they asked nothing, tell everybody there how to ask."""
        address, said = private_address(item.payload), refusal
        if not refusal:
            address = answer_address(item.payload, self._channels.get(item.payload["channel"]))
            address.pop("offer", None)
            said = self._attachments.missing_question(item) if "files" in item.payload else texts.how_to_ask()
        notice = OutboxItem(NAME, "notice", address, {"text": said}, id=f"out_{item.id}")
        with self._mentee.store.write() as session:
            if session.get(OutboxRow, notice.id) is None:  # the item may come again after a crash
                self._mentee.outbox.add(session, notice, lane=address["channel"])


def readable(text: str, me: str) -> str:
    """Return a message's text as its writer saw it, without the mention of us."""
    text = MENTION.sub(lambda match: "" if match[1] == me else f"@{match[2] or match[1]}", text)
    text = CHANNEL.sub(lambda match: f"#{match[1]}", text)
    text = LINK.sub(lambda match: match[2] if match[2] and match[2] in match[1] else _link(match), text)
    return re.sub(r"[ \t]+", " ", html.unescape(text)).strip()


def _link(match: re.Match[str]) -> str:
    return f"{match[2]} ({match[1]})" if match[2] else match[1]
