"""Agents' grades for answers. Everything here is blocking."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

from sqlalchemy import Text, cast, select

from bot.access.names import require_present
from bot.domain.errors import ConflictError, ForbiddenError, MenteeError, NotFoundError
from bot.domain.feedback import GRADES, RUBRIC, Rating
from bot.domain.people import Person, Role
from bot.feedback.reasons import RATED_CAUSES
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import RatingRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from bot.storage.session import Store


IMPORTED = "import"
"""The channel of questions that an operator brought in."""

NOT_DRAWN = ("none", "courtesy")
"""Sources of answers that don't answer anything."""


class Ratings:
    """The ratings of an instance. Each agent has one for an answer.

    Agents rate blindly: nobody sees another's rating of an answer before giving their own.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(self, rating: Rating) -> None:
        """Store a rating, instead of the person's earlier one.

        A rating of an answer that was drawn at random stays as it was given once somebody else has rated the answer,
        too: its author may have seen theirs since.

        :raises MenteeError: a grade or the cause isn't one of those that there are.
        :raises NotFoundError: there is no such answer.
        :raises ForbiddenError: the person is no agent of its department, or was removed or erased.
        :raises ConflictError: somebody else has rated it meanwhile, so that an earlier rating stays.
        """
        _check(rating)
        with self._store.write() as session:
            require_present(session, rating.person.id, rating.at)
            answer = session.get(AnswerRow, rating.answer_id, with_for_update=True)  # ratings of one answer take turns
            if answer is None:
                raise NotFoundError("This answer no longer exists.", hint="It may have been erased.")
            role = rating.person.role_in(answer.department)
            if not role.includes(Role.AGENT):
                raise ForbiddenError("Only agents of its department can rate this answer.")
            _require_open(session, rating)
            session.merge(
                RatingRow(
                    answer_id=answer.id,
                    person_id=rating.person.id,
                    role=role.value,
                    **rating.grades,
                    cause=rating.cause,
                    sampled=rating.sampled,
                    rubric=rating.rubric,
                    at=rating.at,
                )
            )

    def own(self, answer_id: str, person_id: str) -> Rating | None:
        """Return the person's rating of an answer."""
        with self._store.read() as session:
            row = session.get(RatingRow, (answer_id, person_id))
        return as_rating(row) if row is not None else None

    def seen_by(self, person_id: str, answer_id: str) -> tuple[Rating, ...]:
        """Return the ratings of an answer by others that the person may see, oldest first: none before their own."""
        of_it = select(RatingRow).where(RatingRow.answer_id == answer_id).order_by(RatingRow.at, RatingRow.person_id)
        with self._store.read() as session:
            found = [as_rating(row) for row in session.scalars(of_it)]
        if all(each.person.id != person_id for each in found):
            return ()
        return tuple(each for each in found if each.person.id != person_id)

    def raters(self, answer_ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Return who has rated each of these answers; those that nobody rated are left out."""
        found: dict[str, set[str]] = defaultdict(set)
        rated = select(RatingRow.answer_id, RatingRow.person_id).where(RatingRow.answer_id.in_(answer_ids))
        with self._store.read() as session:
            for answer_id, person_id in session.execute(rated):
                found[answer_id].add(person_id)
        return {answer_id: frozenset(people) for answer_id, people in found.items()}

    def draw(self, department: str, since: datetime, until: datetime, number: int) -> tuple[str, ...]:
        """Return the ids of up to ``number`` answers of a department, drawn at random among those from a time span.

        The same call draws the same answers, so that it can be repeated. Refusals, courtesies, imported answers, and
        answers from files that somebody attached aren't drawn.
        """
        asked = select(AnswerRow.id, AnswerRow.provenance).join(QuestionRow, QuestionRow.id == AnswerRow.question_id)
        asked = asked.where(
            AnswerRow.department == department,
            AnswerRow.created_at >= since,
            AnswerRow.created_at < until,
            AnswerRow.known,
            QuestionRow.channel != IMPORTED,
            cast(QuestionRow.attachments, Text) == "[]",
        )
        with self._store.read() as session:
            found = [row.id for row in session.execute(asked) if row.provenance.get("source") not in NOT_DRAWN]
        return tuple(sorted(found, key=lambda each: hashlib.sha256(each.encode()).digest())[:number])  # ids are random

    def sampled(self, department: str) -> tuple[Rating, ...]:
        """Return the ratings of a department's answers that were drawn at random, oldest first."""
        of_it = select(RatingRow).join(AnswerRow, AnswerRow.id == RatingRow.answer_id)
        of_it = of_it.where(AnswerRow.department == department, RatingRow.sampled)
        with self._store.read() as session:
            return tuple(as_rating(row) for row in session.scalars(of_it.order_by(RatingRow.at, RatingRow.person_id)))


def as_rating(row: RatingRow) -> Rating:
    """Return a recorded rating as a value."""
    return Rating(
        row.answer_id,
        Person(row.person_id, role=Role(row.role)),
        row.correct,
        row.complete,
        row.tone,
        row.format,
        row.cause,
        row.sampled,
        row.rubric,
        row.at,
    )


def _check(rating: Rating) -> None:
    for name, grade in rating.grades.items():
        if grade not in GRADES:
            shown = ", ".join(f"{number} ({word})" for number, word in GRADES.items())
            raise MenteeError(f"The grade for {RUBRIC[name].lower()!r} is {grade!r}. Expected one of {shown}.")
    if rating.cause and rating.cause not in RATED_CAUSES:
        known = ", ".join(map(repr, RATED_CAUSES))
        raise MenteeError(f"The cause is {rating.cause!r:.80}. Expected one of {known}, or none.")


def _require_open(session: Session, rating: Rating) -> None:
    own = session.get(RatingRow, (rating.answer_id, rating.person.id))
    if own is None or not own.sampled:
        return
    others = select(RatingRow.person_id).where(
        RatingRow.answer_id == rating.answer_id, RatingRow.person_id != rating.person.id
    )
    if session.scalar(others.limit(1)) is not None:
        raise ConflictError("Somebody else has rated this answer, too, so your rating stays as it is.")
