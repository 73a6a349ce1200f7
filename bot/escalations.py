"""Questions handed to a person: who is told, who may resolve one, and what the asker hears.

One escalation for an answer. It is open until somebody who takes the department's questions resolves it: by a reply, by
a correction, or by closing it. Only ids travel through the outbox: what a reader may see of an escalation is decided
when it is shown to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, select

from bot.errors import ForbiddenError, NotFoundError
from bot.messages import OutboxItem, Person, Role, now
from bot.news import claim
from bot.store.models import AnswerRow, EscalationRow, OutboxRow, PersonRow, QuestionRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from bot.app import Mentee
    from bot.departments import Department

NOTE, REMINDER, END, REPLY = "escalation", "escalation_reminder", "escalation_end", "escalation_reply"
"""Kinds of outbox items: to the department's people, once more, that it is resolved; and to the asker, how it ended.

Each one's payload is ``escalation_id``; the end's also has ``note``, the id of the item that it follows.
"""

PEOPLE = 10
"""At most so many people are told one by one; a department with more has a channel for it."""
REPLY_CHARACTERS = 8_000
SHOWN = 50

Outcome = Literal["replied", "corrected", "closed"]


@dataclass(frozen=True, slots=True)
class Escalation:
    """A question handed to a person.

    :param channel: of the question, with ``place`` and ``thread`` as in :class:`bot.messages.Question`.
    :param opened_by: who asked for a person; others than ``asked_by`` may.
    :param attached: whether it came with files, which are nobody else's.
    :param told: whether anybody could be told.
    :param outcome: empty while it is open.
    :param reply: what the asker was told, empty unless somebody replied or corrected.
    """

    id: str
    answer_id: str
    department: str
    question: str
    answer: str
    citations: tuple[Mapping[str, Any], ...]
    asked_by: str
    channel: str
    place: str
    thread: str
    opened_by: str
    opened_at: datetime
    attached: bool
    told: bool
    outcome: Outcome | Literal[""] = ""
    resolved_by: str = ""
    reply: str = ""


class Escalations:
    """The escalations of one instance. Everything here is blocking."""

    def __init__(self, mentee: Mentee) -> None:
        self._mentee = mentee
        self._store = mentee.store

    def open(self, answer_id: str, person: Person) -> tuple[Escalation, bool]:
        """Hand the question of an answer to the department's people; return it, and whether it is new.

        :raises NotFoundError: there is no such answer, or its department is gone.
        """
        with self._store.read() as session:
            department = self._mentee.departments.get(_answer(session, answer_id).department)
        reached = self._reached(department)
        with self._store.write() as session:
            answer = _answer(session, answer_id, lock=True)  # so that a double click finds the first one's row
            row = session.scalar(select(EscalationRow).where(EscalationRow.answer_id == answer_id))
            if row is not None:
                return _load(session, row), False
            row = EscalationRow(answer_id=answer_id, department=answer.department, opened_by=person.id, notes=[])
            session.add(row)
            session.flush()
            row.notes = self._tell(session, NOTE, row.id, reached)
            return _load(session, row), True

    def resolve(self, escalation_id: str, person: Person, outcome: Outcome, reply: str = "") -> bool:
        """End an escalation and tell everybody concerned; return ``False`` when it has ended before.

        :raises NotFoundError: there is none of that id.
        :raises ForbiddenError: the person takes no questions of its department.
        """
        found = self.get(escalation_id)
        if not self.may_resolve(person, found.department):
            raise ForbiddenError(
                "Only the people who take this department's questions can do that.",
                hint="Reply in the thread; one of them marks the reply.",
            )
        return self._end(found, person, outcome, reply)

    def corrected(self, answer_id: str, person: Person, text: str) -> None:
        """Note that somebody who may correct has corrected the answer: an open escalation of it ends with that."""
        with self._store.read() as session:
            row = session.scalar(select(EscalationRow).where(EscalationRow.answer_id == answer_id))
            found = _load(session, row) if row is not None else None
        if found is not None and not self._end(found, person, "corrected", text):
            with self._store.write() as session:
                session.get_one(EscalationRow, found.id).outcome = "corrected"

    def may_resolve(self, person: Person, department: str) -> bool:
        """Return whether the person takes the department's questions: one of its owners, or an agent who may ask it."""
        try:
            found = self._mentee.departments.get(department)
        except NotFoundError:
            return person.role.includes(Role.OPERATOR)
        if person.id in found.escalations.owners:
            return True
        audience = self._mentee.departments.audience_of(person)
        return person.role.includes(Role.AGENT) and audience.may_read(found.readers)

    def owners(self, department: Department) -> list[str]:
        """Return the ids of who takes the department's questions: those set, else its agents, else the operators."""
        if department.escalations.owners:
            return list(department.escalations.owners)
        for role in (Role.AGENT, Role.OPERATOR):
            with self._store.read() as session:
                query = select(PersonRow.id).where(PersonRow.role == role.value).order_by(PersonRow.id)
                found = [Person(each, role=role) for each in session.scalars(query)]
            able = [each.id for each in found if self.may_resolve(each, department.name)]
            if able:
                return able
        return []

    def get(self, escalation_id: str) -> Escalation:
        """Return an escalation.

        :raises NotFoundError: there is none of that id; it may have gone with its answer.
        """
        with self._store.read() as session:
            row = session.get(EscalationRow, escalation_id)
            if row is None:
                raise NotFoundError("This question is not here any more.", hint="It may have been erased.")
            return _load(session, row)

    def waiting(self, departments: Collection[str]) -> tuple[Escalation, ...]:
        """Return the open escalations of these departments, oldest first."""
        query = _open().where(EscalationRow.department.in_(departments)).order_by(EscalationRow.opened_at)
        with self._store.read() as session:
            return tuple(_load(session, row) for row in session.scalars(query.limit(SHOWN)))

    def of_thread(self, channel: str, place: str, thread: str) -> Escalation | None:
        """Return the open escalation of a question asked in that thread, the newest of several."""
        query = (
            _open()
            .join(AnswerRow, AnswerRow.id == EscalationRow.answer_id)
            .join(QuestionRow, QuestionRow.id == AnswerRow.question_id)
            .where(QuestionRow.channel == channel, QuestionRow.place == place, QuestionRow.thread == thread)
            .order_by(EscalationRow.opened_at.desc())
        )
        with self._store.read() as session:
            row = session.scalar(query.limit(1))
            return _load(session, row) if row is not None else None

    def of_note(self, channel: str, reference: str) -> Escalation | None:
        """Return the escalation that a posted note or reminder tells of, open or not."""
        posted = select(OutboxRow.payload).where(
            OutboxRow.channel == channel, OutboxRow.reference == reference, OutboxRow.kind.in_((NOTE, REMINDER))
        )
        with self._store.read() as session:
            payload = session.scalar(posted.limit(1))
            row = session.get(EscalationRow, payload["escalation_id"]) if payload else None
            return _load(session, row) if row is not None else None

    def any_open(self) -> bool:
        """Return whether any escalation is open."""
        with self._store.read() as session:
            return session.scalar(_open().limit(1)) is not None

    def remind(self) -> int:
        """Tell once more of those that have been open for too long; return how many."""
        reminded = 0
        for department in self._mentee.departments.all():
            hours = department.escalations.remind_hours
            late = _open().where(
                EscalationRow.department == department.name,
                EscalationRow.reminded_at.is_(None),
                EscalationRow.opened_at < now() - timedelta(hours=hours),
            )
            with self._store.read() as session:
                ids = [row.id for row in session.scalars(late.limit(SHOWN))] if hours else []
            for escalation_id in ids:
                reminded += self._remind(escalation_id, self._reached(department))
        return reminded

    def _remind(self, escalation_id: str, reached: Mapping[str, Mapping[str, Any]]) -> bool:
        with self._store.write() as session:
            row = session.get(EscalationRow, escalation_id, with_for_update=True)
            if row is None or row.state != "open" or row.reminded_at is not None:
                return False
            row.reminded_at = now()
            row.notes = [*row.notes, *self._tell(session, REMINDER, row.id, reached)]
            return True

    def _end(self, found: Escalation, person: Person, outcome: Outcome, reply: str) -> bool:
        asker = self._addresses([found.opened_by]) if found.opened_by != person.id else {}
        with self._store.write() as session:
            row = session.get(EscalationRow, found.id, with_for_update=True)
            if row is None or row.state != "open":
                return False
            row.state, row.outcome, row.reply = "resolved", outcome, reply[:REPLY_CHARACTERS]
            row.resolved_by, row.resolved_at = person.id, now()
            notes = session.scalars(select(OutboxRow).where(OutboxRow.id.in_(row.notes), OutboxRow.kind == NOTE)).all()
            for note in notes:
                payload = {"escalation_id": row.id, "note": note.id}
                lane = note.lane.partition(":")[2]
                self._mentee.outbox.add(session, OutboxItem(note.channel, END, note.address, payload), lane=lane)
            self._tell(session, REPLY, row.id, asker)
            if outcome == "corrected":  # who is told the correction needs no news of it
                claim(session, row.opened_by, f"live:{row.answer_id}")
            return True

    def _reached(self, department: Department) -> Mapping[str, Mapping[str, Any]]:
        """Return the addresses of who is to be told, by name."""
        place = department.escalations.channel
        return (self._addresses([place]) if place else {}) or self._addresses(self.owners(department)[:PEOPLE])

    def _addresses(self, targets: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        found = {target: self._mentee.find_address(target) for target in targets}
        return {target: address for target, address in found.items() if address is not None}

    def _tell(
        self, session: Session, kind: str, escalation_id: str, reached: Mapping[str, Mapping[str, Any]]
    ) -> list[str]:
        """Add a delivery for each address and return their ids."""
        ids = []
        for target, address in reached.items():
            channel, _, lane = target.partition(":")
            item = OutboxItem(channel, kind, address, {"escalation_id": escalation_id})
            self._mentee.outbox.add(session, item, lane=lane)
            ids.append(item.id)
        return ids


def open_counts(session: Session) -> dict[str, int]:
    """Return how many escalations are open, by department."""
    query = select(EscalationRow.department, func.count()).where(EscalationRow.state == "open")
    return dict(session.execute(query.group_by(EscalationRow.department)).all())


def posted_notes(session: Session, question_ids: Sequence[str]) -> list[str]:
    """Return the references of posts that repeat these questions to the people who take them."""
    notes = (
        select(EscalationRow.notes)
        .join(AnswerRow, AnswerRow.id == EscalationRow.answer_id)
        .where(AnswerRow.question_id.in_(question_ids))
    )
    ids = [each for found in session.scalars(notes) for each in found]
    posted = select(OutboxRow.reference).where(OutboxRow.id.in_(ids), OutboxRow.reference.is_not(None))
    return [reference for reference in session.scalars(posted) if reference]


def _open() -> Select[EscalationRow]:
    return select(EscalationRow).where(EscalationRow.state == "open")


def _answer(session: Session, answer_id: str, *, lock: bool = False) -> AnswerRow:
    row = session.get(AnswerRow, answer_id, with_for_update=lock or None)
    if row is None:
        raise NotFoundError("This answer is not here any more.", hint="It may have been erased; ask again.")
    return row


def _load(session: Session, row: EscalationRow) -> Escalation:
    answer = session.get_one(AnswerRow, row.answer_id)
    question = session.get_one(QuestionRow, answer.question_id)
    return Escalation(
        row.id,
        row.answer_id,
        row.department,
        question.text,
        answer.text,
        tuple(answer.citations),
        question.person_id,
        question.channel,
        question.place,
        question.thread,
        row.opened_by,
        row.opened_at,
        attached=bool(question.attachments),
        told=bool(row.notes),
        outcome=row.outcome or "",  # type: ignore[arg-type] # the constraint allows these
        resolved_by=row.resolved_by or "",
        reply=row.reply,
    )
