"""Votes and corrections.

Each person has one current vote on an answer; every change is kept. A correction by an agent who may read what the
answer rests on becomes a curated answer at once (:mod:`bot.feedback.curated`); any other waits until one accepts it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import func, select, update

from bot.access.names import require_present
from bot.domain.errors import MenteeError, NotFoundError
from bot.domain.feedback import CORRECTION_CHARS, Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Basis, Role
from bot.feedback.curated.editing import curate, flag
from bot.feedback.history import as_correction, as_vote
from bot.feedback.waiting import overruled, require_waiting
from bot.storage.history import as_answer
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import CorrectionRow, RejectionRow, VoteEventRow, VoteRow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy.orm import Session

    from bot.access.rights import Rights
    from bot.domain.answers import Answer
    from bot.domain.feedback import VoteValue
    from bot.feedback.escalations import Escalations
    from bot.feedback.waiting import Waiting
    from bot.storage.session import Store


class FeedbackListener(Protocol):
    """Is notified of votes and corrections once they are committed."""

    def on_vote_recorded(self, vote: Vote, answer: Answer) -> object:
        """Handle a vote, or its withdrawal."""

    def on_correction_recorded(self, correction: Correction, answer: Answer) -> object:
        """Handle a correction."""


class Votes:
    """The votes and corrections of an instance. Everything here is blocking."""

    def __init__(self, store: Store, rights: Rights, escalations: Escalations, listener: FeedbackListener) -> None:
        self._store = store
        self._rights = rights
        self._escalations = escalations
        self._listener = listener

    def record(self, vote: Vote) -> None:
        """Make this the person's current vote. ``value=None`` withdraws an earlier one.

        :raises NotFoundError: there is no such answer.
        :raises ForbiddenError: the person was removed or erased.
        """
        with self._store.write() as session:
            require_present(session, vote.person.id, vote.at)
            row = _answer(session, vote.answer_id)
            store_vote(session, vote)
            answer = as_answer(row)
        self._listener.on_vote_recorded(vote, answer)

    def current(self, answer_id: str, person_id: str) -> Vote | None:
        """Return the person's current vote on the answer."""
        with self._store.read() as session:
            row = session.get(VoteRow, (answer_id, person_id))
        return as_vote(row) if row else None

    def ever(self, answer_id: str, person_id: str, value: VoteValue) -> bool:
        """Return whether the person has ever voted this way on the answer."""
        so = select(VoteEventRow.id).where(
            VoteEventRow.answer_id == answer_id, VoteEventRow.person_id == person_id, VoteEventRow.value == value
        )
        with self._store.read() as session:
            return session.scalar(so.limit(1)) is not None

    def voters(self, answer_ids: Collection[str]) -> Mapping[VoteValue, int]:
        """Return how many different people have voted each way on any of these answers."""
        counted = select(VoteRow.value, func.count(VoteRow.person_id.distinct())).group_by(VoteRow.value)
        with self._store.read() as session:
            found = dict(session.execute(counted.where(VoteRow.answer_id.in_(answer_ids))).all())
        return {"up": found.get("up", 0), "down": found.get("down", 0)}

    def set_usable(self, department: str, usable: Iterable[Vote]) -> int:
        """Note which current votes on a department's answers may be learned from: these, and no others.

        A vote that was changed since it was looked at is none of them. Return how many it makes a difference to.
        """
        wanted = {(each.answer_id, each.person.id, each.at) for each in usable}
        known = select(VoteRow.answer_id, VoteRow.person_id, VoteRow.at, VoteRow.usable).join(AnswerRow)
        with self._store.read() as session:
            rows = session.execute(known.where(AnswerRow.department == department)).all()
        changed = sorted(key for *key, was in rows if (tuple(key) in wanted) != was)
        if changed:
            with self._store.write() as session:
                for answer_id, person_id, at in changed:
                    this = VoteRow.answer_id == answer_id, VoteRow.person_id == person_id, VoteRow.at == at
                    now_usable = (answer_id, person_id, at) in wanted
                    session.execute(update(VoteRow).where(*this).values(usable=now_usable))
        return len(changed)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """Return how many current votes there are, by department and value."""
        counted = select(AnswerRow.department, VoteRow.value, func.count()).join(VoteRow)
        with self._store.read() as session:
            rows = session.execute(counted.group_by(AnswerRow.department, VoteRow.value))
            return {(department, value): count for department, value, count in rows}

    def correction(self, answer_id: str, person_id: str) -> Correction | None:
        """Return the person's correction of the answer."""
        own = select(CorrectionRow).where(CorrectionRow.answer_id == answer_id, CorrectionRow.person_id == person_id)
        with self._store.read() as session:
            row = session.scalar(own)
        return as_correction(row) if row else None

    def correct(self, correction: Correction, *, judging: Waiting | None = None) -> bool:
        """Record a correction; return whether it is live as a curated answer.

        The answer also counts as voted down by the person who corrected it. An agent's correction resolves an open
        escalation of the answer. Corrections may arrive out of order: one that is older than the person's last one
        changes nothing.

        :param judging: what the correction decides, as the person saw it.
        :raises NotFoundError: there is no such answer.
        :raises ForbiddenError: the person was removed or erased.
        :raises ConflictError: ``judging`` no longer waits.
        :raises MenteeError: the text is empty or too long.
        """
        length = len(correction.text.strip())
        if not 0 < length <= CORRECTION_CHARS:
            raise MenteeError(
                f"A correction must have 1 to {CORRECTION_CHARS:,} characters; this one has {length:,}.",
                hint="Write what the answer should have been.",
            )
        with self._store.read() as session:
            known = as_answer(_answer(session, correction.answer_id))
        rests_on = self._rights.without_gone(known.rests_on)
        agent = correction.person.role_in(known.department).includes(Role.AGENT)
        agent = agent and self._rights.sees(correction.person, (Basis(known.department), *rests_on))
        with self._store.write() as session:
            require_present(session, correction.person.id, correction.at)
            row = _answer(session, correction.answer_id, lock=True)  # or a rejection at the same time would cover it
            if judging is not None:
                require_waiting(session, judging)
            if (later := _later(session, correction)) is not None:
                return later.accepted
            correction = _after_rejection(session, correction)
            _vote_down(session, correction)
            live = store_correction(session, row, correction, rests_on, accept=agent)
            answer = as_answer(row)
        if agent:
            self._escalations.corrected(correction.answer_id, correction.person, correction.text.strip())
        self._listener.on_correction_recorded(correction, answer)
        return live


def store_vote(session: Session, vote: Vote) -> None:
    """Write a vote and its history inside the caller's transaction.

    Deliveries may be handled in another order than they happened: the latest act is the current vote. The same thumb
    once more, without a word, leaves the reason that was given with it.
    """
    # Votes on one answer take turns, or two handled at once on PostgreSQL would each miss the other.
    answer = session.get_one(AnswerRow, vote.answer_id, with_for_update=True)
    role = vote.person.role_in(answer.department).value
    if vote.value == "down":
        flag(session, answer)
    own = (VoteEventRow.answer_id == vote.answer_id, VoteEventRow.person_id == vote.person.id)
    latest = session.scalar(select(func.max(VoteEventRow.at)).where(*own))
    values = {
        "answer_id": vote.answer_id,
        "person_id": vote.person.id,
        "role": role,
        "value": vote.value,
        "reason": vote.reason,
        "comment": vote.comment,
        "at": vote.at,
    }
    session.add(VoteEventRow(**values))
    row = session.get(VoteRow, (vote.answer_id, vote.person.id), with_for_update=True)
    if latest is not None and latest > vote.at:
        session.flush()
    elif vote.value is None:
        if row is not None:
            session.delete(row)
    elif row is None:
        session.add(VoteRow(**values, reviewed=vote.reviewed))
    else:
        if vote.value != row.value or vote.reason or vote.comment:
            row.reason, row.comment = vote.reason, vote.comment
        row.value, row.role, row.at, row.reviewed = vote.value, role, vote.at, vote.reviewed
        row.usable = False
    session.flush()


def store_correction(
    session: Session, answer: AnswerRow, correction: Correction, rests_on: Sequence[Basis] = (), *, accept: bool = True
) -> bool:
    """Write a correction inside the caller's transaction; return whether it is live as a curated answer.

    :param accept: whether an agent's is accepted.

    What was answered from somebody's attachment is right for that one question alone.
    """
    question = session.get_one(QuestionRow, answer.question_id)
    role = correction.person.role_in(answer.department)
    accepted = accept and role.includes(Role.AGENT) and not question.attachments
    text = correction.text.strip()
    own = select(CorrectionRow).where(
        CorrectionRow.answer_id == answer.id, CorrectionRow.person_id == correction.person.id
    )
    row = session.scalar(own) or CorrectionRow(answer_id=answer.id, person_id=correction.person.id)
    row.text, row.role, row.accepted = text, role.value, accepted
    row.at, row.reviewed = correction.at, correction.reviewed
    session.add(row)
    session.flush()
    if accepted:
        curate(session, answer, question, row, rests_on)
    return accepted


def _later(session: Session, correction: Correction) -> CorrectionRow | None:
    own = CorrectionRow.answer_id == correction.answer_id, CorrectionRow.person_id == correction.person.id
    return session.scalar(select(CorrectionRow).where(*own, CorrectionRow.at > correction.at))


def _after_rejection(session: Session, correction: Correction) -> Correction:
    """Return the correction, dated now if an earlier one by the person was rejected before this one arrived.

    Otherwise the rejection, which has the time of this server, would cover a text that no agent has read.
    """
    own = CorrectionRow.answer_id == correction.answer_id, CorrectionRow.person_id == correction.person.id
    rejections = select(func.max(RejectionRow.at)).join(CorrectionRow, CorrectionRow.id == RejectionRow.correction_id)
    last = session.scalar(rejections.where(*own, CorrectionRow.text != correction.text.strip()))
    return replace(correction, at=now()) if last is not None and last >= correction.at else correction


def _vote_down(session: Session, correction: Correction) -> None:
    """Record a vote down of the person, unless they have voted it down and nobody has overruled that."""
    key = correction.answer_id, correction.person.id
    row = session.get(VoteRow, key)
    against = select(VoteRow.at).where(VoteRow.answer_id == key[0], VoteRow.person_id == key[1], overruled())
    if row is None:
        store_vote(session, Vote(correction.answer_id, correction.person, "down", "wrong", at=correction.at))
    elif session.scalar(against) is not None:
        again = Vote(correction.answer_id, correction.person, "down", row.reason, row.comment, at=correction.at)
        store_vote(session, again)


def _answer(session: Session, answer_id: str, *, lock: bool = False) -> AnswerRow:
    row = session.get(AnswerRow, answer_id, with_for_update=lock or None)
    if row is None:
        raise NotFoundError(f"There is no answer {answer_id!r}.", hint="It may have been erased. Ask again.")
    return row
