"""Votes and corrections as JSON lines, in and out.

One row: ``{"question", "answer", "vote": "up"|"down"|null, "correction"?, "reason"?, "rating"?, "user", "role"?,
"department", "at"?}``. Importing a file twice changes nothing; a file with one bad row changes nothing either. Ratings
are only exported: an import would vouch for grades that nobody here gave.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_, select

from bot.access.names import is_retired
from bot.access.people import account_id, person_row
from bot.domain.errors import InputFileError
from bot.domain.feedback import GRADES, Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Person, Role
from bot.feedback.quality.ratings import as_rating
from bot.feedback.votes import store_correction, store_vote
from bot.feedback.waiting import overruled, rejected
from bot.storage.jsonl import read_rows
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import CorrectionRow, RatingRow, VoteRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from bot.access.departments import Departments
    from bot.storage.jsonl import Row
    from bot.storage.session import Store

ROLES = (*[role.value for role in Role], None)


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import did. ``unchanged`` rows were there already."""

    rows: int
    votes: int
    corrections: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class _VoteLine:
    question: str
    answer: str
    vote: Any
    correction: str | None
    reason: str
    person: Person
    department: str
    at: datetime

    @property
    def key(self) -> str:
        """Identity of the answer: the same text to the same question in the same department is one answer."""
        identity = f"{self.department}\0{self.question}\0{self.answer}"
        return hashlib.sha256(identity.encode()).hexdigest()[:32]


def import_votes(
    store: Store, departments: Departments, path: Path, *, progress: Callable[[int, int], None] | None = None
) -> ImportSummary:
    """Import a votes file whole, in one transaction.

    :param progress: called with (rows done, rows in all).
    :raises InputFileError: a row cannot be used; the text names the line, and nothing is imported.
    """
    rows = read_rows(path, required=("question", "answer", "user", "department"))
    known = set(departments.names())
    lines = [_line(row, known) for row in rows]
    votes = corrections = unchanged = 0
    with store.write() as session:
        for number, line in enumerate(lines, start=1):
            voted, corrected = _store(session, line)
            votes += voted
            corrections += corrected
            unchanged += not (voted or corrected)
            if progress:
                progress(number, len(lines))
    return ImportSummary(len(lines), votes, corrections, unchanged)


def export_votes(store: Store, departments: Departments, department: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield current votes, corrections and ratings as rows of the same format, oldest answer first.

    What an agent rejected at the desk is left out, because the format has no place for the decision.
    """
    query = select(AnswerRow, QuestionRow.text).join(QuestionRow, QuestionRow.id == AnswerRow.question_id)
    if department is not None:
        query = query.where(AnswerRow.department == departments.get(department).name)
    with store.read() as session:
        for answer, question in session.execute(query.order_by(AnswerRow.created_at, AnswerRow.id)):
            yield from _rows_of(session, answer, question)


def _rows_of(session: Session, answer: AnswerRow, question: str) -> Iterator[dict[str, Any]]:
    voted = select(VoteRow).where(VoteRow.answer_id == answer.id, ~overruled())
    votes = {row.person_id: row for row in session.scalars(voted)}
    own = select(CorrectionRow).where(CorrectionRow.answer_id == answer.id, or_(CorrectionRow.accepted, ~rejected()))
    corrections = {row.person_id: row for row in session.scalars(own)}
    rated = select(RatingRow).where(RatingRow.answer_id == answer.id)
    ratings = {row.person_id: row for row in session.scalars(rated)}
    for person in sorted({*votes, *corrections, *ratings}):
        vote, correction, rating = votes.get(person), corrections.get(person), ratings.get(person)
        newest = max(row.at for row in (vote, correction, rating) if row is not None)
        role = next(row.role for row in (correction, vote, rating) if row is not None)
        row: dict[str, Any] = {"question": question, "answer": answer.text, "vote": vote.value if vote else None}
        row |= {"correction": correction.text} if correction else {}
        row |= {"reason": vote.reason} if vote and vote.reason else {}
        row |= {"rating": _rating(rating)} if rating else {}
        yield {**row, "user": person, "role": role, "department": answer.department, "at": newest.isoformat()}


def _rating(row: RatingRow) -> dict[str, Any]:
    rating = as_rating(row)
    words = {name: GRADES[grade] for name, grade in rating.grades.items()}
    cause = {"cause": rating.cause} if rating.cause else {}
    return {**words, **cause, "sampled": rating.sampled, "rubric": rating.rubric, "at": rating.at.isoformat()}


def _line(row: Row, known: set[str]) -> _VoteLine:
    department = row.text("department")
    if department not in known:
        names = ", ".join(sorted(known)) or "none yet"
        raise InputFileError(
            f"{row.place}: there is no department {department!r}. Departments: {names}.",
            hint=f"Correct the row, or `mentee departments add {department}`.",
        )
    correction = row.optional_text("correction")
    role = row.choice("role", ROLES) or (Role.AGENT if correction else Role.EMPLOYEE)
    user = row.text("user")
    return _VoteLine(
        row.text("question"),
        row.text("answer"),
        row.choice("vote", ("up", "down", None)),
        correction,
        row.optional_text("reason") or "",
        Person(account_id(user) if ":" in user else f"import:{user}", user, Role(role)),
        department,
        _moment(row),
    )


def _moment(row: Row) -> datetime:
    at = row.optional_text("at")
    if at is None:
        return now()
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise InputFileError(
            f'{row.place}: "at" is {at!r}.', hint="Expected a time like 2026-11-22T09:30:00Z."
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _store(session: Session, line: _VoteLine) -> tuple[bool, bool]:
    answer = _answer(session, line)
    if not is_retired(session, line.person.id):
        person_row(
            session, replace(line.person, role=Role.EMPLOYEE)
        )  # a file gives nobody rights, only weight to a vote
    current = session.get(VoteRow, (answer.id, line.person.id))
    voted = line.vote is not None and (current is None or current.value != line.vote)
    if voted:
        store_vote(session, Vote(answer.id, line.person, line.vote, line.reason, at=line.at, reviewed=True))
    if line.correction is None:
        return voted, False
    own = select(CorrectionRow.text).where(
        CorrectionRow.answer_id == answer.id, CorrectionRow.person_id == line.person.id
    )
    corrected = session.scalar(own) != line.correction
    if corrected:
        store_correction(session, answer, Correction(answer.id, line.person, line.correction, line.at, reviewed=True))
    return voted, corrected


def _answer(session: Session, line: _VoteLine) -> AnswerRow:
    answer = session.get(AnswerRow, f"a_{line.key}")
    if answer is not None:
        return answer
    question_id = f"q_{line.key}"
    question = QuestionRow(
        id=question_id,
        text=line.question,
        person_id=line.person.id,
        department=line.department,
        channel="import",
        history=[],
        asked_at=line.at,
    )
    session.add(question)
    session.flush()
    answer = AnswerRow(
        id=f"a_{line.key}",
        question_id=question_id,
        department=line.department,
        text=line.answer,
        citations=[],
        provenance={},
        created_at=line.at,
    )
    session.add(answer)
    session.flush()
    return answer
