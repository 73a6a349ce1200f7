"""Finds whom to tell that a promoted round learned from their feedback.

What to tell is found in the database, so it doesn't matter which process promoted, or whether it ended right after.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from bot.domain.identifiers import now
from bot.feedback.notifications import DAYS
from bot.storage.tables.training import AdapterRow, ChampionRow, DatasetRowRow, RoundRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.domain.answers import Exchange
    from bot.feedback.history import FeedbackHistory
    from bot.feedback.notifications import Notifications
    from bot.storage.history import History
    from bot.storage.session import Store

Said = tuple[str, str, str]
"""What was asked, after what, and what was answered."""


class Learned:
    """Tells people what rounds learned. Everything here is blocking."""

    def __init__(self, store: Store, history: History, feedback: FeedbackHistory, notifications: Notifications) -> None:
        self._store = store
        self._history = history
        self._feedback = feedback
        self._notifications = notifications

    def tell(self) -> None:
        """Notify the people behind every promoted round that nobody was told of yet."""
        promoted = self._promoted()
        for round_id in sorted(self._notifications.not_told(promoted)):
            department, adapter, dataset = promoted[round_id]
            answers = self._behind(round_id, department, dataset)
            self._notifications.tell_learned(round_id, department, adapter, answers)

    def _promoted(self) -> dict[str, tuple[str, str, str]]:
        """Return department, adapter and dataset of the rounds that made today's champions, by round."""
        query = (
            select(AdapterRow.round_id, AdapterRow.department, AdapterRow.version, AdapterRow.dataset)
            .join(ChampionRow, ChampionRow.adapter == AdapterRow.version)
            .where(
                AdapterRow.state == "champion",  # not one that was rolled back meanwhile
                AdapterRow.round_id.is_not(None),
                AdapterRow.dataset.is_not(None),
                ChampionRow.action == "promote",
                ChampionRow.at > now() - timedelta(days=DAYS),
            )
            .distinct()
        )
        with self._store.read() as session:
            return {
                round_id: (department, adapter, dataset)
                for round_id, department, adapter, dataset in session.execute(query)
                if round_id and dataset
            }

    def _behind(self, round_id: str, department: str, dataset: str) -> Mapping[str, set[str]]:
        """Return the answers whose votes down or corrections the dataset learned from, by person.

        Votes on the same answer to the same question are one rating, under the first answer's id
        (:mod:`tuning.data.aggregate`); so they are found by what was asked and answered.
        """
        with self._store.read() as session:
            started = session.get(RoundRow, round_id)
            rows = session.execute(
                select(DatasetRowRow.answer_id, DatasetRowRow.people).where(DatasetRowRow.dataset == dataset)
            ).all()
        exchanges = {each.answer.id: each for each in self._history.of_answers([answer_id for answer_id, _ in rows])}
        behind: dict[Said, set[str]] = defaultdict(set)
        for answer_id, people in rows:
            if answer_id in exchanges:
                behind[_said(exchanges[answer_id])] |= set(people)
        rated = self._feedback.rated(department, started.created_at if started is not None else now())
        corrected = {_said(each.exchange) for each in rated if each.corrections} & set(behind)
        found: dict[str, set[str]] = defaultdict(set)
        for each in rated:
            said = _said(each.exchange)
            people = {item.person.id for item in each.corrections}
            people |= {vote.person.id for vote in each.votes if vote.value == "down"}
            for person in people if said in corrected else people & behind.get(said, set()):
                found[person].add(each.exchange.answer.id)
        return found


def _said(exchange: Exchange) -> Said:
    question = exchange.question
    return question.text.strip().lower(), str(question.history), exchange.answer.text.strip()
