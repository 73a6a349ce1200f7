"""How the instance does: what waits, what failed, what people complain about."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from bot.domain.identifiers import now
from bot.domain.people import Role
from bot.feedback.reasons import CAUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bot.delivery.inbox import Inbox
    from bot.delivery.outbox import Outbox
    from bot.domain.people import Person
    from bot.feedback.escalations import Escalations
    from bot.feedback.reviews import Reviews
    from bot.hooks.host import PluginHost
    from plugins.slack.overview.departments import AskableDepartment
    from retrieval.catalog import Catalog
    from tuning.rounds.summaries import RoundSummary

COMPLAINT_DAYS = 30
PAGES = 5


@dataclass(frozen=True, slots=True)
class Complaints:
    """What people complained about lately, in answers that no agent has corrected since.

    :param pages: addresses that such answers name, with how many votes call them out of date; the most first.
    :param unsafe: answers that somebody finds unsafe.
    """

    pages: Mapping[str, int] = field(default_factory=dict)
    unsafe: int = 0


@dataclass(frozen=True, slots=True)
class LastRound:
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
    :param escalated: questions that wait for a person, in the departments one may ask.
    :param given_up: messages that failed for good, in and out.
    :param failed_documents: by department title; only those with any.
    :param broken_plugins: names of plugins that did not load, were disabled after failures, or fail.
    """

    waiting: int
    oldest_seconds: float
    undelivered: int
    escalated: int
    given_up: int
    failed_documents: Mapping[str, int] = field(default_factory=dict)
    broken_plugins: tuple[str, ...] = ()
    rounds: tuple[LastRound, ...] = ()
    complaints: Complaints = field(default_factory=Complaints)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """Reads how the instance does.

    :param last_round: returns the last round of a department.
    """

    inbox: Inbox
    outbox: Outbox
    escalations: Escalations
    reviews: Reviews
    plugins: PluginHost
    catalog: Catalog
    last_round: Callable[[str], RoundSummary | None]

    def read(self, person: Person, departments: Sequence[AskableDepartment]) -> Health:
        """Return how the instance does; documents, plugins, rounds and complaints are for operators."""
        incoming, outgoing, open_counts = self.inbox.backlog(), self.outbox.backlog(), self.escalations.open_counts()
        operator = person.role.includes(Role.OPERATOR)
        return Health(
            waiting=incoming.unfinished,
            oldest_seconds=(now() - incoming.oldest).total_seconds() if incoming.oldest else 0.0,
            undelivered=outgoing.unfinished,
            escalated=sum(open_counts.get(each.name, 0) for each in departments),
            given_up=incoming.dead + outgoing.dead,
            failed_documents=self._failed_documents(departments) if operator else {},
            broken_plugins=self._broken_plugins() if operator else (),
            rounds=self._last_rounds(departments) if operator else (),
            complaints=self._complaints(departments) if operator else Complaints(),
        )

    def _failed_documents(self, departments: Sequence[AskableDepartment]) -> dict[str, int]:
        indexed = self.catalog.departments()
        failed = {each.title: indexed[each.name].failed for each in departments if each.name in indexed}
        return {title: count for title, count in failed.items() if count}

    def _broken_plugins(self) -> tuple[str, ...]:
        states, loaded = self.plugins.states, self.plugins.loaded
        broken = (
            name
            for name, each in loaded.items()
            if each.error or not states.enabled(name, None) or states.problem(name)
        )
        return tuple(sorted(broken))

    def _last_rounds(self, departments: Sequence[AskableDepartment]) -> tuple[LastRound, ...]:
        rounds = ((each.title, self.last_round(each.name)) for each in departments)
        return tuple(LastRound(title, found.state, found.verdict or "") for title, found in rounds if found)

    def _complaints(self, departments: Sequence[AskableDepartment]) -> Complaints:
        since = now() - timedelta(days=COMPLAINT_DAYS)
        pages: Counter[str] = Counter()
        unsafe: set[str] = set()
        for each in self.reviews.complaints([each.name for each in departments], since=since):
            cause = CAUSES.get(each.reason)
            if cause == "page":
                pages.update(each.documents)
            elif cause == "safety":
                unsafe.add(each.answer_id)
        return Complaints(dict(pages.most_common(PAGES)), len(unsafe))
