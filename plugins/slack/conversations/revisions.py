"""Questions that are edited or deleted after we took them.

An edit before the answer is posted: the new text is answered, the old one never. After it: the new text is answered in
the thread, once; the first answer stays as it is, because votes, replies and citations already speak of it.
A deletion: nothing more is posted, what was posted is removed, and the question is erased with all that came of it.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import or_, select

from bot.erasure import erase_questions
from bot.errors import BusyError
from bot.escalations import posted_notes
from bot.messages import OutboxItem, delivery_id, now
from bot.store.models import AnswerRow, InboxRow, OutboxRow, QuestionRow
from plugins.slack.client import SlackRefusedError, call
from plugins.slack.conversations.arrivals import private_key, same_words
from plugins.slack.conversations.threads import NOTHING_POSTED, UNDER_WAY, versions
from plugins.slack.events import NAME, message_key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from slack_sdk.web.async_client import AsyncWebClient
    from sqlalchemy.orm import Session

    from bot.app import Mentee
    from bot.messages import InboxItem
    from plugins.slack.answers.delivery import Poster

ANSWERS = 2
"""Of one question, however often it is edited."""
WAIT_SECONDS = 0.5
APPEARING = frozenset({"draft", "pending", "leased"})
"""States of a delivery that is shown in part, or about to be: its worker takes it away, or completes it first."""
GONE = frozenset({"message_not_found", "channel_not_found", "is_archived"})

log = structlog.get_logger(__name__)


class Revisions:
    """Honours edits and deletions.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, mentee: Mentee, poster: Poster, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._poster = poster
        self._client = client

    async def supersede(self, item: InboxItem) -> bool:
        """Withdraw what an edit replaces and return whether the new text is to be answered."""
        return await self._mentee.store.run(self._supersede, item)

    async def delete(self, item: InboxItem) -> None:
        """Withdraw, remove and erase a deleted question.

        :raises BusyError: its answer is being posted just now, or Slack cannot be reached.
        """
        posted = await self._mentee.store.run(self._withdraw, item.payload["key"])
        for delivery in posted:
            for ts in await self._poster.posted(delivery):
                await self._remove(delivery.address["channel"], ts)
        for reference in await self._mentee.store.run(self._notes, item.payload["key"]):
            channel, _, ts = reference.rpartition(":")
            await self._remove(channel, ts)
        await self._mentee.store.run(self._erase, item.payload["key"])

    def _supersede(self, item: InboxItem) -> bool:
        payload = item.payload
        key = message_key(payload["team"], payload["channel"], payload["ts"])
        with self._mentee.store.write() as session:
            rows = versions(session, key)
            earlier = list(takewhile(lambda row: row.id != item.id, rows))
            if not earlier or same_words(earlier[-1].payload["text"], payload["text"]):
                return False
            waiting = [row for row in earlier if row.state in UNDER_WAY and self._mentee.inbox.finish(session, row.id)]
            shown = [row for row in earlier if not _take_back(session, row)]
            return bool(waiting) or len(shown) < ANSWERS

    def _withdraw(self, key: str) -> list[OutboxItem]:
        """Let nothing more be answered or posted, and return what was posted where others see it."""
        with self._mentee.store.write() as session:
            rows = _with_private(session, versions(session, key))
            unattended = {delivery_id(_question_id(row)) for row in rows if _unattended(row)}
            for row in rows:
                self._mentee.inbox.finish(session, row.id)
                row.payload = {**row.payload, "text": "", "files": [], "deleted": True}
            deliveries = _deliveries(session, rows)
            for delivery in deliveries:
                if _unseen(delivery):
                    session.delete(delivery)
                elif delivery.state == "draft" and delivery.id in unattended:
                    delivery.state, delivery.sent_at = "sent", now()  # nobody else will complete or remove it
            appearing = any(delivery.state in APPEARING and not _unseen(delivery) for delivery in deliveries)
            posted = [_item(delivery) for delivery in deliveries if delivery.state == "sent" and _public(delivery)]
        if appearing:
            raise BusyError("The answer to a deleted question is appearing just now.", retry_after=WAIT_SECONDS)
        return posted

    def _notes(self, key: str) -> list[str]:
        """Return where the question was repeated for people who were asked to answer it."""
        with self._mentee.store.read() as session:
            return posted_notes(session, [_question_id(row) for row in _with_private(session, versions(session, key))])

    def _erase(self, key: str) -> None:
        with self._mentee.store.write() as session:
            rows = _with_private(session, versions(session, key))
            erase_questions(session, [_question_id(row) for row in rows], actor=NAME)

    async def _remove(self, channel: str, ts: str) -> None:
        client = self._client()
        try:
            await call(client.chat_delete, "chat.delete", channel=channel, ts=ts)
        except SlackRefusedError as error:
            if error.name not in GONE:
                log.warning("slack_answer_not_removed", problem=error.text)


def _with_private(session: Session, rows: Sequence[InboxRow]) -> list[InboxRow]:
    """Return the rows with those by which their asker had them answered in private."""
    keys = [private_key(_question_id(row), row.payload["user"]) for row in rows]
    return [*rows, *session.scalars(select(InboxRow).where(InboxRow.message_key.in_(keys)))]


def _deliveries(session: Session, rows: Sequence[InboxRow]) -> list[OutboxRow]:
    """Return what was, is or will be shown of the answers: drafts as well, which carry no answer yet."""
    questions = [_question_id(row) for row in rows]
    answers = select(AnswerRow.id).where(AnswerRow.question_id.in_(questions))
    shown = or_(OutboxRow.answer_id.in_(answers), OutboxRow.id.in_([delivery_id(name) for name in questions]))
    return list(session.scalars(select(OutboxRow).where(shown)))


def _take_back(session: Session, row: InboxRow) -> bool:
    """Erase the answer to an earlier version unless somebody may have seen it; return whether nobody has."""
    question = session.get(QuestionRow, _question_id(row))
    if question is None:
        return True
    if not all(map(_unseen, _deliveries(session, [row]))):
        return False
    session.delete(question)
    return True


def _unattended(row: InboxRow) -> bool:
    """Return whether no worker is at a question: one that stopped may have left a draft of its answer."""
    lost = row.state == "leased" and row.leased_until is not None and row.leased_until < now()
    return lost or row.state in ("received", "dead")


def _unseen(delivery: OutboxRow) -> bool:
    """Return whether nobody can have seen any of a delivery yet."""
    return delivery.state == "pending" and delivery.draft is None


def _public(delivery: OutboxRow) -> bool:
    return "user" not in delivery.address and delivery.reference != NOTHING_POSTED


def _item(row: OutboxRow) -> OutboxItem:
    return OutboxItem(row.channel, row.kind, row.address, row.payload, row.id, row.answer_id, row.attempts)


def _question_id(row: InboxRow) -> str:
    return f"q_{row.id}"
