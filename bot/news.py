"""Tells people what became of their feedback: that an answer they voted down is corrected, that a round learned it.

What is to be told is found in the database, not heard from hooks: so it does not matter which process corrected or
promoted, or whether it ended right after. The table of news makes sure that each thing is told once. Who may still see
which question is decided when a message is shown.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from bot.messages import OutboxItem, Person, now
from bot.people import person_row
from bot.store.models import (
    AdapterRow,
    AnswerRow,
    ChampionRow,
    CorrectionRow,
    CuratedAnswerRow,
    DatasetRowRow,
    NewsRow,
    PersonRow,
    QuestionRow,
    RoundRow,
    VoteRow,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from bot.app import Mentee

NEWS = "news"
"""Kind of outbox items. Payload: ``what`` (``live`` or ``learned``), ``answers`` (ids), ``adapter``, ``person``."""

DAYS = 14
"""Older news is none: a switch turned on does not tell of last year."""
AT_ONCE = 200
"""Votes looked at in one turn; the next turn goes on."""


class News:
    """The news of one instance. Everything here is blocking."""

    def __init__(self, mentee: Mentee) -> None:
        self._mentee = mentee
        self._store = mentee.store

    def tell(self) -> None:
        """Put everything that has not been told yet into the outbox."""
        self._tell_live()
        for round_id, department, adapter, dataset in self._promoted():
            self._tell_learned(round_id, department, adapter, dataset)

    def switch(self, person_id: str, *, on: bool) -> None:
        """Let somebody hear of their feedback, or not."""
        with self._store.write() as session:
            person_row(session, Person(person_id)).news = on

    def _tell_live(self) -> None:
        """Tell who voted an answer down that an agent's correction is given now; once for an answer."""
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

    def _tell_learned(self, round_id: str, department: str, adapter: str, dataset: str) -> None:
        """Tell everybody whose vote or correction stands behind rows of a promoted round's dataset, in one message."""
        with self._store.read() as session:
            learned = _learned(session, round_id, department, dataset)
        reached = self._addresses(learned)
        silent = department in self._silent_departments()
        with self._store.write() as session:
            if not claim(session, "", f"round:{round_id}") or silent:
                return
            for person, ids in sorted(learned.items()):
                self._add(session, person, reached, {"what": "learned", "answers": sorted(ids), "adapter": adapter})

    def _corrected(self) -> list[tuple[str, str, str]]:
        """Return person, answer and department of votes down whose correction is live and not told of yet."""
        told = select(NewsRow.subject).where(
            NewsRow.person_id == VoteRow.person_id, NewsRow.subject == "live:" + VoteRow.answer_id
        )
        query = (
            select(VoteRow.person_id, VoteRow.answer_id, AnswerRow.department)
            .join(AnswerRow, AnswerRow.id == VoteRow.answer_id)
            .join(CorrectionRow, CorrectionRow.answer_id == VoteRow.answer_id)
            .join(CuratedAnswerRow, CuratedAnswerRow.correction_id == CorrectionRow.id)
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

    def _promoted(self) -> list[tuple[str, str, str, str]]:
        """Return round, department, adapter and dataset of champions that a round made and nobody was told of."""
        told = select(NewsRow.subject).where(NewsRow.person_id == "", NewsRow.subject == "round:" + AdapterRow.round_id)
        query = (
            select(AdapterRow.round_id, AdapterRow.department, AdapterRow.version, AdapterRow.dataset)
            .join(ChampionRow, ChampionRow.adapter == AdapterRow.version)
            .where(
                AdapterRow.state == "champion",  # not one that was rolled back meanwhile
                AdapterRow.round_id.is_not(None),
                AdapterRow.dataset.is_not(None),
                ChampionRow.action == "promote",
                ChampionRow.at > now() - timedelta(days=DAYS),
                ~told.exists(),
            )
            .distinct()
        )
        with self._store.read() as session:
            return [
                (round_id, department, adapter, dataset)
                for round_id, department, adapter, dataset in session.execute(query)
                if round_id and dataset
            ]

    def _addresses(self, people: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return the addresses of those who can be reached and want to hear."""
        with self._store.read() as session:
            unwilling = set(session.scalars(select(PersonRow.id).where(~PersonRow.news)))
        found = {person: self._mentee.find_address(person) for person in set(people) - unwilling}
        return {person: address for person, address in found.items() if address is not None}

    def _silent_departments(self) -> set[str]:
        return {each.name for each in self._mentee.departments.all() if not each.feedback.tell_voters}

    def _add(
        self, session: Session, person: str, reached: Mapping[str, Mapping[str, Any]], payload: Mapping[str, Any]
    ) -> None:
        if person in reached:
            channel, _, lane = person.partition(":")
            item = OutboxItem(channel, NEWS, reached[person], {**payload, "person": person})
            self._mentee.outbox.add(session, item, lane=lane)


def claim(session: Session, person: str, subject: str) -> bool:
    """Note that somebody is told; return ``False`` when they have been, by whatever process.

    :param subject: ``live:`` and an answer's id, or ``round:`` and a round's.
    """
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = insert(NewsRow).values(person_id=person, subject=subject).on_conflict_do_nothing()
    return session.execute(row.returning(NewsRow.subject)).scalar_one_or_none() is not None


def _learned(session: Session, round_id: str, department: str, dataset: str) -> dict[str, set[str]]:
    """Return the answers whose votes down or corrections the dataset learned from, by person.

    Votes on the same answer to the same question are one piece of evidence (:mod:`tuning.evidence`), under the first
    answer's id; so they are found by what was asked and answered.
    """
    started = session.get(RoundRow, round_id)
    as_of = started.created_at if started is not None else now()
    behind: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    rows = select(DatasetRowRow.people, AnswerRow, QuestionRow).join(AnswerRow, AnswerRow.id == DatasetRowRow.answer_id)
    rows = rows.join(QuestionRow, QuestionRow.id == AnswerRow.question_id).where(DatasetRowRow.dataset == dataset)
    for people, answer, question in session.execute(rows):
        behind[_said(question, answer)] |= set(people)
    found: dict[str, set[str]] = defaultdict(set)
    corrected = _about(session, CorrectionRow, department, as_of, CorrectionRow.accepted)
    right = {_said(question, answer) for _, question, answer in corrected} & set(behind)
    downs = _about(session, VoteRow, department, as_of, VoteRow.value == "down")
    for row, question, answer in [*corrected, *downs]:
        said = _said(question, answer)
        if said in right or row.person_id in behind.get(said, ()):
            found[row.person_id].add(answer.id)
    return found


def _about(session: Session, table: type[Any], department: str, as_of: datetime, condition: Any) -> list[Any]:
    query = (
        select(table, QuestionRow, AnswerRow)
        .join(AnswerRow, AnswerRow.id == table.answer_id)
        .join(QuestionRow, QuestionRow.id == AnswerRow.question_id)
        .where(AnswerRow.department == department, table.at <= as_of, condition)
    )
    return list(session.execute(query))


def _said(question: QuestionRow, answer: AnswerRow) -> tuple[str, str, str]:
    return question.text.strip().lower(), str(question.history), answer.text.strip()
