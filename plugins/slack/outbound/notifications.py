"""Escalations and notifications on their way out: addressed, and written for whoever will read them.

What may be shown is decided here, at the last moment and with the rights of now: of a person, or of everybody in the
channel that was set for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from bot.domain.answers import Citation
from bot.domain.errors import NotFoundError
from bot.domain.people import EVERYONE, Audience
from bot.feedback.escalations import END, NOTE, REMINDER, REPLY
from plugins.slack.client.web_api import GONE, SlackRefusedError, call, direct_conversation
from plugins.slack.copy import escalations as copy
from plugins.slack.copy import notifications as notifications_copy
from plugins.slack.items import NAME, NOTHING_POSTED
from plugins.slack.outbound import blocks
from plugins.slack.outbound.blocks import EscalationNote, named
from plugins.slack.workspaces.current import channel_id, current, person_id, team_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.access.departments import Departments
    from bot.access.places import Places
    from bot.delivery.outbox import Outbox
    from bot.domain.answers import Answer
    from bot.domain.deliveries import OutboxItem
    from bot.feedback.escalations import Escalation, Escalations
    from bot.feedback.reviews import Reviews
    from bot.feedback.votes import Votes
    from bot.hooks.host import PluginHost
    from bot.storage.history import History
    from bot.storage.session import Store
    from plugins.slack.block_kit import Block
    from plugins.slack.outbound.thread import ThreadSender
    from plugins.slack.overview.departments import AskableDepartment, AskableDepartments

ESCALATION_KINDS = (NOTE, REMINDER, END, REPLY)
MAX_MENTIONS = 5
"""At most so many people are mentioned in one note."""

Message = tuple[str, "list[Block]"]
"""The notification's text, and the blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationSender:
    """Posts notes, reminders, ends and replies of escalations, which the core wrote with ids only.

    :param client: gives the Web API client of the moment.
    """

    store: Store
    outbox: Outbox
    escalations: Escalations
    departments: Departments
    places: Places
    askable: AskableDepartments
    client: Callable[[], AsyncWebClient]
    thread: ThreadSender

    async def send(self, item: OutboxItem) -> str:
        """Post the item, unless nothing is left that may be said.

        :raises MenteeError: Slack does not tell where the person can be written to, or asks to wait.
        """
        try:
            escalation = await self.store.run(self.escalations.get, item.payload["escalation_id"])
        except NotFoundError:
            return NOTHING_POSTED
        message = await self._message(item, escalation)
        address = await self._address(item, escalation) if message is not None else None
        if message is None or address is None:
            return NOTHING_POSTED
        return await self.thread.send(_written(item, address, message))

    async def withdraw(self, item: OutboxItem) -> str:
        """Remove a posted note or reminder, whose question was erased.

        :raises MenteeError: Slack asks to wait, or does not let us.
        """
        note = await self.store.run(self.outbox.get, item.payload["note"])
        channel, _, ts = ((note.reference if note else "") or "").rpartition(":")
        if channel:
            try:
                await call(self.client().chat_delete, "chat.delete", attempts=item.attempts, channel=channel, ts=ts)
            except SlackRefusedError as error:
                if error.name not in GONE:
                    raise
        return NOTHING_POSTED

    async def _message(self, item: OutboxItem, escalation: Escalation) -> Message | None:
        if item.kind in (NOTE, REMINDER):
            link = await self._link(escalation)
            return None if escalation.outcome else await self.store.run(self._note, item, escalation, link)
        if not escalation.outcome:
            return None
        who = named(escalation.resolved_by)
        if item.kind == END:
            made = blocks.end_blocks(escalation, who)
            return made[0]["text"]["text"], made
        return copy.reply_text(), blocks.reply_blocks(escalation, who, await self._link(escalation))

    async def _address(self, item: OutboxItem, escalation: Escalation) -> Mapping[str, Any] | None:
        """Return channel and thread; ``None`` for what follows a note that was never posted."""
        address = await _opened(item, self.client)
        if item.kind == END:
            note = await self.store.run(self.outbox.get, item.payload["note"])
            thread = (note.reference or "").rpartition(":")[2] if note else ""
            return {**address, "thread_ts": thread} if thread else None
        if item.kind == REPLY and escalation.place == address["channel"] and ":" not in escalation.thread:
            return {**address, "thread_ts": escalation.thread}
        return address

    async def _link(self, escalation: Escalation) -> str | None:
        """Return where others than the asker find the thread: not in a direct conversation, nor if it is deleted."""
        if not _is_public(escalation):
            return None
        client = self.client()
        try:
            found = await call(
                client.chat_getPermalink, "chat.getPermalink",
                channel=escalation.place, message_ts=escalation.thread,
            )  # fmt: skip
        except SlackRefusedError:
            return None
        return str(found["permalink"])

    def _note(self, item: OutboxItem, escalation: Escalation, link: str | None) -> Message:
        department = self.departments.get(escalation.department)
        readers = _of(escalation.department, self.askable.of(self._audience(item.address)))
        citations = [Citation(**each) for each in escalation.citations]
        shows = readers is not None and not escalation.attached and readers.shows(citations, escalation.rests_on)
        owners = "" if "user" in item.address else self._owners(escalation.department)
        asker = named(escalation.opened_by)
        if item.kind == REMINDER:
            title = copy.reminder_title(department.title, asker, owners, escalation.opened_at)
        else:
            title = copy.note_title(department.title, asker, owners)
        note = EscalationNote(escalation, title, shows, link)
        return copy.note_text(department.title), blocks.note_blocks(note)

    def _owners(self, department: str) -> str:
        """Return mentions of those who take the department's questions."""
        owners = self.escalations.owners(self.departments.get(department))
        here = [each for each in owners if each.startswith(f"{NAME}:") and team_of(each) == current()]
        return " ".join(map(named, here[:MAX_MENTIONS]))

    def _audience(self, address: Mapping[str, Any]) -> Audience:
        if "user" in address:
            return self.departments.audience_of(self.departments.person(person_id(address["user"])))
        place = self.places.get(channel_id(address["channel"]))
        return Audience(frozenset({EVERYONE, *(place.principals if place else ())}))


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSender:
    """Tells people what became of their feedback; the core wrote it with ids only.

    :param client: gives the Web API client of the moment.
    """

    store: Store
    history: History
    votes: Votes
    reviews: Reviews
    plugins: PluginHost
    departments: Departments
    askable: AskableDepartments
    client: Callable[[], AsyncWebClient]
    thread: ThreadSender

    async def send(self, item: OutboxItem) -> str:
        """Post the item, unless nothing is left that the person may be told.

        :raises MenteeError: Slack does not tell where the person can be written to, or asks to wait.
        """
        message = await self.store.run(self._message, item.payload)
        if message is None:
            return NOTHING_POSTED
        return await self.thread.send(_written(item, await _opened(item, self.client), message))

    def _message(self, payload: Mapping[str, Any]) -> Message | None:
        if payload["what"] == "decided":
            return self._decision(payload["person"], payload["answers"][0])
        questions = self._visible(payload["person"], payload["answers"])
        if not questions:
            return None
        if payload["what"] == "live":
            text = notifications_copy.live(questions)
        else:
            text = notifications_copy.learned(questions, payload["adapter"])
        return text.partition("\n")[0], blocks.notification_blocks(text)

    def _decision(self, person: str, answer_id: str) -> Message | None:
        """Return what an agent decided about the person's proposal, if they may read the answer."""
        found, judged = self.history.of_answer(answer_id), self.reviews.own(answer_id, person)
        proposal = self.votes.correction(answer_id, person)
        if found is None or judged is None or proposal is None:
            return None
        department = _of(found.answer.department, self.askable.of_person(self.departments.person(person)))
        if department is None or not _shows(department, found.answer):
            return None
        who, question = named(judged.person_id), found.question.text
        instead = replace(found, answer=replace(found.answer, text=judged.text))
        if judged.outcome == "rejected":
            text = notifications_copy.rejected(who, question, judged.text)
        elif judged.text == proposal.text:
            text = notifications_copy.published(who, question)
        elif all(self.plugins.may_show_again([instead])):
            text = notifications_copy.edited(who, question, judged.text)
        else:
            text = notifications_copy.edited(who, question)
        return text.partition("\n")[0], blocks.notification_blocks(text)

    def _visible(self, person: str, answer_ids: Sequence[str]) -> list[str]:
        """Return the questions of these answers that the person may be told of, each once.

        That is one they asked, or one whose answer names only pages that they may read; in a department they may ask.
        """
        departments = {each.name: each for each in self.askable.of_person(self.departments.person(person))}
        visible = [
            each.question.text
            for each in self.history.of_answers(answer_ids)
            if each.answer.department in departments
            and (each.question.person_id == person or _shows(departments[each.answer.department], each.answer))
        ]
        return list(dict.fromkeys(visible))


def _shows(department: AskableDepartment, answer: Answer) -> bool:
    return department.shows(answer.citations, answer.rests_on)


async def _opened(item: OutboxItem, client: Callable[[], AsyncWebClient]) -> Mapping[str, Any]:
    """Return the item's address with a channel: that of the direct conversation with a person."""
    if "user" not in item.address:
        return item.address
    return {"channel": await direct_conversation(client(), item.address["user"]), "thread_ts": None}


def _written(item: OutboxItem, address: Mapping[str, Any], message: Message) -> OutboxItem:
    text, made = message
    return replace(item, address=address, payload={"text": text, "blocks": made})


def _of(name: str, departments: Sequence[AskableDepartment]) -> AskableDepartment | None:
    return next((each for each in departments if each.name == name), None)


def _is_public(escalation: Escalation) -> bool:
    """Return whether everybody in a Slack channel sees the thread of the question."""
    shared = not escalation.place.startswith("D") and ":" not in escalation.thread
    return escalation.channel == NAME and shared and bool(escalation.thread)
