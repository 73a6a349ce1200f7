"""Votes and corrections that wait for an operator, and what operators decided. All methods block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.access.audit import note_change
from bot.domain.errors import NotFoundError
from bot.domain.identifiers import now
from bot.storage.tables.training import VoteDecisionRow
from tuning.data.screening import screen

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from bot.access.departments import Department, Departments
    from bot.feedback.history import FeedbackHistory
    from bot.feedback.votes import Votes
    from bot.storage.session import Store
    from tuning.data.screening import Decision, Held, Screened


class HeldVotes:
    """Screens votes and corrections, and records decisions on those that wait."""

    def __init__(self, store: Store, feedback: FeedbackHistory) -> None:
        self._store = store
        self._feedback = feedback
        self._marked: dict[str, object] = {}

    def screened(self, department: Department, as_of: datetime) -> Screened:
        """Return what a round of the department may use, and what waits.

        :param as_of: votes, corrections and decisions after this moment don't exist yet.
        """
        return screen(
            self._feedback.rated(department.name, as_of),
            department.tuning,
            known_since=self._feedback.known_since(department.name),
            decisions=self._decisions(department.name, as_of),
        )

    def mark_usable(self, departments: Departments, votes: Votes) -> None:
        """Tell the core which votes may be learned from, of departments where anything has changed since last time."""
        for department in departments.all():
            name, at = department.name, now()
            seen = (self._feedback.state(name), self._decisions(name, at), department.tuning)
            if self._marked.get(name) != seen:
                rated = self.screened(department, at).rated
                votes.set_usable(name, (vote for each in rated for vote in each.votes))
                self._marked[name] = seen

    def waiting(self, departments: Departments, names: Collection[str]) -> Sequence[Held]:
        """Return what waits in these departments, oldest first within each."""
        return [each for name in names for each in self.screened(departments.get(name), now()).held]

    def decide(self, held: Sequence[Held], decision: Decision, *, actor: str) -> None:
        """Release or discard what waits. The next round uses what was released, within everybody's share."""
        with self._store.write() as session:
            for each in held:
                answer = each.statement.rated.exchange.answer
                row = VoteDecisionRow(id=each.statement.id, answer_id=answer.id, department=answer.department)
                row.decision, row.at = decision, now()
                session.merge(row)
                detail = {"person": each.statement.person.id, "answer": answer.id, "reason": each.reason}
                note_change(session, actor=actor, action=f"vote.{decision}", subject=each.statement.id, detail=detail)

    def _decisions(self, department: str, as_of: datetime) -> Mapping[str, Decision]:
        query = select(VoteDecisionRow.id, VoteDecisionRow.decision).where(
            VoteDecisionRow.department == department, VoteDecisionRow.at <= as_of
        )
        with self._store.read() as session:
            return {
                name: "released" if decision == "released" else "discarded" for name, decision in session.execute(query)
            }


def chosen(held: Sequence[Held], ids: Collection[str], people: Collection[str]) -> Sequence[Held]:
    """Return those with one of these ids, or by one of these people.

    :raises NotFoundError: nothing that waits has one of the ids, or is by one of the people.
    """
    unknown = [*sorted(set(ids) - {each.statement.id for each in held})]
    unknown += sorted(set(people) - {each.statement.person.id for each in held})
    if unknown:
        raise NotFoundError(
            f"Nothing is held under {', '.join(unknown)}.", hint="`mentee votes held` lists what is held."
        )
    return [each for each in held if each.statement.id in ids or each.statement.person.id in people]
