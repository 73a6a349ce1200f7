"""Questions that are edited or deleted after we took them.

An edit before the answer is posted: the new text is answered, the old one never. After it: the new text is answered in
the thread, once; the first answer stays as it is, because votes, replies and citations already speak of it.
A deletion: nothing more is posted, what was posted is removed, and the question is erased with all that came of it. So
are the questions of others that consist of the message; where it stands in their histories, it leaves those.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

import structlog

from bot.access import quoted
from bot.access.erasure import erase_questions
from bot.domain.deliveries import delivery_id
from bot.domain.errors import BusyError
from bot.language.words import words
from plugins.slack.client.web_api import GONE, SlackRefusedError, call
from plugins.slack.items import NAME, NOTHING_POSTED, item_id, message_key, private_key, question_id, version_key

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slack_sdk.web.async_client import AsyncWebClient
    from sqlalchemy.orm import Session

    from bot.delivery.inbox import Inbox
    from bot.delivery.outbox import Outbox
    from bot.domain.deliveries import InboxEntry, InboxItem, OutboxEntry, OutboxItem
    from bot.domain.questions import Question
    from bot.feedback.escalations import Escalations
    from bot.storage.history import History
    from bot.storage.session import Store
    from plugins.slack.outbound.posted import PostedMessages

MAX_ANSWERS = 2
"""Of one question, however often it is edited."""
WAIT_SECONDS = 0.5
APPEARING = frozenset({"draft", "pending", "leased"})
"""States of a delivery that is shown in part, or about to be: its worker takes it away, or completes it first."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditHandler:
    """Answers a question anew after an edit.

    :param ask: turns the new text into a question.
    """

    store: Store
    inbox: Inbox
    outbox: Outbox
    history: History
    ask: Callable[[InboxItem], Awaitable[Question | None]]

    async def handle(self, item: InboxItem) -> Question | None:
        """Withdraw what the edit replaces and return the new question, if it is to be answered."""
        return await self.ask(item) if await self.store.run(self._supersede, item) else None

    def _supersede(self, item: InboxItem) -> bool:
        payload = item.payload
        key = message_key(payload["team"], payload["channel"], payload["ts"])
        with self.store.write() as session:
            earlier = [*takewhile(lambda entry: entry.item.id != item.id, _versions(self.inbox, session, key))]
            if not earlier or same_words(earlier[-1].item.payload["text"], payload["text"]):
                return False
            waiting = [each for each in earlier if each.unfinished and self.inbox.finish(session, each.item.id)]
            shown = [each for each in earlier if not self._take_back(session, question_id(each.item.id))]
            return bool(waiting) or len(shown) < MAX_ANSWERS

    def _take_back(self, session: Session, question: str) -> bool:
        """Drop the answer to an earlier version unless somebody may have seen it; return whether nobody has."""
        if not self.history.recorded(session, question):
            return True
        if not all(map(_unseen, self.outbox.of_questions(session, [question]))):
            return False
        self.history.drop(session, question)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionHandler:
    """Removes and erases a deleted question, and what repeats the message in the questions of others.

    :param client: gives the Web API client of the moment.
    """

    store: Store
    inbox: Inbox
    outbox: Outbox
    escalations: Escalations
    messages: PostedMessages
    client: Callable[[], AsyncWebClient]

    async def handle(self, item: InboxItem) -> None:
        """Withdraw what waits, remove what was posted, and erase the question.

        :raises BusyError: its answer is being posted just now, or Slack cannot be reached.
        """
        key = item.payload["key"]
        for delivery in await self.store.run(self._withdraw, key):
            for ts in (await self.messages.of_delivery(delivery)).values():
                await self._remove(delivery.address["channel"], ts)
        for reference in await self.store.run(self._notes, key):
            channel, _, ts = reference.rpartition(":")
            await self._remove(channel, ts)
        await self.store.run(self._erase, key)

    def _withdraw(self, key: str) -> list[OutboxItem]:
        """Let nothing more be answered or posted, and return what was posted where others see it."""
        with self.store.write() as session:
            entries = self._asked(session, key)
            unattended = {delivery_id(question_id(each.item.id)) for each in entries if _unattended(each)}
            for each in entries:
                self.inbox.finish(session, each.item.id)
                payload = {**each.item.payload, "text": "", "files": [], "shared": [], "deleted": True}
                self.inbox.rewrite(session, each.item.id, payload)
            deliveries = self.outbox.of_questions(session, self._questions(session, key))
            open_drafts = [each for each in deliveries if each.state == "draft" and each.item.id in unattended]
            for draft in open_drafts:
                self.outbox.close(session, draft.item.id)  # nobody else will complete or remove it
            for unseen in filter(_unseen, deliveries):
                self.outbox.cancel(session, unseen.item.id)
        shown = [each for each in deliveries if not _unseen(each) and each not in open_drafts]
        if any(each.state in APPEARING for each in shown):
            raise BusyError("The answer to a deleted question is being posted right now.", retry_after=WAIT_SECONDS)
        sent = [each for each in deliveries if each.state == "sent" or each in open_drafts]
        return [each.item for each in sent if _is_public(each)]

    def _notes(self, key: str) -> list[str]:
        """Return where the question was repeated for people who were asked to answer it."""
        with self.store.read() as session:
            questions = self._questions(session, key)
        return self.escalations.posted_notes(questions)

    def _erase(self, key: str) -> None:
        with self.store.write() as session:
            erase_questions(session, self._questions(session, key), actor=NAME)
            quoted.remove_from_histories(session, key)
            for each in self.inbox.holding(session, key):
                forwarded = each.item.payload.get("shared", ())
                kept = [said for said in forwarded if said.get("key") != key]
                if len(kept) < len(forwarded):
                    self.inbox.rewrite(session, each.item.id, {**each.item.payload, "shared": kept})

    def _questions(self, session: Session, key: str) -> list[str]:
        """Return what a message asked and what repeats it, also where retention has removed the inbox item."""
        asked = {question_id(each.item.id) for each in self._asked(session, key)}
        return sorted(asked | {row.id for row in quoted.in_questions(session, key)})

    def _asked(self, session: Session, key: str) -> list[InboxEntry]:
        """Return the versions of a message, what repeats it, and the items that had these answered in private."""
        repeating = [item_id(row.id) for row in quoted.in_questions(session, key)]
        asked = self.inbox.find(session, [key], prefix=version_key(key, ""), ids=repeating)
        private = {private_key(question_id(each.item.id), each.item.payload["user"]) for each in asked}
        known = {each.item.id for each in asked}
        return [*asked, *(each for each in self.inbox.find(session, private) if each.item.id not in known)]

    async def _remove(self, channel: str, ts: str) -> None:
        client = self.client()
        try:
            await call(client.chat_delete, "chat.delete", channel=channel, ts=ts)
        except SlackRefusedError as error:
            if error.name not in GONE:
                log.warning("slack_answer_not_removed", problem=error.text)


def same_words(one: str, other: str) -> bool:
    """Return whether two texts differ in nothing but case, punctuation and spaces."""
    return words(one) == words(other)


def _versions(inbox: Inbox, session: Session, key: str) -> tuple[InboxEntry, ...]:
    """Return what we took of a message, as first written and as edited, oldest first. Reads the whole inbox."""
    return inbox.find(session, [key], prefix=version_key(key, ""))


def _unattended(entry: InboxEntry) -> bool:
    """Return whether no worker is at a question: one that stopped may have left a draft of its answer."""
    return entry.lost or entry.state in ("received", "dead")


def _unseen(delivery: OutboxEntry) -> bool:
    """Return whether nobody can have seen any of a delivery yet."""
    return delivery.state == "pending" and delivery.item.draft is None


def _is_public(delivery: OutboxEntry) -> bool:
    return "user" not in delivery.item.address and delivery.reference != NOTHING_POSTED
