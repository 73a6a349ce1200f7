"""What we know of threads, from our own tables: reading them back from Slack is rate limited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.messages import Turn
from bot.store.models import AnswerRow, InboxRow, OutboxRow, QuestionRow, VoteEventRow
from plugins.slack.events import NAME, message_key

if TYPE_CHECKING:
    from bot.store import Store

TURNS = 6
"""Earlier turns of a thread that go along with a question."""


class Threads:
    """Looks up threads. Blocking: call it in a worker thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def ours(self, team: str, channel: str, thread: str) -> bool:
        """Return whether somebody has asked us something in the thread, answered or still under way."""
        asked = select(QuestionRow.id).where(
            QuestionRow.channel == NAME, QuestionRow.place == channel, QuestionRow.thread == thread
        )
        waiting = select(InboxRow.id).where(InboxRow.message_key == message_key(team, channel, thread))
        with self._store.read() as session:
            return session.scalar(asked.limit(1)) is not None or session.scalar(waiting.limit(1)) is not None

    def history(self, channel: str, thread: str, *, before: str) -> tuple[Turn, ...]:
        """Return the thread's last turns, oldest first, without the question ``before`` itself."""
        turns = (
            select(QuestionRow.text, AnswerRow.text)
            .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
            .where(
                QuestionRow.channel == NAME,
                QuestionRow.place == channel,
                QuestionRow.thread == thread,
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
        posted = select(OutboxRow.address).where(OutboxRow.channel == NAME, OutboxRow.answer_id == answer_id)
        with self._store.read() as session:
            return any(address.get("channel") == channel for address in session.scalars(posted))

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
