"""What App Home and ``/mentee`` show: read from the database with the rights of the one person who looks.

Everything here is blocking: call it in a worker thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, func, select

from bot.errors import NotFoundError
from bot.escalations import open_counts
from bot.messages import Role, now
from bot.store.models import (
    AnswerRow,
    CorrectionRow,
    DocumentRow,
    GenerationRow,
    InboxRow,
    OutboxRow,
    QuestionRow,
    RoundRow,
    VoteRow,
)
from plugins.slack.surfaces.reports import Reported, reported
from retrieval.rights import readable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from bot.app import Mentee
    from bot.escalations import Escalation
    from bot.messages import Audience, Person

RECENT = 5
PROPOSALS = 5
QUEUE_READ = 200
"""Newest answers voted down that are looked at for the queue."""


@dataclass(frozen=True, slots=True)
class Known:
    """A department that the person may ask.

    :param documents: how many documents of it the person may read.
    :param updated: when those documents were last synced into the index; ``None`` where there are none.
    :param addresses: of these documents.
    :param unrestricted: whether the person may read what is no longer there, too: an operator.
    """

    name: str
    title: str
    examples: tuple[str, ...]
    documents: int
    updated: datetime | None
    addresses: frozenset[str]
    unrestricted: bool = False

    def shows(self, citations: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether the person may be told of an answer that names these pages."""
        return self.unrestricted or cites_only(self.addresses, citations)


@dataclass(frozen=True, slots=True)
class Asked:
    """One of the person's own questions. ``department`` is a title, empty where they may no longer ask it."""

    text: str
    department: str
    at: datetime
    known: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """An answer voted down that no agent has corrected. ``proposed``: an employee's correction is to be confirmed."""

    answer_id: str
    question: str
    department: str
    downs: int
    reasons: tuple[str, ...]
    proposed: bool


@dataclass(frozen=True, slots=True)
class Review:
    """An answer as an agent reads it before correcting it. ``proposals`` are employees' corrections."""

    answer_id: str
    question: str
    answer: str
    proposals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """The last tuning round of a department; ``verdict`` is empty while it is under way."""

    department: str
    state: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Health:
    """How the instance does.

    :param waiting: questions and votes that are not handled yet.
    :param oldest_seconds: age of the oldest of them.
    :param undelivered: answers that are not posted yet.
    :param handed: questions that wait for a person, in the departments one may ask.
    :param given_up: messages that failed for good, in and out.
    :param failed_documents: by department title; only those with any.
    :param broken_plugins: names of plugins that did not load or were switched off after failures.
    """

    waiting: int
    oldest_seconds: float
    undelivered: int
    handed: int
    given_up: int
    failed_documents: Mapping[str, int]
    broken_plugins: tuple[str, ...]
    rounds: tuple[Round, ...]
    reported: Reported


@dataclass(frozen=True, slots=True)
class Handed:
    """A question that waits for a person, with the title of its department."""

    escalation: Escalation
    department: str


@dataclass(frozen=True, slots=True)
class Glance:
    """Everything App Home shows one person.

    ``queue`` and ``health`` are for agents and operators, ``handed`` for who takes a department's questions.
    """

    person: Person
    departments: tuple[Known, ...]
    recent: tuple[Asked, ...]
    queue: tuple[Waiting, ...] | None
    health: Health | None
    handed: tuple[Handed, ...] | None


class Overview:
    """Reads what one person may see."""

    def __init__(self, mentee: Mentee) -> None:
        self._mentee = mentee

    def glance(self, person: Person) -> Glance:
        """Return what App Home shows the person."""
        departments = self.departments(self._mentee.departments.audience_of(person))
        agent = person.role.includes(Role.AGENT)
        return Glance(
            person,
            departments,
            self.recent(person, departments),
            self.queue(departments) if agent else None,
            self.health(person, departments) if agent else None,
            self.handed(person, departments),
        )

    def departments(self, audience: Audience) -> tuple[Known, ...]:
        """Return the departments that the audience may ask, by name, with what it may read of each."""
        askable = [each for each in self._mentee.departments.all() if audience.may_read(each.readers)]
        with self._mentee.store.read() as session:
            synced = dict(
                session.execute(
                    select(GenerationRow.department, GenerationRow.created_at).where(GenerationRow.active)
                ).all()
            )
            found = []
            for each in askable:
                addresses = frozenset(readable(session, each.name, audience).values())
                updated = synced.get(each.name) if addresses else None
                parts = (len(addresses), updated, addresses, audience.unrestricted)
                found.append(Known(each.name, each.title, each.examples, *parts))
        return tuple(found)

    def recent(self, person: Person, departments: Sequence[Known]) -> tuple[Asked, ...]:
        """Return the person's own last questions, newest first."""
        titles = {each.name: each.title for each in departments}
        own = (
            select(QuestionRow.text, QuestionRow.department, QuestionRow.asked_at, AnswerRow.known)
            .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
            .where(QuestionRow.person_id == person.id)
            .order_by(QuestionRow.asked_at.desc())
            .limit(RECENT)
        )
        with self._mentee.store.read() as session:
            rows = session.execute(own).all()
        return tuple(Asked(text, titles.get(name, ""), at, known) for text, name, at, known in rows)

    def queue(self, departments: Sequence[Known]) -> tuple[Waiting, ...]:
        """Return the answers that wait for a correction, last voted on first.

        An answer is left out unless every page it names may be read, since its question tells of them. Whose pages are
        gone waits for operators: nobody can tell any more who might read those.
        """
        seen = {each.name: each for each in departments}
        with self._mentee.store.read() as session:
            rows = session.execute(_voted_down(list(seen))).all()
            visible = [row for row in rows if seen[row.department].shows(row.citations)]
            reasons = _reasons(session, [row.id for row in visible])
        return tuple(
            Waiting(row.id, row.text, seen[row.department].title, row.downs, reasons.get(row.id, ()), row.proposed)
            for row in visible
        )

    def handed(self, person: Person, departments: Sequence[Known]) -> tuple[Handed, ...] | None:
        """Return the questions that wait for somebody like this person, oldest first; ``None`` for who takes none."""
        escalations = self._mentee.escalations
        titles = {each.name: each.title for each in departments if escalations.may_resolve(person, each.name)}
        if not titles:
            return None
        return tuple(Handed(each, titles[each.department]) for each in escalations.waiting(titles))

    def review(self, person: Person, answer_id: str) -> Review:
        """Return an answer for an agent to correct.

        :raises NotFoundError: there is none, the person is no agent, or it rests on what they may not read.
        """
        departments = self.departments(self._mentee.departments.audience_of(person))
        seen = {each.name: each for each in departments} if person.role.includes(Role.AGENT) else {}
        asked, answered = (QuestionRow.text.label("question"), QuestionRow.attachments), AnswerRow
        about = select(*asked, answered.text, answered.department, answered.citations)
        with self._mentee.store.read() as session:
            row = session.execute(
                about.join(AnswerRow, AnswerRow.question_id == QuestionRow.id).where(AnswerRow.id == answer_id)
            ).one_or_none()
            proposed = select(CorrectionRow.text).where(CorrectionRow.answer_id == answer_id).order_by(CorrectionRow.at)
            proposals = tuple(session.scalars(proposed.limit(PROPOSALS)))
        known = seen.get(row.department) if row else None
        if row is None or known is None or not known.shows(row.citations):
            raise NotFoundError("There is no such answer to correct.", hint="Open App Home anew.")
        if row.attachments:  # what was made from somebody's file stays with them
            return Review(answer_id, row.question, "", ())
        return Review(answer_id, row.question, row.text, proposals)

    def health(self, person: Person, departments: Sequence[Known]) -> Health:
        """Return how the instance does; documents, plugins and rounds are for operators."""
        operator = person.role.includes(Role.OPERATOR)
        with self._mentee.store.read() as session:
            waiting, oldest = session.execute(
                select(func.count(), func.min(InboxRow.received_at)).where(InboxRow.state.in_(("received", "leased")))
            ).one()
            return Health(
                waiting,
                (now() - oldest).total_seconds() if oldest else 0.0,
                _count(session, OutboxRow, ("pending", "leased")),
                sum(open_counts(session).get(each.name, 0) for each in departments),
                _count(session, InboxRow, ("dead",)) + _count(session, OutboxRow, ("dead",)),
                _failed_documents(session, departments) if operator else {},
                self._broken_plugins() if operator else (),
                _last_rounds(session, departments) if operator else (),
                reported(session, [each.name for each in departments]) if operator else Reported(),
            )

    def _broken_plugins(self) -> tuple[str, ...]:
        plugins = self._mentee.plugins
        running = plugins.states.enabled
        return tuple(sorted(name for name, each in plugins.loaded.items() if each.error or not running(name, None)))


def cites_only(addresses: frozenset[str], citations: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether every page that an answer names is among those that may be read."""
    return all(citation["document"] in addresses for citation in citations)


def _voted_down(departments: list[str]) -> Any:
    down = (
        select(VoteRow.answer_id, func.count().label("downs"), func.max(VoteRow.at).label("last"))
        .where(VoteRow.value == "down")
        .group_by(VoteRow.answer_id)
        .subquery()
    )
    corrected = select(CorrectionRow.id).where(CorrectionRow.answer_id == AnswerRow.id)
    return (
        select(
            QuestionRow.text,
            AnswerRow.id,
            AnswerRow.department,
            AnswerRow.citations,
            down.c.downs,
            corrected.exists().label("proposed"),
        )
        .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
        .join(down, down.c.answer_id == AnswerRow.id)
        .where(
            AnswerRow.department.in_(departments),
            ~corrected.where(CorrectionRow.accepted).exists(),
            cast(QuestionRow.attachments, Text) == "[]",  # what somebody attached is for nobody else
        )
        .order_by(down.c.last.desc())
        .limit(QUEUE_READ)
    )


def _reasons(session: Session, answer_ids: list[str]) -> dict[str, tuple[str, ...]]:
    given = select(VoteRow.answer_id, VoteRow.reason).where(
        VoteRow.answer_id.in_(answer_ids), VoteRow.value == "down", VoteRow.reason != ""
    )
    found: dict[str, tuple[str, ...]] = {}
    for answer_id, reason in session.execute(given.distinct().order_by(VoteRow.answer_id, VoteRow.reason)):
        found[answer_id] = (*found.get(answer_id, ()), reason)
    return found


def _count(session: Session, table: type[InboxRow | OutboxRow], states: Sequence[str]) -> int:
    return session.scalar(select(func.count()).select_from(table).where(table.state.in_(states))) or 0


def _failed_documents(session: Session, departments: Sequence[Known]) -> dict[str, int]:
    failed = select(DocumentRow.department, func.count()).where(DocumentRow.state == "failed")
    counts = dict(session.execute(failed.group_by(DocumentRow.department)).all())
    return {each.title: counts[each.name] for each in departments if each.name in counts}


def _last_rounds(session: Session, departments: Sequence[Known]) -> tuple[Round, ...]:
    found = []
    for each in departments:
        newest = select(RoundRow).where(RoundRow.department == each.name).order_by(RoundRow.created_at.desc())
        row = session.scalar(newest.limit(1))
        if row is not None:
            found.append(Round(each.title, row.state, row.verdict or ""))
    return tuple(found)
