"""What was asked and answered on the web, as the page shows it: each person sees their own and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, select

from bot.messages import Turn
from bot.store.models import AnswerRow, CorrectionRow, DepartmentRow, InboxRow, QuestionRow, VoteRow
from plugins.web.markdown import render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from bot.app import Mentee
    from bot.messages import Answer, Person

LISTED = 50
TITLE_CHARACTERS = 80


class Conversations:
    """Reads conversations of the channel ``web``. Everything here is blocking."""

    def __init__(self, mentee: Mentee) -> None:
        self._store = mentee.store

    def newest(self, person: Person) -> list[dict[str, Any]]:
        """Return the person's conversations, newest first: id, title (its first question) and time."""
        with self._store.read() as session:
            own = select(
                QuestionRow.thread, func.max(QuestionRow.asked_at).label("last"), func.min(QuestionRow.asked_at)
            )
            own = own.where(QuestionRow.person_id == person.id, QuestionRow.channel == "web").group_by(
                QuestionRow.thread
            )
            found = session.execute(own.order_by(func.max(QuestionRow.asked_at).desc()).limit(LISTED)).all()
            return [
                {"id": thread, "title": self._title(session, person, thread, first), "at": last}
                for thread, last, first in found
            ]

    def turns(self, person: Person, conversation: str) -> list[dict[str, Any]]:
        """Return the questions and answers of one of the person's conversations, oldest first."""
        with self._store.read() as session:
            return [
                {"question": {"id": question.id, "text": question.text}, "answer": _stored(session, answer, person)}
                for question, answer in session.execute(_own_turns(person, conversation)).all()
            ]

    def history(self, person: Person, conversation: str, limit: int) -> tuple[Turn, ...]:
        """Return the last turns of one of the person's conversations, oldest first."""
        newest = _own_turns(person, conversation).order_by(None).order_by(QuestionRow.asked_at.desc()).limit(limit)
        with self._store.read() as session:
            rows = session.execute(newest).all()
        return tuple(Turn(question.text, answer.text) for question, answer in reversed(rows))

    def answer_to(self, person: Person, question_id: str) -> dict[str, Any] | None:
        """Return the stored answer to one of the person's questions as the page shows it."""
        own = (
            select(AnswerRow).join(QuestionRow).where(QuestionRow.id == question_id, QuestionRow.person_id == person.id)
        )
        with self._store.read() as session:
            row = session.scalar(own)
            return _stored(session, row, person) if row is not None else None

    def owns_answer(self, person: Person, answer_id: str) -> bool:
        """Return whether the answer was given to this person."""
        own = (
            select(AnswerRow.id).join(QuestionRow).where(AnswerRow.id == answer_id, QuestionRow.person_id == person.id)
        )
        with self._store.read() as session:
            return session.scalar(own) is not None

    def state(self, person: Person, question_id: str) -> Literal["unknown", "waiting", "ended"]:
        """Return how far one of the person's questions is in the inbox."""
        with self._store.read() as session:
            row = session.get(InboxRow, question_id.removeprefix("q_"))
        if row is None or row.channel != "web" or row.payload.get("person") != person.id:
            return "unknown"
        return "waiting" if row.state in ("received", "leased") else "ended"

    def show(self, answer: Answer) -> dict[str, Any]:
        """Return a fresh answer as the page shows it."""
        with self._store.read() as session:
            title = _title_of(session, answer.department)
        citations = [
            {"n": source.n, "document": source.document, "heading": source.heading, "text": source.text}
            for source in answer.citations
        ]
        given = {
            "id": answer.id,
            "question_id": answer.question_id,
            "known": answer.known,
            "department": answer.department,
        }
        return _shown(given, answer.text, title, answer.provenance.source, citations)

    def _title(self, session: Session, person: Person, conversation: str, first: Any) -> str:
        text = session.scalar(
            select(QuestionRow.text)
            .where(
                QuestionRow.person_id == person.id, QuestionRow.thread == conversation, QuestionRow.asked_at == first
            )
            .limit(1)
        )
        return (text or "")[:TITLE_CHARACTERS]


def _own_turns(person: Person, conversation: str) -> Any:
    return (
        select(QuestionRow, AnswerRow)
        .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
        .where(QuestionRow.person_id == person.id, QuestionRow.channel == "web", QuestionRow.thread == conversation)
        .order_by(QuestionRow.asked_at)
    )


def _stored(session: Session, row: AnswerRow, person: Person) -> dict[str, Any]:
    citations = [{key: source.get(key, "") for key in ("n", "document", "heading", "text")} for source in row.citations]
    given = {"id": row.id, "question_id": row.question_id, "known": row.known, "department": row.department}
    title, source = _title_of(session, row.department), row.provenance.get("source", "model")
    shown = _shown(given, row.text, title, source, citations)
    vote = session.get(VoteRow, (row.id, person.id))
    if vote is not None:
        shown["vote"] = {"value": vote.value, "reason": vote.reason, "comment": vote.comment}
    own = select(CorrectionRow.text).where(CorrectionRow.answer_id == row.id, CorrectionRow.person_id == person.id)
    shown["correction"] = session.scalar(own)
    return shown


def _shown(
    given: Mapping[str, Any], text: str, title: str, source: str, citations: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Leave out scores and the rest of the provenance: they would tell about documents that the asker may not read."""
    return {
        **given,
        "text": text,
        "html": render(text),
        "department_title": title,
        "source": source,
        "citations": list(citations),
        "vote": None,
        "correction": None,
    }


def _title_of(session: Session, department: str) -> str:
    row = session.get(DepartmentRow, department)
    return row.title if row is not None else department
