"""What waits in each queue, and how far the raters of the random sample agree. Everything here is blocking."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.domain.feedback import RUBRIC, RUBRIC_VERSION, YES
from bot.feedback.quality.agreement import ordinal_alpha

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bot.access.departments import Departments
    from bot.domain.feedback import Rating
    from bot.domain.people import Person
    from bot.feedback.quality.ratings import Ratings
    from bot.feedback.reviews import Reviews
    from plugins.desk.settings import DeskSettings
    from plugins.desk.work.sharing import Sharing

KINDS: Mapping[str, str] = {
    "proposal": "Proposed corrections",
    "escalation": "Questions for a person",
    "vote": "Answers voted down",
    "weak": "Rated as not correct",
    "sample": "Random sample",
}
"""The queues, as in an item's kind and as shown, in the order in which they are worked on."""

MODERATE = 0.667
"""Below this, Krippendorff advises to draw no conclusions."""


@dataclass(frozen=True, slots=True)
class Queues:
    """An overview of the queues of an agent.

    :param settings: returns the settings of a department.
    :param frame: returns what stands around every page for a person.
    """

    sharing: Sharing
    ratings: Ratings
    reviews: Reviews
    departments: Departments
    settings: Callable[[str], DeskSettings]
    frame: Callable[[Person], Mapping[str, Any]]

    def shown(self, person: Person) -> dict[str, Any]:
        """Return the page's values."""
        queue, held = self.sharing.queue(person), self.sharing.held()
        busy = {each.item for each in held}
        queues = []
        for kind, label in KINDS.items():
            items = [each for each in queue if each.kind == kind]
            oldest = min((each.at for each in items), default=None)
            queues.append({
                "kind": kind,
                "label": label,
                "number": len(items),
                "held": sum(each.id in busy for each in items),
                "oldest": oldest,
            })  # fmt: skip
        names = self.reviews.departments_of(person)
        return {**self.frame(person), "queues": queues, "agreement": [self._agreement(name) for name in names]}

    def _agreement(self, department: str) -> dict[str, Any]:
        settings = self.settings(department)
        ratings = [each for each in self.ratings.sampled(department) if each.rubric == RUBRIC_VERSION]
        return {
            "department": self.departments.title(department),
            "per_week": settings.sampled_per_week,
            "raters": settings.raters,
            "answers": len({each.answer_id for each in ratings}),
            "criteria": [{"label": label, **_criterion(ratings, criterion)} for criterion, label in RUBRIC.items()],
        }


def _criterion(ratings: Sequence[Rating], criterion: str) -> dict[str, Any]:
    """Return the share of answers that are good, and how far the raters agree about that."""
    grades = [each.grades[criterion] for each in ratings]
    found = ordinal_alpha(_units(ratings, criterion))
    return {
        "yes": round(100 * grades.count(YES) / len(grades)) if grades else None,
        "alpha": found.alpha,
        "units": found.units,
        "weak": found.alpha is not None and found.alpha < MODERATE,
    }


def _units(ratings: Iterable[Rating], criterion: str) -> list[list[int]]:
    units: dict[str, list[int]] = defaultdict(list)
    for each in ratings:
        units[each.answer_id].append(each.grades[criterion])
    return list(units.values())
