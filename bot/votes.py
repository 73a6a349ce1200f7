"""Votes, corrections and the curated answers they become.

One current vote per person and answer, with every change kept. A correction by an agent is live at once as a curated
answer for questions that mean the same; an employee's waits for an agent to accept it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import func, select

from bot.errors import MenteeError, NotFoundError
from bot.messages import Answer, Citation, Person, Role, Vote, now
from bot.store.models import AnswerRow, CorrectionRow, CuratedAnswerRow, QuestionRow, VoteEventRow, VoteRow

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from bot.app import Mentee
    from bot.departments import Department
    from bot.messages import Correction

CORRECTION_CHARS = 8_000


@dataclass(frozen=True, slots=True)
class CuratedMatch:
    """A curated answer that fits a question; ``similarity`` is the cosine of the two questions."""

    id: str
    text: str
    question: str
    similarity: float


class Votes:
    """The feedback of one instance."""

    def __init__(self, mentee: Mentee) -> None:
        self._mentee = mentee

    def record(self, vote: Vote) -> None:
        """Make this the person's current vote; ``value=None`` takes an earlier one back.

        :raises NotFoundError: there is no such answer.
        """
        with self._mentee.store.write() as session:
            row = _answer(session, vote.answer_id)
            store_vote(session, vote)
            answer = _as_answer(row)
        self._tell("on_vote_recorded", answer, vote=vote)

    def current(self, answer_id: str, person_id: str) -> Vote | None:
        """Return the person's current vote on the answer."""
        with self._mentee.store.read() as session:
            row = session.get(VoteRow, (answer_id, person_id))
        if row is None:
            return None
        value = "up" if row.value == "up" else "down"
        return Vote(answer_id, Person(person_id, role=Role(row.role)), value, row.reason, row.comment, row.at)  # type: ignore[arg-type] # the constraint allows these two

    def correct(self, correction: Correction) -> bool:
        """Record what would have been right; return whether it is live as a curated answer at once.

        The corrected answer also counts as voted down by the person who corrected it. An agent's correction ends an
        open escalation of the answer.

        :raises NotFoundError: there is no such answer.
        :raises MenteeError: the text is empty or too long.
        """
        length = len(correction.text.strip())
        if not 0 < length <= CORRECTION_CHARS:
            raise MenteeError(
                f"A correction has 1 to {CORRECTION_CHARS:,} characters; this one has {length:,}.",
                hint="Write what would have been the right answer.",
            )
        with self._mentee.store.write() as session:
            row = _answer(session, correction.answer_id)
            live = store_correction(session, row, correction)
            if session.get(VoteRow, (correction.answer_id, correction.person.id)) is None:
                store_vote(session, Vote(correction.answer_id, correction.person, "down", "wrong", at=correction.at))
            answer = _as_answer(row)
        if correction.person.role.includes(Role.AGENT):
            self._mentee.escalations.corrected(correction.answer_id, correction.person, correction.text.strip())
        self._tell("on_correction_recorded", answer, correction=correction)
        return live

    def curated(self, department: Department, question: str) -> CuratedMatch | None:
        """Return the curated answer whose question means the same, if any is near enough.

        Questions that name different numbers ("floor 3", "floor 4") never mean the same, however near they are. The
        newest wins among equals, so a later correction replaces an earlier one.
        """
        rows, vectors = self._curated_vectors(department.name)
        if not rows:
            return None
        asked = self._mentee.retriever.embed([question])[0]
        numbers = _numbers(question)
        similarities = np.where([_numbers(row.question) == numbers for row in rows], vectors @ asked, -1.0)
        best = int(np.lexsort((np.arange(len(rows)), similarities.round(4)))[-1])
        if similarities[best] < department.answers.curated_threshold:
            return None
        return CuratedMatch(rows[best].id, rows[best].text, rows[best].question, float(similarities[best]))

    def _curated_vectors(self, department: str) -> tuple[list[CuratedAnswerRow], NDArray[np.float32]]:
        """Return active curated answers, oldest first, with unit vectors of their questions, shape (n, dimension)."""
        embedder = self._mentee.settings.model.embedder
        query = (
            select(CuratedAnswerRow)
            .where(CuratedAnswerRow.department == department, CuratedAnswerRow.active)
            .order_by(CuratedAnswerRow.created_at, CuratedAnswerRow.id)
        )
        with self._mentee.store.read() as session:
            rows = list(session.scalars(query))
        missing = [row for row in rows if row.vector is None or row.embedder != embedder]
        if missing:
            fresh = self._mentee.retriever.embed([row.question for row in missing])
            with self._mentee.store.write() as session:
                for row, vector in zip(missing, fresh, strict=True):
                    row.vector, row.embedder = vector.astype(np.float32).tobytes(), embedder
                    session.merge(row)
        vectors = [np.frombuffer(row.vector or b"", dtype=np.float32) for row in rows]
        return rows, np.stack(vectors) if vectors else np.zeros((0, 1), dtype=np.float32)

    def _tell(self, hook: str, answer: Answer, **given: Vote | Correction) -> None:
        list(self._mentee.plugins.values(hook, answer.department, answer=answer, **given))


def store_vote(session: Session, vote: Vote) -> None:
    """Write a vote and its history inside the caller's transaction.

    Deliveries may be handled in another order than they happened: the latest act is the current vote. The same thumb
    once more, without a word, leaves the reason that was given with it.
    """
    role = vote.person.role.value
    # Votes on one answer take turns, or two handled at once on PostgreSQL would each miss the other.
    session.execute(select(AnswerRow.id).where(AnswerRow.id == vote.answer_id).with_for_update())
    own = (VoteEventRow.answer_id == vote.answer_id, VoteEventRow.person_id == vote.person.id)
    latest = session.scalar(select(func.max(VoteEventRow.at)).where(*own))
    values = {
        "answer_id": vote.answer_id,
        "person_id": vote.person.id,
        "role": role,
        "value": vote.value,
        "reason": vote.reason,
        "comment": vote.comment,
        "at": vote.at,
    }
    session.add(VoteEventRow(**values))
    row = session.get(VoteRow, (vote.answer_id, vote.person.id), with_for_update=True)
    if latest is not None and latest > vote.at:
        session.flush()
    elif vote.value is None:
        if row is not None:
            session.delete(row)
    elif row is None:
        session.add(VoteRow(**values))
    else:
        if vote.value != row.value or vote.reason or vote.comment:
            row.reason, row.comment = vote.reason, vote.comment
        row.value, row.role, row.at = vote.value, role, vote.at
    session.flush()


def store_correction(session: Session, answer: AnswerRow, correction: Correction) -> bool:
    """Write a correction inside the caller's transaction; return whether it is live as a curated answer.

    What was answered from somebody's attachment is right for that one question alone.
    """
    question = session.get_one(QuestionRow, answer.question_id)
    accepted = correction.person.role.includes(Role.AGENT) and not question.attachments
    text = correction.text.strip()
    own = select(CorrectionRow).where(
        CorrectionRow.answer_id == answer.id, CorrectionRow.person_id == correction.person.id
    )
    row = session.scalar(own) or CorrectionRow(answer_id=answer.id, person_id=correction.person.id)
    row.text, row.role, row.accepted, row.at = text, correction.person.role.value, accepted, correction.at
    session.add(row)
    session.flush()
    if accepted:
        _curate(session, answer, question, row)
    return accepted


def _curate(session: Session, answer: AnswerRow, question: QuestionRow, correction: CorrectionRow) -> None:
    asked = " ".join(turn["question"] for turn in question.history[-1:]) if question.history else ""
    row = session.scalar(select(CuratedAnswerRow).where(CuratedAnswerRow.correction_id == correction.id))
    row = row or CuratedAnswerRow(correction_id=correction.id, department=answer.department)
    row.question = f"{asked} {question.text}".strip()
    row.text, row.active, row.created_at = correction.text, True, now()
    row.vector = None
    session.add(row)


def _numbers(question: str) -> set[str]:
    return set(re.findall(r"\d+", question))


def _answer(session: Session, answer_id: str) -> AnswerRow:
    row = session.get(AnswerRow, answer_id)
    if row is None:
        raise NotFoundError(f"There is no answer {answer_id!r}.", hint="It may have been erased; ask again.")
    return row


def _as_answer(row: AnswerRow) -> Answer:
    citations = tuple(Citation(**citation) for citation in row.citations)
    return Answer(row.question_id, row.text, row.known, row.department, citations, id=row.id)
