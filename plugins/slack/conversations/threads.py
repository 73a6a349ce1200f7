"""What we know of threads, from our own tables: reading them back from Slack is rate limited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from bot.messages import Turn
from bot.store.models import AnswerRow, InboxRow, OutboxRow, QuestionRow, VoteEventRow
from plugins.slack.events import NAME, message_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from bot.store import Store

TURNS = 6
"""Earlier turns of a thread that go along with a question."""

NOTHING_POSTED = ""
"""The reference of a delivery that ended without a message, because silence was the better answer."""


UNDER_WAY = ("received", "leased")
"""States of an inbox row that is not handled yet."""


class Threads:
    """Looks up threads. Blocking: call it in a worker thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ours(self, team: str, channel: str, thread: str, *, reader: str | None = None) -> bool:
        """Return whether we take part in the thread: somebody's question there is answered or still under way.

        Where nothing was posted, because a stray question found nothing, we do not.

        :param reader: the one person who sees the answers, where only they do.
        """
        seen = (thread,) if reader is None else (thread, private_thread(thread, reader))
        asked = (
            select(QuestionRow.id)
            .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
            .join(OutboxRow, OutboxRow.answer_id == AnswerRow.id)
            .where(QuestionRow.channel == NAME, QuestionRow.place == channel, QuestionRow.thread.in_(seen))
            .where(or_(OutboxRow.reference.is_(None), OutboxRow.reference != NOTHING_POSTED))
        )
        with self._store.read() as session:
            root = session.scalar(_taken(message_key(team, channel, thread)))
            return session.scalar(asked.limit(1)) is not None or (root is not None and _took_part(root, reader))

    def knows(self, key: str) -> bool:
        """Return whether the message of that key is one that we took."""
        with self._store.read() as session:
            return session.scalar(_taken(key)) is not None

    def history(self, channel: str, threads: Collection[str], *, before: str) -> tuple[Turn, ...]:
        """Return the last turns of a thread, oldest first, without the question ``before`` itself.

        :param threads: the thread, and those of one reader in it whose turns may be known as well.
        """
        turns = (
            select(QuestionRow.text, AnswerRow.text)
            .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
            .where(
                QuestionRow.channel == NAME,
                QuestionRow.place == channel,
                QuestionRow.thread.in_(threads),
                QuestionRow.id != before,
            )
            .order_by(QuestionRow.asked_at.desc())
            .limit(TURNS)
        )
        with self._store.read() as session:
            rows = session.execute(turns).all()
        return tuple(Turn(question, answer) for question, answer in reversed(rows))

    def was_posted(self, answer_id: str, channel: str) -> bool:
        """Return whether the answer was written for that channel: a vote on it cannot come from anywhere else."""
        return bool(self._addresses(answer_id, channel))

    def thread_of(self, answer_id: str, channel: str) -> str | None:
        """Return the thread of the channel in which an answer stands."""
        return next((address.get("thread_ts") for address in self._addresses(answer_id, channel)), None)

    def _addresses(self, answer_id: str, channel: str) -> list[Mapping[str, Any]]:
        posted = select(OutboxRow.address).where(OutboxRow.channel == NAME, OutboxRow.answer_id == answer_id)
        with self._store.read() as session:
            return [address for address in session.scalars(posted) if address.get("channel") == channel]

    def voted(self, answer_id: str, person_id: str, value: str) -> bool:
        """Return whether the person has ever voted so on the answer."""
        so = select(VoteEventRow.id).where(
            VoteEventRow.answer_id == answer_id, VoteEventRow.person_id == person_id, VoteEventRow.value == value
        )
        with self._store.read() as session:
            return session.scalar(so.limit(1)) is not None

    def answer_of(self, outbox_id: str) -> str | None:
        """Return the answer that a delivery carried."""
        with self._store.read() as session:
            return session.scalar(select(OutboxRow.answer_id).where(OutboxRow.id == outbox_id))


def private_thread(thread: str, user: str, *, own_rights: bool = False) -> str:
    """Return the name under which a thread is kept of which one person alone reads a part.

    What was answered with that person's own rights is kept apart even from what they may share with the channel.
    """
    return f"{thread}:{user}:own" if own_rights else f"{thread}:{user}"


def version_key(key: str, edited: str) -> str:
    """Return the message key of an edited message; ``edited`` is the edit's own ``ts``."""
    return f"{key}:edited:{edited}"


def versions(session: Session, key: str) -> list[InboxRow]:
    """Return what we took of a message, as first written and as edited, oldest first. Reads the whole inbox."""
    of_it = or_(InboxRow.message_key == key, InboxRow.message_key.startswith(version_key(key, ""), autoescape=True))
    return list(session.scalars(select(InboxRow).where(of_it).order_by(InboxRow.received_at, InboxRow.id)))


def _taken(key: str) -> Select[InboxRow]:
    """Return the query for a message as it was first taken; unlike its edits it is found by the index."""
    return select(InboxRow).where(InboxRow.message_key == key)


def _took_part(root: InboxRow, reader: str | None) -> bool:
    """Return whether asking this brought us into its thread, answered or not."""
    shown = reader is None or root.payload.get("user") == reader
    return shown and (root.payload.get("addressed", True) or root.state in UNDER_WAY)
