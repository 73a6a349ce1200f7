"""Escalations and news on their way out: addressed, and written for whoever will read them.

What may be shown is decided here, at the last moment and with the rights of now: of a person, or of everybody in the
channel that was set for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from bot.errors import NotFoundError
from bot.escalations import END, NOTE, REMINDER, REPLY
from bot.messages import EVERYONE, Audience
from bot.news import NEWS
from bot.store.models import AnswerRow, OutboxRow, QuestionRow
from plugins.slack.answers.aside import direct
from plugins.slack.client import SlackRefusedError, call
from plugins.slack.escalations import blocks
from plugins.slack.escalations.blocks import Note, named
from plugins.slack.events import NAME
from plugins.slack.surfaces.overview import Overview
from plugins.slack.texts import escalations as texts
from plugins.slack.texts import news as news_texts
from plugins.slack.workspaces import channel_id, current, person_id, team_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.escalations import Escalation
    from bot.messages import OutboxItem
    from plugins.slack.surfaces.overview import Known

KINDS = frozenset({NOTE, REMINDER, END, REPLY, NEWS})
TAGGED = 5
"""At most so many people are mentioned in one note."""

Message = tuple[str, "list[blocks.Block]"]
"""The notification's text, and the blocks."""


class Letters:
    """Makes messages of outbox items that the core wrote with ids only.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, mentee: Mentee, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._client = client
        self._overview = Overview(mentee)

    async def prepared(self, item: OutboxItem) -> OutboxItem | None:
        """Return the item as a message to post, or ``None`` when there is nothing left that may be said.

        :raises MenteeError: Slack does not tell where the person can be written to, or asks to wait.
        """
        if item.kind == NEWS:
            message = await self._mentee.store.run(self._news, item.payload)
        else:
            message = await self._about_escalation(item)
        if message is None:
            return None
        address = await self._address(item)
        if address is None:
            return None
        text, made = message
        return replace(item, address=address, payload={"text": text, "blocks": made})

    async def _about_escalation(self, item: OutboxItem) -> Message | None:
        run = self._mentee.store.run
        try:
            escalation = await run(self._mentee.escalations.get, item.payload["escalation_id"])
        except NotFoundError:
            return None
        if item.kind in (NOTE, REMINDER):
            link = await self._link(escalation)
            return None if escalation.outcome else await run(self._note, item, escalation, link)
        if not escalation.outcome:
            return None
        who = named(escalation.resolved_by)
        if item.kind == END:
            made = blocks.end_blocks(escalation, who)
            return made[0]["text"]["text"], made
        return texts.reply_text(), blocks.reply_blocks(escalation, who, await self._link(escalation))

    async def _address(self, item: OutboxItem) -> dict[str, Any] | None:
        """Return channel and thread; ``None`` for what follows a note that was never posted."""
        client, address = self._client(), dict(item.address)
        if "user" in address:
            address = {"channel": await direct(client, address["user"]), "thread_ts": None}
        if item.kind == END:
            address["thread_ts"] = await self._mentee.store.run(self._posted, item.payload["note"])
            return address if address["thread_ts"] else None
        if item.kind == REPLY:
            escalation = await self._mentee.store.run(self._mentee.escalations.get, item.payload["escalation_id"])
            if escalation.place == address["channel"] and ":" not in escalation.thread:
                address["thread_ts"] = escalation.thread
        return address

    async def _link(self, escalation: Escalation) -> str | None:
        """Return where others than the asker find the thread: not in a direct conversation, nor if it is deleted."""
        if not is_public(escalation):
            return None
        client = self._client()
        try:
            found = await call(
                client.chat_getPermalink, "chat.getPermalink",
                channel=escalation.place, message_ts=escalation.thread,
            )  # fmt: skip
        except SlackRefusedError:
            return None
        return str(found["permalink"])

    def _note(self, item: OutboxItem, escalation: Escalation, link: str | None) -> Message:
        department = self._mentee.departments.get(escalation.department)
        user = item.address.get("user")
        known = self._known(self._audience(item.address), escalation.department)
        shows = known is not None and not escalation.attached and known.shows(escalation.citations)
        owners = "" if user else self._owners(escalation.department)
        asker = named(escalation.opened_by)
        if item.kind == REMINDER:
            title = texts.reminder_title(department.title, asker, owners, escalation.opened_at)
        else:
            title = texts.note_title(department.title, asker, owners)
        return texts.note_text(department.title), blocks.note_blocks(Note(escalation, title, shows, link))

    def _owners(self, department: str) -> str:
        """Return mentions of who takes the department's questions."""
        owners = self._mentee.escalations.owners(self._mentee.departments.get(department))
        return " ".join(
            [named(each) for each in owners if each.startswith(f"{NAME}:") and team_of(each) == current()][:TAGGED]
        )

    def _news(self, payload: Mapping[str, Any]) -> Message | None:
        questions = self._visible(payload["person"], payload["answers"])
        if not questions:
            return None
        live = payload["what"] == "live"
        text = news_texts.live(questions) if live else news_texts.learned(questions, payload["adapter"])
        return text.partition("\n")[0], blocks.news_blocks(text)

    def _visible(self, person_id: str, answer_ids: Sequence[str]) -> list[str]:
        """Return the questions of these answers that the person may be told of, each once.

        That is one they asked, or one whose answer names only pages that they may read; in a department they may ask.
        """
        person = self._mentee.departments.person(person_id)
        departments = self._overview.departments(self._mentee.departments.audience_of(person))
        known = {each.name: each for each in departments}
        query = (
            select(QuestionRow.text, QuestionRow.person_id, AnswerRow.department, AnswerRow.citations)
            .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
            .where(AnswerRow.id.in_(answer_ids))
            .order_by(QuestionRow.asked_at)
        )
        with self._mentee.store.read() as session:
            rows = session.execute(query).all()
        visible = [
            row.text
            for row in rows
            if row.department in known and (row.person_id == person_id or known[row.department].shows(row.citations))
        ]
        return list(dict.fromkeys(visible))

    def _known(self, audience: Audience, department: str) -> Known | None:
        return next((each for each in self._overview.departments(audience) if each.name == department), None)

    def _audience(self, address: Mapping[str, Any]) -> Audience:
        departments = self._mentee.departments
        if "user" in address:
            return departments.audience_of(departments.person(person_id(address["user"])))
        channel = departments.channel(channel_id(address["channel"]))
        return Audience(frozenset({EVERYONE, *(channel.principals if channel else ())}))

    def _posted(self, outbox_id: str) -> str | None:
        """Return the ``ts`` of a note that was posted."""
        with self._mentee.store.read() as session:
            reference = session.scalar(select(OutboxRow.reference).where(OutboxRow.id == outbox_id))
        return (reference or "").rpartition(":")[2] or None


def is_public(escalation: Escalation) -> bool:
    """Return whether everybody in a Slack channel sees the thread of the question."""
    shared = not escalation.place.startswith("D") and ":" not in escalation.thread
    return escalation.channel == NAME and shared and bool(escalation.thread)
