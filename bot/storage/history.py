"""Recorded questions and answers. Everything here is blocking."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, and_, cast, func, select

from bot.domain.answers import Answer, Citation, Exchange, Provenance, RecordedQuestion, Suggestion, ThreadSummary
from bot.domain.people import bases_from
from bot.domain.questions import Turn
from bot.storage.tables.answers import AnswerRow, QuestionRow, ThreadTitleRow
from bot.storage.tables.feedback import VoteRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from bot.storage.session import Store


class History:
    """Looks up what was asked and answered."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def exchange(self, question_id: str) -> Exchange | None:
        """Return a question with its answer."""
        return self._one(_exchanges().where(QuestionRow.id == question_id))

    def of_answer(self, answer_id: str) -> Exchange | None:
        """Return an answer with its question."""
        return self._one(_exchanges().where(AnswerRow.id == answer_id))

    def of_answers(self, answer_ids: Collection[str]) -> tuple[Exchange, ...]:
        """Return answers with their questions, oldest question first."""
        return self._all(_exchanges().where(AnswerRow.id.in_(answer_ids)).order_by(QuestionRow.asked_at))

    def of_person(self, person_id: str, *, limit: int) -> tuple[Exchange, ...]:
        """Return a person's last questions, newest first."""
        own = _exchanges().where(QuestionRow.person_id == person_id)
        return self._all(own.order_by(QuestionRow.asked_at.desc()).limit(limit))

    def of_thread(
        self,
        channel: str,
        threads: Collection[str],
        *,
        place: str | None = None,
        person_id: str | None = None,
        limit: int | None = None,
    ) -> tuple[Exchange, ...]:
        """Return the last exchanges of a thread, oldest first.

        :param threads: the thread, and others that count as one with it.
        :param place: only what was asked there; thread names are unique within a place.
        :param person_id: only what this person asked.
        """
        newest = _exchanges().where(QuestionRow.channel == channel, QuestionRow.thread.in_(threads))
        if place is not None:
            newest = newest.where(QuestionRow.place == place)
        if person_id is not None:
            newest = newest.where(QuestionRow.person_id == person_id)
        return self._all(newest.order_by(QuestionRow.asked_at.desc()).limit(limit))[::-1]

    def turns(
        self, channel: str, threads: Collection[str], *, place: str | None = None, before: str = "", limit: int
    ) -> tuple[Turn, ...]:
        """Return the last exchanges of a thread as turns, oldest first.

        :param before: id of the question that the turns are for; it is left out.
        """
        found = self.of_thread(channel, threads, place=place, limit=limit + 1)
        kept = [each for each in found if each.question.id != before][-limit:]
        return tuple(as_turn(each) for each in kept)

    def threads(self, person_id: str, channel: str, *, limit: int, containing: str = "") -> tuple[ThreadSummary, ...]:
        """Return a person's threads, the one asked in last first.

        :param containing: only those with a title or a question that contains this text, whatever its case.
        """
        first, last = func.min(QuestionRow.asked_at), func.max(QuestionRow.asked_at)
        own = [QuestionRow.person_id == person_id, QuestionRow.channel == channel]
        if containing:
            own.append(QuestionRow.thread.in_(self._threads_with(person_id, channel, containing)))
        newest = select(QuestionRow.thread, first.label("began"), last.label("ended")).where(*own)
        each = newest.group_by(QuestionRow.thread).order_by(last.desc()).limit(limit).subquery()
        opening = and_(QuestionRow.thread == each.c.thread, QuestionRow.asked_at == each.c.began, *own)
        titled = and_(
            ThreadTitleRow.person_id == person_id,
            ThreadTitleRow.channel == channel,
            ThreadTitleRow.thread == each.c.thread,
        )
        query = (
            select(each.c.thread, QuestionRow.text, each.c.ended, ThreadTitleRow.title)
            .join(QuestionRow, opening)
            .outerjoin(ThreadTitleRow, titled)
            .order_by(each.c.ended.desc(), QuestionRow.id)
        )
        found: dict[str, ThreadSummary] = {}
        with self._store.read() as session:
            for thread, asked, ended, title in session.execute(query):
                found.setdefault(thread, ThreadSummary(thread, asked, ended, title or ""))
        return tuple(found.values())

    def name_thread(self, person_id: str, channel: str, thread: str, title: str) -> bool:
        """Give a person's thread a title, or none if it is empty; return ``False`` if they have no such thread.

        The title goes with the last question (:func:`bot.access.erasure.remove_questions`).
        """
        own = QuestionRow.person_id == person_id, QuestionRow.channel == channel, QuestionRow.thread == thread
        with self._store.write() as session:
            # Locked, or questions that are deleted meanwhile would leave their title behind.
            if not session.scalars(select(QuestionRow.id).where(*own).with_for_update()).all():
                return False
            row = session.get(ThreadTitleRow, (person_id, channel, thread))
            if row is not None and not title:
                session.delete(row)
            elif row is not None:
                row.title = title
            elif title:
                session.add(ThreadTitleRow(person_id=person_id, channel=channel, thread=thread, title=title))
        return True

    def _threads_with(self, person_id: str, channel: str, wanted: str) -> frozenset[str]:
        """Return the person's threads with a title or a question that contains a text, whatever its case.

        Answers aren't searched: the person may no longer be allowed to see some of them.
        """
        own = QuestionRow.person_id == person_id, QuestionRow.channel == channel
        titled = ThreadTitleRow.person_id == person_id, ThreadTitleRow.channel == channel
        folded = wanted.casefold()  # not in SQL: SQLite folds only ASCII
        with self._store.read() as session:
            asked = session.execute(select(QuestionRow.thread, QuestionRow.text).where(*own))
            found = {thread for thread, text in asked if folded in text.casefold()}
            titles = session.execute(select(ThreadTitleRow.thread, ThreadTitleRow.title).where(*titled))
            return frozenset(found | {thread for thread, title in titles if folded in title.casefold()})

    def standing_alone(
        self, departments: Collection[str], *, since: datetime, characters: int, limit: int
    ) -> tuple[Exchange, ...]:
        """Return short, answered questions that make sense without their thread or a file, newest first."""
        query = _exchanges().where(
            QuestionRow.department.in_(departments),
            QuestionRow.asked_at > since,
            cast(QuestionRow.history, Text) == "[]",
            cast(QuestionRow.attachments, Text) == "[]",
            func.length(QuestionRow.text) <= characters,
            AnswerRow.known,
        )
        return self._all(query.order_by(QuestionRow.asked_at.desc()).limit(limit))

    def liked(self, departments: Collection[str], *, each: int, person: int) -> Mapping[str, tuple[str, ...]]:
        """Return questions whose askers liked the answer, newest first, by the department that answered.

        Only those whose text may be used, and that make sense without their thread. Votes that wait for an operator,
        were discarded or haven't been screened yet don't count.

        :param each: how many of a department.
        :param person: how many of one person in a department, so that nobody decides alone.
        """
        query = (
            select(QuestionRow.department, QuestionRow.person_id, QuestionRow.text)
            .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
            .join(VoteRow, and_(VoteRow.answer_id == AnswerRow.id, VoteRow.person_id == QuestionRow.person_id))
            .where(
                QuestionRow.department.in_(departments),
                QuestionRow.train_eligible,
                cast(QuestionRow.history, Text) == "[]",
                AnswerRow.known,
                VoteRow.value == "up",
                VoteRow.usable,
            )
            .order_by(VoteRow.at.desc())
            .limit(2 * each * len(departments))
        )
        found: dict[str, dict[str, None]] = defaultdict(dict)
        asked: Counter[tuple[str, str]] = Counter()
        with self._store.read() as session:
            for department, person_id, text in session.execute(query):
                if len(found[department]) < each and asked[department, person_id] < person:
                    found[department][text] = None
                    asked[department, person_id] += 1
        return {department: tuple(texts) for department, texts in found.items()}

    def counts(self) -> Mapping[str, int]:
        """Return how many questions each department got."""
        counted = select(QuestionRow.department, func.count()).group_by(QuestionRow.department)
        with self._store.read() as session:
            return dict(session.execute(counted).all())

    def move(self, session: Session, question_id: str, *, thread: str) -> None:
        """Put a question into another thread of its place, inside the caller's transaction."""
        session.get_one(QuestionRow, question_id).thread = thread

    def recorded(self, session: Session, question_id: str) -> bool:
        """Return whether a question has been answered, inside the caller's transaction."""
        return session.get(QuestionRow, question_id) is not None

    def drop(self, session: Session, question_id: str) -> None:
        """Delete a question whose answer nobody can have seen, inside the caller's transaction.

        What others have seen is erased by :func:`bot.access.erasure.erase_questions`.
        """
        session.delete(session.get_one(QuestionRow, question_id))

    def _one(self, query: Select[QuestionRow, AnswerRow]) -> Exchange | None:
        with self._store.read() as session:
            found = session.execute(query).one_or_none()
        return as_exchange(*found) if found else None

    def _all(self, query: Select[QuestionRow, AnswerRow]) -> tuple[Exchange, ...]:
        with self._store.read() as session:
            return tuple(as_exchange(question, answer) for question, answer in session.execute(query))


def as_exchange(question: QuestionRow, answer: AnswerRow) -> Exchange:
    """Return recorded rows as values."""
    recorded = RecordedQuestion(
        id=question.id,
        text=question.text,
        person_id=question.person_id,
        department=question.department,
        channel=question.channel,
        place=question.place,
        thread=question.thread,
        history=tuple(
            Turn(
                turn["question"],
                turn["answer"],
                bases_from(turn.get("rests_on", ())),
                turn.get("person_id", ""),
                turn.get("refused", False),
                turn.get("leaned_on", True),
                tuple(turn.get("quotes", ())),
            )
            for turn in question.history
        ),
        attachments=tuple(each["name"] for each in question.attachments),
        asked_at=question.asked_at,
        quotes=tuple(question.quotes),
    )
    return Exchange(recorded, as_answer(answer))


def as_turn(exchange: Exchange) -> Turn:
    """Return an exchange as a turn of the next question's history."""
    question, answer = exchange.question, exchange.answer
    return Turn(question.text, answer.text, answer.grounds, question.person_id, answer.refused, quotes=question.quotes)


def as_answer(row: AnswerRow) -> Answer:
    """Return a recorded answer as a value."""
    suggested = row.provenance.get("suggestion")
    provenance = Provenance(
        **{
            **row.provenance,
            "chunks": tuple(row.provenance.get("chunks", ())),
            "suggestion": Suggestion(**suggested) if suggested else None,
            "elsewhere": tuple(row.provenance.get("elsewhere", ())),
        }
    )
    citations = tuple(Citation(**citation) for citation in row.citations)
    return Answer(
        row.question_id,
        row.text,
        row.known,
        row.department,
        citations,
        provenance,
        row.id,
        bases_from(row.rests_on or ()),
    )


def _exchanges() -> Any:
    return select(QuestionRow, AnswerRow).join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
