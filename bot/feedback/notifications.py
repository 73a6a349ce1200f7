"""Tells people about the outcome of their feedback: an answer they voted down is corrected, or a round learned from it.

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

from bot.access.people import person_row
from bot.domain.identifiers import now
from bot.domain.people import Person
from bot.storage.tables.access import PersonRow
from bot.storage.tables.answers import AnswerRow
from bot.storage.tables.feedback import CorrectionRow, CuratedAnswerRow, CuratedVersionRow, NotificationRow, VoteRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy.orm import Session

    from bot.access.departments import Departments
    from bot.delivery.recipients import Recipients
    from bot.storage.session import Store

NOTIFICATION = "notification"
"""Kind of outbox items. Payload: ``what`` (``live`` or ``learned``), ``answers`` (ids), ``adapter``, ``person``."""

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

    :param subject: ``live:`` and an answer's id, or ``round:`` and a round's.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = insert(NotificationRow).values(person_id=person, subject=subject).on_conflict_do_nothing()
    return session.execute(row.returning(NotificationRow.subject)).scalar_one_or_none() is not None


def _learned(round_id: str) -> str:
    return f"round:{round_id}"
