"""Escalations: questions handed to a person. Who is notified, who may resolve one, and what the asker is told.

One escalation for an answer. It is open until somebody who takes the department's questions resolves it: by a reply, by
a correction, or by closing it. Only ids travel through the outbox: what a reader may see of an escalation is decided
when it is shown to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import func, or_, select

from bot.access.names import require_present
from bot.access.people import stored_person
from bot.domain.deliveries import OutboxItem
from bot.domain.errors import ForbiddenError, NotFoundError
from bot.domain.identifiers import now
from bot.domain.people import Basis, Person, Role, bases_from
from bot.feedback.notifications import claim
from bot.storage.tables.access import DepartmentRoleRow, PersonRow
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.delivery import OutboxRow
from bot.storage.tables.feedback import EscalationRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from bot.access.departments import Department, Departments
    from bot.delivery.outbox import Outbox
    from bot.delivery.recipients import Recipients
    from bot.storage.session import Store

NOTE, REMINDER, END, REPLY = "escalation", "escalation_reminder", "escalation_end", "escalation_reply"
"""Kinds of outbox items: to the department's people, once more, that it is resolved; and to the asker, how it ended.

Each one's payload is ``escalation_id``; the end's also has ``note``, the id of the item that it follows.
"""

WITHDRAWAL = "escalation_withdrawal"
"""Kind of outbox items that remove a note or a reminder, whose question was erased. Payload: ``note``, its id."""

PEOPLE = 10
"""People notified one by one, at most; a larger department should have a channel for it."""
REPLY_CHARACTERS = 8_000
SHOWN = 50
JUST = timedelta(minutes=10)
"""For this long after an escalation ends, whoever acts on it is told that it is already resolved."""

Outcome = Literal["replied", "corrected", "closed"]


@dataclass(frozen=True, slots=True)
class Escalation:
    """A question handed to a person.

    :param channel: of the question, with ``place`` and ``thread`` as in :class:`bot.domain.questions.Question`.
    :param opened_by: who asked for a person; others than ``asked_by`` may.
    :param attached: whether it came with files, which are nobody else's.
    :param rests_on: what the answer rests on.
    :param told: whether anybody could be notified.
    :param outcome: empty while it is open.
    :param reply: what the asker was told, empty unless somebody replied or corrected, or after that person's erasure.
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
    rests_on: tuple[Basis, ...] = ()
    outcome: Outcome | Literal[""] = ""
    resolved_by: str = ""
    resolved_at: datetime | None = None
    reply: str = ""


class Escalations:
    """The escalations of an instance. Everything here is blocking."""

    def __init__(self, store: Store, departments: Departments, outbox: Outbox, recipients: Recipients) -> None:
        self._store = store
        self._departments = departments
        self._outbox = outbox
        self._recipients = recipients

    def open(self, answer_id: str, person: Person) -> tuple[Escalation, bool]:
        """Hand an answer's question to the department's people; return the escalation, and whether it is new.

        :raises NotFoundError: there is no such answer, or its department is gone.
        """
        with self._store.read() as session:
            department = self._departments.get(_answer(session, answer_id).department)
        reached = self._reached(department)
        with self._store.write() as session:
            answer = _answer(session, answer_id, lock=True)  # so that a double click finds the first one's row
            row = session.scalar(select(EscalationRow).where(EscalationRow.answer_id == answer_id))
            if row is not None:
                return _load(session, row), False
            row = EscalationRow(answer_id=answer_id, department=answer.department, opened_by=person.id, notes=[])
            session.add(row)
            session.flush()
            row.notes = self._recipients.send(session, NOTE, reached, {"escalation_id": row.id})
            return _load(session, row), True

    def resolve(self, escalation_id: str, person: Person, outcome: Outcome, reply: str = "") -> bool:
        """Resolve an escalation and notify everyone concerned; return ``False`` if it was already resolved.

        :raises NotFoundError: there is none of that id.
        :raises ForbiddenError: the person doesn't handle questions of its department, or was just removed or erased.
        """
        found = self.get(escalation_id)
        if not self.may_resolve(person, found.department):
            raise ForbiddenError(
                "Only people who handle this department's questions can do that.",
                hint="Reply in the thread; one of them can mark your reply.",
            )
        return self._end(found, person, outcome, reply)

    def corrected(self, answer_id: str, person: Person, text: str) -> None:
        """Resolve an open escalation of the answer, because an agent has corrected it."""
        with self._store.read() as session:
            row = session.scalar(select(EscalationRow).where(EscalationRow.answer_id == answer_id))
            found = _load(session, row) if row is not None else None
        if found is not None and not self._end(found, person, "corrected", text):
            with self._store.write() as session:
                session.get_one(EscalationRow, found.id).outcome = "corrected"

    def may_resolve(self, person: Person, department: str) -> bool:
        """Return whether the person handles the department's questions: an owner, or an agent who may ask it."""
        try:
            found = self._departments.get(department)
        except NotFoundError:
            return person.role.includes(Role.OPERATOR)
        if person.id in found.escalations.owners:
            return True
        audience = self._departments.audience_of(person)
        return person.role_in(department).includes(Role.AGENT) and audience.may_read(found.readers)

    def owners(self, department: Department) -> list[str]:
        """Return who handles the department's questions: the configured owners, else its agents, else the operators."""
        return list(department.escalations.owners) or self._agents(department.name)

    def is_handled(self, department: str, *, at_desk: bool) -> bool:
        """Return whether anybody gets the department's questions, in a channel or at the desk.

        :param at_desk: whether agents have a page on which open escalations wait for them.
        """
        try:
            found = self._departments.get(department)
        except NotFoundError:
            return False
        return (at_desk and bool(self._agents(department))) or bool(self._reached(found))

    def get(self, escalation_id: str) -> Escalation:
        """Return an escalation.

        :raises NotFoundError: there is none of that id; it may have gone with its answer.
        """
        with self._store.read() as session:
            row = session.get(EscalationRow, escalation_id)
            if row is None:
                raise NotFoundError("This question no longer exists.", hint="It may have been erased.")
            return _load(session, row)

    def of_answers(self, answer_ids: Collection[str]) -> dict[str, Escalation]:
        """Return the escalations of those answers that have one, open or not, by answer."""
        query = select(EscalationRow).where(EscalationRow.answer_id.in_(answer_ids))
        with self._store.read() as session:
            return {row.answer_id: _load(session, row) for row in session.scalars(query)}

    def waiting(self, departments: Collection[str]) -> tuple[Escalation, ...]:
        """Return the open escalations of these departments, oldest first."""
        query = _open().where(EscalationRow.department.in_(departments)).order_by(EscalationRow.opened_at)
        with self._store.read() as session:
            return tuple(_load(session, row) for row in session.scalars(query.limit(SHOWN)))

    def of_thread(self, channel: str, place: str, thread: str, *, ended: bool = False) -> Escalation | None:
        """Return the open escalation of a question asked in that thread, the newest of several.

        :param ended: whether one that has just ended counts, if none is open.
        """
        query = (
            (_open_or_just_ended() if ended else _open())
            .join(AnswerRow, AnswerRow.id == EscalationRow.answer_id)
            .join(QuestionRow, QuestionRow.id == AnswerRow.question_id)
            .where(QuestionRow.channel == channel, QuestionRow.place == place, QuestionRow.thread == thread)
            .order_by(EscalationRow.state != "open", EscalationRow.opened_at.desc())
        )
        with self._store.read() as session:
            row = session.scalar(query.limit(1))
            return _load(session, row) if row is not None else None

    def of_note(self, channel: str, reference: str) -> Escalation | None:
        """Return the escalation of a posted note or reminder, open or not."""
        posted = select(OutboxRow.payload).where(
            OutboxRow.channel == channel, OutboxRow.reference == reference, OutboxRow.kind.in_((NOTE, REMINDER))
        )
        with self._store.read() as session:
            payload = session.scalar(posted.limit(1))
            row = session.get(EscalationRow, payload["escalation_id"]) if payload else None
            return _load(session, row) if row is not None else None

    def open_counts(self) -> dict[str, int]:
        """Return how many escalations are open, by department."""
        query = select(EscalationRow.department, func.count()).where(EscalationRow.state == "open")
        with self._store.read() as session:
            return dict(session.execute(query.group_by(EscalationRow.department)).all())

    def posted_notes(self, question_ids: Collection[str]) -> list[str]:
        """Return the references of posts that show these questions to the department's people."""
        with self._store.read() as session:
            return [note.reference for note in _notes(session, question_ids) if note.reference]

    def withdraw(self, session: Session, question_ids: Collection[str]) -> None:
        """Remove what shows these questions to the department's people, in the transaction that erases them."""
        for note in _notes(session, question_ids):
            self._follow(session, note, WITHDRAWAL, {"note": note.id})

    def any_current(self) -> bool:
        """Return whether any escalation is open, or has just ended."""
        with self._store.read() as session:
            return session.scalar(_open_or_just_ended().limit(1)) is not None

    def remind(self) -> int:
        """Send a reminder for escalations that have been open too long; return how many."""
        reminded = 0
        for department in self._departments.all():
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
            row.notes = [*row.notes, *self._recipients.send(session, REMINDER, reached, {"escalation_id": row.id})]
            return True

    def _end(self, found: Escalation, person: Person, outcome: Outcome, reply: str) -> bool:
        asker = self._recipients.addresses([found.opened_by]) if found.opened_by != person.id else {}
        at = now()
        with self._store.write() as session:
            require_present(session, person.id, at)
            row = session.get(EscalationRow, found.id, with_for_update=True)
            if row is None or row.state != "open":
                return False
            row.state, row.outcome, row.reply = "resolved", outcome, reply[:REPLY_CHARACTERS]
            row.resolved_by, row.resolved_at = person.id, at
            notes = session.scalars(select(OutboxRow).where(OutboxRow.id.in_(row.notes), OutboxRow.kind == NOTE)).all()
            for note in notes:
                self._follow(session, note, END, {"escalation_id": row.id, "note": note.id})
            self._recipients.send(session, REPLY, asker, {"escalation_id": row.id})
            if outcome == "corrected":  # whoever is told the correction needs no notification of it
                claim(session, row.opened_by, f"live:{row.answer_id}")
            return True

    def _follow(self, session: Session, note: OutboxRow, kind: str, payload: Mapping[str, Any]) -> None:
        """Add what goes where a note went, after it."""
        item = OutboxItem(note.channel, kind, note.address, payload)
        self._outbox.add(session, item, lane=note.lane.partition(":")[2])

    def _agents(self, department: str) -> list[str]:
        """Return the department's agents who may ask it; if there are none, such operators."""
        for role in (Role.AGENT, Role.OPERATOR):
            with self._store.read() as session:
                there = select(DepartmentRoleRow.person_id).where(
                    DepartmentRoleRow.department == department, DepartmentRoleRow.role == role.value
                )
                having = or_(PersonRow.role == role.value, PersonRow.id.in_(there))
                rows = session.scalars(select(PersonRow).where(having).order_by(PersonRow.id)).all()
                found = [stored_person(session, row) for row in rows]
            able = [each.id for each in found if self.may_resolve(each, department)]
            if able:
                return able
        return []

    def _reached(self, department: Department) -> Mapping[str, Mapping[str, Any]]:
        """Return the addresses of the people to notify, by name."""
        place = department.escalations.channel
        reached = self._recipients.addresses([place]) if place else {}
        return reached or self._recipients.addresses(self.owners(department)[:PEOPLE])


def _open() -> Select[EscalationRow]:
    return select(EscalationRow).where(EscalationRow.state == "open")


def _open_or_just_ended() -> Select[EscalationRow]:
    just_ended = EscalationRow.resolved_at > now() - JUST
    return select(EscalationRow).where(or_(EscalationRow.state == "open", just_ended))


def _notes(session: Session, question_ids: Collection[str]) -> Sequence[OutboxRow]:
    """Return the notes and reminders about these questions."""
    found = (
        select(EscalationRow.notes)
        .join(AnswerRow, AnswerRow.id == EscalationRow.answer_id)
        .where(AnswerRow.question_id.in_(question_ids))
    )
    ids = [each for notes in session.scalars(found) for each in notes]
    return session.scalars(select(OutboxRow).where(OutboxRow.id.in_(ids))).all()


def _answer(session: Session, answer_id: str, *, lock: bool = False) -> AnswerRow:
    row = session.get(AnswerRow, answer_id, with_for_update=lock or None)
    if row is None:
        raise NotFoundError("This answer no longer exists.", hint="It may have been erased. Ask again.")
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
        rests_on=bases_from(answer.rests_on),
        outcome=row.outcome or "",  # type: ignore[arg-type] # the constraint allows these
        resolved_by=row.resolved_by or "",
        resolved_at=row.resolved_at,
        reply=row.reply,
    )
