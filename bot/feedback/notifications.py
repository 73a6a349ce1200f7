"""Tells people what became of their feedback: an answer is corrected, a proposal is decided, a round learned from it.

What to tell is found in the database, not heard from hooks: it doesn't matter which process corrected or promoted, or
whether it ended right after. The table of notifications makes sure that each thing is told once. Who may still see
which question is decided when a message is shown.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from bot.access.people import person_row
from bot.domain.identifiers import now
from bot.domain.people import Person
from bot.feedback.waiting import judgement_of_own
from bot.storage.tables.access import PersonRow
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import (
    CorrectionRow,
    CuratedAnswerRow,
    CuratedVersionRow,
    NotificationRow,
    RejectionRow,
    VoteRow,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from bot.access.departments import Departments
    from bot.delivery.recipients import Recipients
    from bot.storage.session import Store

NOTIFICATION = "notification"
"""Kind of outbox items. Payload: ``what`` (see ``tell_…``), ``answers`` (ids), ``adapter``, ``person``."""

DAYS = 14
"""Nothing older is sent, so that turning the setting on doesn't notify about last year."""
AT_ONCE = 200
"""Votes handled per turn; the next turn continues."""


class Notifications:
    """The notifications of an instance. Everything here is blocking."""

    def __init__(self, store: Store, departments: Departments, recipients: Recipients) -> None:
        self._store = store
        self._departments = departments
        self._recipients = recipients

    def switch(self, person_id: str, *, on: bool) -> None:
        """Turn a person's notifications on or off."""
        with self._store.write() as session:
            person_row(session, Person(person_id)).notifications = on

    def tell(self) -> None:
        """Send everything that agents' decisions give reason to."""
        self.tell_decided()
        self.tell_live()

    def tell_decided(self) -> None:
        """Tell people what agents decided about their proposals, where they proposed them, once per decision.

        They aren't told once more that the answer which they found wrong is corrected.
        """
        decided = self._decided()
        if not decided:
            return
        reached = self._addresses({person for person, *_ in decided})
        silent = self._silent_departments()
        with self._store.write() as session:
            for person, answer_id, department, correction_id in decided:
                judged = judgement_of_own(session, answer_id, person)
                if judged is None or not claim(session, person, _decided(correction_id, judged.at)):
                    continue
                if judged.outcome == "corrected":
                    claim(session, person, f"live:{answer_id}")
                if department not in silent:
                    self._add(session, person, reached, {"what": "decided", "answers": [answer_id], "adapter": ""})

    def tell_live(self) -> None:
        """Tell people who voted an answer down that an agent's correction replaces it, once per answer."""
        voted = self._corrected()
        if not voted:
            return
        reached = self._addresses({person for person, _, _ in voted})
        silent = self._silent_departments()
        with self._store.write() as session:
            answers: dict[str, list[str]] = defaultdict(list)
            for person, answer_id, department in voted:
                if claim(session, person, f"live:{answer_id}") and department not in silent:
                    answers[person].append(answer_id)
            for person, ids in answers.items():
                self._add(session, person, reached, {"what": "live", "answers": ids, "adapter": ""})

    def tell_learned(
        self, round_id: str, department: str, adapter: str, answers: Mapping[str, Collection[str]]
    ) -> None:
        """Tell people that a round learned from their feedback, in one message each and once per round.

        :param adapter: what the round made of it.
        :param answers: by person, the ids of the answers that their feedback was about.
        """
        reached = self._addresses(answers)
        silent = department in self._silent_departments()
        with self._store.write() as session:
            if not claim(session, "", _learned(round_id)) or silent:
                return
            for person, ids in sorted(answers.items()):
                self._add(session, person, reached, {"what": "learned", "answers": sorted(ids), "adapter": adapter})

    def not_told(self, round_ids: Collection[str]) -> set[str]:
        """Return those of the rounds that :meth:`tell_learned` was not called for yet."""
        told = select(NotificationRow.subject).where(
            NotificationRow.person_id == "", NotificationRow.subject.in_([_learned(each) for each in round_ids])
        )
        with self._store.read() as session:
            known = set(session.scalars(told))
        return {each for each in round_ids if _learned(each) not in known}

    def _corrected(self) -> list[tuple[str, str, str]]:
        """Return person, answer and department of votes down whose correction is live but not notified yet."""
        told = select(NotificationRow.subject).where(
            NotificationRow.person_id == VoteRow.person_id, NotificationRow.subject == "live:" + VoteRow.answer_id
        )
        query = (
            select(VoteRow.person_id, VoteRow.answer_id, AnswerRow.department)
            .join(AnswerRow, AnswerRow.id == VoteRow.answer_id)
            .join(CorrectionRow, CorrectionRow.answer_id == VoteRow.answer_id)
            .join(CuratedVersionRow, CuratedVersionRow.correction_id == CorrectionRow.id)
            .join(CuratedAnswerRow, CuratedAnswerRow.id == CuratedVersionRow.curated_id)
            .where(
                VoteRow.value == "down",
                VoteRow.person_id != CorrectionRow.person_id,
                CuratedAnswerRow.active,
                CorrectionRow.at > now() - timedelta(days=DAYS),
                ~told.exists(),
            )
            .distinct()
            .order_by(VoteRow.answer_id, VoteRow.person_id)
            .limit(AT_ONCE)
        )
        with self._store.read() as session:
            return [(person, answer, department) for person, answer, department in session.execute(query)]

    def _decided(self) -> list[tuple[str, str, str, str]]:
        """Return person, answer, department and id of proposals that were decided lately and not notified of yet.

        A person's id begins with the channel that they use, so a proposal for an answer of another one, such as web
        chat, isn't answered there.
        """
        since, last = now() - timedelta(days=DAYS), _decisions()
        told = select(NotificationRow.subject).where(
            NotificationRow.person_id == CorrectionRow.person_id,
            NotificationRow.subject.startswith("decided:" + CorrectionRow.id),
            NotificationRow.at >= last.c.at,
        )
        query = (
            select(CorrectionRow.person_id, CorrectionRow.answer_id, AnswerRow.department, CorrectionRow.id)
            .join(last, last.c.proposal == CorrectionRow.id)
            .join(AnswerRow, AnswerRow.id == CorrectionRow.answer_id)
            .join(QuestionRow, QuestionRow.id == AnswerRow.question_id)
            .where(
                ~CorrectionRow.accepted,
                last.c.at >= CorrectionRow.at,
                last.c.at > since,
                CorrectionRow.person_id.startswith(QuestionRow.channel + ":"),
                ~told.exists(),
            )
            .distinct()
            .order_by(CorrectionRow.id)
            .limit(AT_ONCE)
        )
        with self._store.read() as session:
            return [
                (person, answer, department, correction)
                for person, answer, department, correction in session.execute(query)
            ]

    def _addresses(self, people: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return the addresses of people who can be reached and want notifications."""
        with self._store.read() as session:
            unwilling = set(session.scalars(select(PersonRow.id).where(~PersonRow.notifications)))
        return self._recipients.addresses(set(people) - unwilling)

    def _silent_departments(self) -> set[str]:
        return {each.name for each in self._departments.all() if not each.feedback.tell_voters}

    def _add(
        self, session: Session, person: str, reached: Mapping[str, Mapping[str, Any]], payload: Mapping[str, Any]
    ) -> None:
        if person in reached:
            self._recipients.send(session, NOTIFICATION, {person: reached[person]}, {**payload, "person": person})


def claim(session: Session, person: str, subject: str) -> bool:
    """Claim a notification; return ``False`` if any process has already claimed it.

    :param subject: ``live:`` and an answer's id, ``round:`` and a round's, ``decided:`` and a proposal's with a time.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = insert(NotificationRow).values(person_id=person, subject=subject).on_conflict_do_nothing()
    return session.execute(row.returning(NotificationRow.subject)).scalar_one_or_none() is not None


def _decisions() -> Any:
    """Return a subquery of decisions: the id of the proposal they are about, and when they were taken."""
    accepted = aliased(CorrectionRow)
    rejections = select(RejectionRow.correction_id.label("proposal"), RejectionRow.at.label("at"))
    corrections = select(CorrectionRow.id, accepted.at).join(accepted, accepted.answer_id == CorrectionRow.answer_id)
    return (
        rejections.where(RejectionRow.correction_id.is_not(None))
        .union_all(corrections.where(accepted.accepted))
        .subquery()
    )


def _decided(correction_id: str, at: datetime) -> str:
    return f"decided:{correction_id}:{at.isoformat()}"


def _learned(round_id: str) -> str:
    return f"round:{round_id}"
