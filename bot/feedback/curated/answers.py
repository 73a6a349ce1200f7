"""Finds curated answers: an agent's correction, given at once to everybody who asks the same."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from sqlalchemy import func, or_, select, update

from bot.access.audit import note_change
from bot.domain.answers import Suggestion
from bot.domain.errors import ConflictError, MenteeError, NotFoundError
from bot.domain.feedback import CORRECTION_CHARS
from bot.domain.identifiers import now
from bot.domain.people import Audience, Basis, bases_from
from bot.feedback.curated.editing import write_version
from bot.storage.tables.answers import AnswerRow
from bot.storage.tables.feedback import CuratedAnswerRow, CuratedVersionRow

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray
    from sqlalchemy import Select, Update
    from sqlalchemy.orm import Session

    from bot.access.departments import Department
    from bot.access.rights import Rights
    from bot.feedback.sameness.comparing import Likeness, Sameness
    from bot.storage.session import Store


CuratedState = Literal["given", "flagged", "withheld", "expired", "retired"]
"""``flagged`` ones are given, too. ``withheld`` ones wait until somebody has checked them."""

COMPARED = 5
"""How many of the nearest questions are compared word by word."""

NEAR = 0.4
"""The cosine from which on a question is compared."""


@dataclass(frozen=True, slots=True)
class CuratedMatch:
    """A curated answer that fits a question.

    :param probability: how sure it is that the two questions are the same.
    :param rests_on: what the corrected answer rests on.
    """

    id: str
    text: str
    question: str
    probability: float
    rests_on: tuple[Basis, ...] = ()

    def as_suggestion(self) -> Suggestion:
        """Return it as it is shown beside another answer."""
        return Suggestion(self.id, self.question, self.text)


@dataclass(frozen=True, slots=True)
class Found:
    """What there is for a question.

    :param answer: the curated answer to the same question.
    :param suggestion: one to a similar question, if there is none to the same.
    """

    answer: CuratedMatch | None = None
    suggestion: CuratedMatch | None = None


@dataclass(frozen=True, slots=True)
class CuratedAnswer:
    """A curated answer.

    :param author: id of the person who wrote the text, or the operator's.
    :param revision: number of the version; the first is 1.
    :param active: whether it is in use, not retired.
    :param flagged_at: since when it waits for a check because somebody voted it down. It is still given.
    :param needs_review: whether a document that it rests on is gone, so that nobody gets it until somebody checks it.
    """

    id: str
    department: str
    question: str
    text: str
    author: str
    revision: int
    active: bool
    created_at: datetime
    edited_at: datetime
    expires_at: datetime | None
    flagged_at: datetime | None
    needs_review: bool

    @property
    def state(self) -> CuratedState:
        """What becomes of it now."""
        if not self.active:
            return "retired"
        if self.expires_at is not None and self.expires_at <= now():
            return "expired"
        if self.needs_review:
            return "withheld"
        return "flagged" if self.flagged_at else "given"


@dataclass(frozen=True, slots=True)
class CuratedVersion:
    """What a curated answer said from one edit to the next."""

    revision: int
    question: str
    text: str
    author: str
    at: datetime


class CuratedAnswers:
    """Finds the curated answer to a question. Everything here is blocking.

    :param embed: returns unit vectors, shape (texts, dimension).
    :param embedder: the name of what computes them; vectors of another embedder are computed again.
    :param sameness: compares questions.
    """

    def __init__(
        self,
        store: Store,
        rights: Rights,
        embed: Callable[[Sequence[str]], NDArray[np.float32]],
        embedder: str,
        sameness: Sameness,
    ) -> None:
        self._store = store
        self._rights = rights
        self._embed = embed
        self._embedder = embedder
        self._sameness = sameness

    def find(self, department: Department, question: str, audience: Audience) -> Found:
        """Return the curated answer to the same question, or one to a similar question.

        Those that the audience may not see are left out before the nearest are compared. Among equals the newest wins.
        """
        rows, vectors = self._with_vectors(department.name, audience)
        if not rows:
            return Found()
        cosines = vectors @ self._embed([question])[0]
        nearest = sorted(range(len(rows)), key=lambda row: (round(float(cosines[row]), 4), row), reverse=True)[
            :COMPARED
        ]
        nearest = [row for row in nearest if cosines[row] >= NEAR]
        others = [rows[row].question for row in nearest]
        alike = self._sameness.compare(question, others, [float(cosines[row]) for row in nearest])
        pairs = [(rows[row], each) for row, each in zip(nearest, alike, strict=True) if not each.excluded]
        row, best = max(pairs, key=lambda pair: round(pair[1].certain, 4), default=(None, None))
        if row is not None and best is not None and _is_same(best, department):
            return Found(_match(row, best.certain))
        row, best = max(pairs, key=lambda pair: round(pair[1].similarity, 4), default=(None, None))
        if row is not None and best is not None and best.similarity >= department.answers.suggestion_threshold:
            return Found(suggestion=_match(row, best.probability))
        return Found()

    def all(self, department: str | None = None, *, retired: bool = False) -> tuple[CuratedAnswer, ...]:
        """Return the curated answers, of one department or of all, oldest first.

        :param retired: also those that were retired.
        """
        query = _select(department)
        with self._store.read() as session:
            rows = list(session.scalars(query if retired else query.where(CuratedAnswerRow.active)))
        gone = self._rights.gone(basis for row in rows for basis in bases_from(row.rests_on))
        return tuple(_value(row, gone) for row in rows)

    def seen_by(
        self, audience: Audience, departments: Collection[str], *, retired: bool = False
    ) -> tuple[CuratedAnswer, ...]:
        """Return the curated answers of these departments that an audience may see, oldest first.

        :param retired: also those that were retired.
        """
        query = _select(None).where(CuratedAnswerRow.department.in_(departments))
        with self._store.read() as session:
            rows = list(session.scalars(query if retired else query.where(CuratedAnswerRow.active)))
        seen = self._rights.sight(audience).each(map(_grounds, rows))
        kept = [row for row, may_see in zip(rows, seen, strict=True) if may_see or audience.unrestricted]
        gone = self._rights.gone(basis for row in kept for basis in bases_from(row.rests_on))
        return tuple(_value(row, gone) for row in kept)

    def uses(self, departments: Collection[str]) -> Mapping[str, int]:
        """Return how many answers repeat each curated answer of these departments; those without any are left out."""
        curated = AnswerRow.provenance["curated"].as_string()
        counted = select(curated, func.count()).where(AnswerRow.department.in_(departments), curated.is_not(None))
        with self._store.read() as session:
            return {name: count for name, count in session.execute(counted.group_by(curated)) if name}

    def get(
        self, curated_id: str, audience: Audience | None = None
    ) -> tuple[CuratedAnswer, tuple[CuratedVersion, ...]]:
        """Return a curated answer and its versions, oldest first.

        :param audience: who sees it; versions based on what they may not read are left out. By default an operator.
        :raises NotFoundError: there is none of that id, or the audience may not see it.
        """
        of_it = select(CuratedVersionRow).where(CuratedVersionRow.curated_id == curated_id)
        with self._store.read() as session:
            row = _get(session, curated_id)
            versions = list(session.scalars(of_it.order_by(CuratedVersionRow.revision)))
        if audience is not None and not audience.unrestricted:
            sight = self._rights.sight(audience)
            if not sight.sees(_grounds(row)):
                raise _none(curated_id)
            grounds = [(Basis(row.department), *bases_from(each.rests_on)) for each in versions]
            versions = [each for each, may_see in zip(versions, sight.each(grounds), strict=True) if may_see]
        return _value(row, self._rights.gone(bases_from(row.rests_on))), tuple(
            CuratedVersion(each.revision, each.question, each.text, each.person_id, each.at) for each in versions
        )

    def conflicts(self, department: Department) -> tuple[tuple[str, str], ...]:
        """Return the pairs of curated answers in use that answer the same question, by id, older first."""
        rows, vectors = self._with_vectors(department.name, Audience(unrestricted=True))
        found = []
        for later in range(1, len(rows)):
            cosines = vectors[:later] @ vectors[later]
            near = [row for row in np.argsort(-cosines)[:COMPARED] if cosines[row] >= NEAR]
            others = [rows[row].question for row in near]
            alike = self._sameness.compare(rows[later].question, others, [float(cosines[row]) for row in near])
            same = (row for row, each in zip(near, alike, strict=True) if _is_same(each, department))
            found += [(rows[row].id, rows[later].id) for row in same]
        return tuple(found)

    def edit(
        self, curated_id: str, *, text: str = "", question: str = "", revision: int | None = None, actor: str
    ) -> CuratedAnswer:
        """Change a curated answer, which is then in use and needs no check because of a vote.

        :param text: the new answer; by default the present one. So is ``question``.
        :param revision: the version that the change was made from.
        :raises NotFoundError: there is none of that id.
        :raises ConflictError: somebody else has changed it since that version.
        :raises MenteeError: the text is too long.
        """
        if max(len(text), len(question)) > CORRECTION_CHARS:
            raise MenteeError(
                f"A curated answer has at most {CORRECTION_CHARS:,} characters; this has "
                f"{max(len(text), len(question)):,}.",
                hint="Shorten it.",
            )
        with self._store.write() as session:
            row = _get(session, curated_id, revision)
            version = CuratedVersionRow(
                question=question.strip() or row.question,
                text=text.strip() or row.text,
                rests_on=row.rests_on,
                person_id=actor,
            )
            write_version(session, row, version)
            note_change(session, actor=actor, action="curated.edit", subject=curated_id)
        return self.get(curated_id)[0]

    def keep(self, curated_id: str, *, revision: int | None = None, actor: str) -> None:
        """Note that somebody has checked a curated answer: votes and documents that are gone no longer count.

        :param revision: the version that they have checked.
        :raises NotFoundError: there is none of that id.
        :raises ConflictError: somebody else has changed it since that version.
        """
        with self._store.read() as session:
            rests_on = bases_from(_get(session, curated_id).rests_on)
        left = self._rights.without_gone(rests_on)
        with self._store.write() as session:
            row = _get(session, curated_id, revision)
            row.rests_on, row.flagged_at = [asdict(basis) for basis in left], None
            note_change(session, actor=actor, action="curated.keep", subject=curated_id)

    def expire(self, curated_id: str, at: datetime | None, *, revision: int | None = None, actor: str) -> None:
        """Give a curated answer only until a moment, or without an end.

        :param revision: the version that is meant.
        :raises NotFoundError: there is none of that id.
        :raises ConflictError: somebody else has changed it since that version.
        """
        with self._store.write() as session:
            _get(session, curated_id, revision).expires_at = at
            detail = {"at": at.isoformat() if at else None}
            note_change(session, actor=actor, action="curated.expire", subject=curated_id, detail=detail)

    def retire(self, curated_id: str, *, revision: int | None = None, actor: str) -> None:
        """Stop giving a curated answer.

        :param revision: the version that is meant.
        :raises NotFoundError: there is none of that id.
        :raises ConflictError: somebody else has changed it since that version.
        """
        with self._store.write() as session:
            _get(session, curated_id, revision).active = False
            note_change(session, actor=actor, action="curated.retire", subject=curated_id)

    def _with_vectors(self, department: str, audience: Audience) -> tuple[list[CuratedAnswerRow], NDArray[np.float32]]:
        """Return active curated answers, oldest first, with unit vectors of their questions, shape (n, dimension)."""
        unexpired = or_(CuratedAnswerRow.expires_at.is_(None), CuratedAnswerRow.expires_at > now())
        with self._store.read() as session:
            active = list(session.scalars(_select(department).where(CuratedAnswerRow.active, unexpired)))
        seen = self._rights.sight(audience).each(_grounds(row) for row in active)
        rows = [row for row, may_see in zip(active, seen, strict=True) if may_see]
        missing = [row for row in rows if row.vector is None or row.embedder != self._embedder]
        if missing:
            fresh = self._embed([row.question for row in missing])
            with self._store.write() as session:
                for row, vector in zip(missing, fresh, strict=True):
                    row.vector, row.embedder = vector.astype(np.float32).tobytes(), self._embedder
                    session.execute(_with_vector(row))
        vectors = [np.frombuffer(row.vector or b"", dtype=np.float32) for row in rows]
        return rows, np.stack(vectors) if vectors else np.zeros((0, 1), dtype=np.float32)


def _with_vector(row: CuratedAnswerRow) -> Update:
    """Return what stores a row's vector, and nothing else of it: it may have been edited or erased meanwhile."""
    same = CuratedAnswerRow.id == row.id, CuratedAnswerRow.question == row.question
    return update(CuratedAnswerRow).where(*same).values(vector=row.vector, embedder=row.embedder)


def _select(department: str | None) -> Select[CuratedAnswerRow]:
    query = select(CuratedAnswerRow)
    if department is not None:
        query = query.where(CuratedAnswerRow.department == department)
    return query.order_by(CuratedAnswerRow.edited_at, CuratedAnswerRow.id)


def _get(session: Session, curated_id: str, revision: int | None = None) -> CuratedAnswerRow:
    row = session.get(CuratedAnswerRow, curated_id, with_for_update=True)
    if row is None:
        raise _none(curated_id)
    if revision is not None and row.revision != revision:
        raise ConflictError(
            f"{curated_id} is at version {row.revision} now, and this change was made from version {revision}.",
            hint=f"Look at it again with `mentee curated show {curated_id}`, then edit that.",
        )
    return row


def _none(curated_id: str) -> NotFoundError:
    return NotFoundError(
        f"There is no curated answer {curated_id!r}.", hint="`mentee curated list --all` lists all curated answers."
    )


def _grounds(row: CuratedAnswerRow) -> tuple[Basis, ...]:
    return (Basis(row.department), *bases_from(row.rests_on))


def _match(row: CuratedAnswerRow, probability: float) -> CuratedMatch:
    return CuratedMatch(row.id, row.text, row.question, probability, bases_from(row.rests_on))


def _is_same(likeness: Likeness, department: Department) -> bool:
    return likeness.certain >= department.answers.curated_threshold


def _value(row: CuratedAnswerRow, gone: Collection[str]) -> CuratedAnswer:
    return CuratedAnswer(
        row.id,
        row.department,
        row.question,
        row.text,
        row.author,
        row.revision,
        row.active,
        row.created_at,
        row.edited_at,
        row.expires_at,
        row.flagged_at,
        needs_review=any(basis.document in gone for basis in bases_from(row.rests_on)),
    )
