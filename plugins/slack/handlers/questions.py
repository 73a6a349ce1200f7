"""A Slack message as a question: who asks, who will read the answer, what was said before. Some are asked again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bot.domain.deliveries import OutboxItem
from bot.domain.errors import BusyError, NotFoundError
from bot.domain.identifiers import new_id, now
from bot.domain.questions import Question
from plugins.slack.copy import answers as copy
from plugins.slack.copy import channels as channels_copy
from plugins.slack.copy.formats import readable
from plugins.slack.items import EDIT, NAME, NOTICE, QUESTION, item_id, private_thread, question_id, version_key
from plugins.slack.outbound.addresses import answer_address, private_address
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from bot.access.departments import Departments
    from bot.delivery.inbox import Inbox
    from bot.delivery.outbox import Outbox
    from bot.delivery.rate_limit import RateLimit
    from bot.domain.deliveries import InboxItem
    from bot.domain.people import Person
    from bot.storage.history import History
    from bot.storage.session import Store
    from plugins.slack.handlers.attachments import Attachments
    from plugins.slack.handlers.context import Context
    from plugins.slack.workspaces.channels import Channels, ChannelSettings
    from plugins.slack.workspaces.groups import Groups
    from plugins.slack.workspaces.people import SlackPeople
    from plugins.slack.workspaces.threads import Threads


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionHandler:
    """Turns messages into questions.

    :param rate_limit: how many questions one person may ask.
    """

    store: Store
    outbox: Outbox
    departments: Departments
    people: SlackPeople
    channels: Channels
    groups: Groups
    threads: Threads
    context: Context
    attachments: Attachments
    rate_limit: RateLimit

    async def handle(self, item: InboxItem) -> Question | None:
        """Return the question, or ``None`` where there is none, or none that this person may ask there.

        :raises BusyError: Slack does not hand over an attached file, or tell who is in a group, just now.
        """
        payload, begun = item.payload, now()
        settings = await self.store.run(self.channels.get, payload["channel"])
        refusal = await self._refusal(item, settings)
        asked = await self.context.asked(item, "" if refusal else readable(payload["text"], payload["me"]))
        refusal = refusal or (self._over_rate_limit(item) if asked.text else "")
        if refusal or not asked.text:
            if payload.get("addressed", True):  # a message that does not mention us is ignored silently
                await self.store.run(self._decline, item, refusal)
            return None
        person = await self.people.named(payload["user"])
        question = await self.store.run(self._question, item, asked.text, person, settings)
        attachments = (*await self.attachments.of(item), *asked.unread)
        history = (*question.history, *asked.before)
        read = replace(question, history=history, attachments=attachments, quotes=asked.quotes)
        return replace(read, received_at=begun)  # erasures after this reach what was read in Slack, too

    def _question(self, item: InboxItem, text: str, person: Person, settings: ChannelSettings) -> Question:
        payload, direct, external = item.payload, item.payload["direct"], item.payload["external"]
        if direct and not external:
            audience = self.departments.audience_of(person)
        else:
            audience = self.channels.audience(settings, external=external)
        private = settings.private_first and not direct
        thread = private_thread(payload["thread"], payload["user"]) if private else payload["thread"]
        seen = {payload["thread"], thread}
        return Question(
            text=text,
            person=person,
            audience=audience,
            department=payload.get("department"),
            departments=settings.departments or tuple(self.departments.askable(audience)),
            channel=NAME,
            place=payload["channel"],
            thread=thread,
            history=self.threads.turns(payload["channel"], seen, before=question_id(item.id)),
            reply_to=answer_address(payload, settings),
            train_eligible=not direct and self.channels.trains(settings, external=external),
        )

    async def _refusal(self, item: InboxItem, settings: ChannelSettings) -> str:
        """Return why the channel does not let this person ask; empty when it does."""
        if item.payload["direct"]:
            return ""
        if settings.answers == "never":
            return channels_copy.answers_nobody()
        if settings.askers and not await self.groups.hold(settings.askers, item.payload["user"]):
            return channels_copy.may_not_ask()
        return ""

    def _over_rate_limit(self, item: InboxItem) -> str:
        """Return what is said to somebody who asks too much, and count the question unless it is tried again."""
        if item.attempts > 1:
            return ""
        try:
            self.rate_limit.spend(person_id(item.payload["user"]))
        except BusyError as error:
            return str(error)
        return ""

    def _decline(self, item: InboxItem, refusal: str) -> None:
        """Tell the writer alone why they get no answer; where they asked nothing, tell everybody there how to ask."""
        address, said = private_address(item.payload), refusal
        if not refusal:
            address = answer_address(item.payload, self.channels.get(item.payload["channel"]))
            address.pop("offer", None)
            said = self.attachments.missing_question(item) if "files" in item.payload else copy.how_to_ask()
        notice = OutboxItem(NAME, NOTICE, address, {"text": said}, id=f"out_{item.id}")
        self.outbox.add_once(notice, lane=address["channel"])  # the item may come again after a crash


@dataclass(frozen=True, slots=True, kw_only=True)
class ElsewhereHandler:
    """Asks a question again in another department, for the same person, with the same rights, in the same place."""

    store: Store
    inbox: Inbox
    history: History
    channels: Channels

    async def handle(self, item: InboxItem) -> None:
        """Commit the question as a new inbox item, once for each department.

        :raises NotFoundError: the question is gone, somebody else asked it, or the department doesn't answer here.
        """
        await self.store.run(self._ask, item)

    def _ask(self, item: InboxItem) -> None:
        asked_as, _, department = item.payload["about"].partition(":")
        found, asked = self.history.exchange(asked_as), self.inbox.get(item_id(asked_as))
        person, place = person_id(item.payload["user"]), item.payload["channel"]
        if found is None or asked is None or (found.question.place, found.question.person_id) != (place, person):
            raise NotFoundError("This person has no such question.")
        answering = self.channels.get(place).departments
        if department not in found.answer.provenance.elsewhere or (answering and department not in answering):
            raise NotFoundError("This department was not offered, or doesn't answer here any more.")
        self.inbox.accept(_again(asked.item, department))


def _again(asked: InboxItem, department: str) -> InboxItem:
    """Return the item that asks the question of another in a department.

    It counts as a version of the same message, so that it is deleted with it.
    """
    payload, version = {**asked.payload, "department": department}, f"elsewhere:{department}"
    key = f"{asked.dedupe_key}:{version}"
    if asked.kind not in (QUESTION, EDIT):  # a private answer, whose offer is gone
        return replace(
            asked, id=new_id("in"), payload={**payload, "response_url": ""}, dedupe_key=key, message_key=None
        )
    message = version_key(asked.message_key.partition(":edited:")[0], version) if asked.message_key else None
    return replace(
        asked, id=new_id("in"), kind=QUESTION, payload=payload, dedupe_key=key, message_key=message, attempts=0
    )
