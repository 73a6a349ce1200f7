"""What the console shows of the departments. Everything here is blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrieval.catalog import IndexedDepartment
from tuning.rounds.summaries import latest_rounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.access.departments import Departments
    from bot.domain.ports import ChosenAdapters
    from bot.feedback.votes import Votes
    from bot.storage.history import History
    from bot.storage.session import Store
    from retrieval.catalog import Catalog
    from tuning.rounds.summaries import RoundSummary

ROUNDS = 3


@dataclass(frozen=True, slots=True)
class DepartmentView:
    """A department at a glance.

    :param champion: the adapter that answers; empty if the base model answers alone.
    :param problem: why the champion can't be used, if another adapter answers instead.
    """

    name: str
    title: str
    open: bool
    indexed: IndexedDepartment
    champion: str
    problem: str
    questions: int
    up: int
    down: int
    rounds: Sequence[RoundSummary]


@dataclass(frozen=True, slots=True)
class Overview:
    """Reads the departments of an instance for the page."""

    store: Store
    departments: Departments
    catalog: Catalog
    history: History
    votes: Votes
    active_adapters: ChosenAdapters

    def views(self) -> list[DepartmentView]:
        """Return all departments, by name."""
        indexed, questions, votes = self.catalog.departments(), self.history.counts(), self.votes.counts()
        problems = self.active_adapters.problems()
        views = []
        for department in self.departments.all():
            name, champion = department.name, self.active_adapters.get(department.name)
            views.append(
                DepartmentView(
                    name,
                    department.title,
                    department.open,
                    indexed.get(name, IndexedDepartment()),
                    champion.version if champion else "",
                    problems.get(name, ""),
                    questions.get(name, 0),
                    votes.get((name, "up"), 0),
                    votes.get((name, "down"), 0),
                    latest_rounds(self.store, name, limit=ROUNDS),
                )
            )
        return views
