"""The random sample: a few answers of each week that agents rate, so that the grades say something about all answers.

Everything here is blocking.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from bot.domain.identifiers import now
from plugins.desk.tables import SampleRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bot.domain.people import Person
    from bot.feedback.quality.ratings import Ratings
    from bot.feedback.reviews import Reviews
    from bot.storage.session import Store
    from plugins.desk.settings import DeskSettings

PREFIX = "sample-"
WEEK = timedelta(days=7)
KEPT = 8 * WEEK
"""How long an answer waits for its raters. Ratings are kept longer."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An answer that was drawn, and that the person can rate.

    :param at: when it was drawn.
    :param places: how many raters it still needs.
    """

    id: str
    answer_id: str
    department: str
    at: datetime
    places: int
    kind = "sample"


class Samples:
    """Draws answers, and says which of them still need raters.

    :param settings: returns the settings of a department.
    """

    def __init__(
        self, store: Store, ratings: Ratings, reviews: Reviews, settings: Callable[[str], DeskSettings]
    ) -> None:
        self._store = store
        self._ratings = ratings
        self._reviews = reviews
        self._settings = settings

    def draw(self, departments: Iterable[str]) -> int:
        """Draw from the last full week (from Monday, UTC); return how many answers are new.

        Whoever repeats this draws the same ones.
        """
        today = datetime.combine(now().date(), time(), UTC)
        until = today - timedelta(days=today.weekday())
        drawn = {
            answer_id: department
            for department in departments
            for answer_id in self._ratings.draw(
                department, until - WEEK, until, self._settings(department).sampled_per_week
            )
        }
        with self._store.write() as session:
            session.execute(delete(SampleRow).where(SampleRow.drawn_at < now() - KEPT))
            known = set(session.scalars(select(SampleRow.answer_id).where(SampleRow.answer_id.in_(drawn))))
            fresh = drawn.keys() - known
            session.add_all(SampleRow(answer_id=each, department=drawn[each]) for each in sorted(fresh))
        return len(fresh)

    def waiting(self, person: Person) -> tuple[Sample, ...]:
        """Return what the person can rate, the oldest first: not their own ratings, nor what has enough raters."""
        with self._store.read() as session:
            drawn = {row.answer_id: row.drawn_at for row in session.scalars(select(SampleRow))}
        judgeable = self._reviews.judgeable(person, drawn)
        raters = self._ratings.raters(judgeable)
        found: list[Sample] = []
        for answer_id, department in judgeable.items():
            given = raters.get(answer_id, frozenset())
            places = self._settings(department).raters - len(given)
            if places > 0 and person.id not in given:
                found.append(Sample(PREFIX + answer_id, answer_id, department, drawn[answer_id], places))
        return tuple(sorted(found, key=lambda each: (each.at, each.id)))

    def includes(self, answer_id: str) -> bool:
        """Return whether an answer was drawn."""
        with self._store.read() as session:
            return session.get(SampleRow, answer_id) is not None


def sampled_answer(item: str) -> str:
    """Return the id of the answer that an item is a sample of, or an empty text if it is none."""
    return item.removeprefix(PREFIX) if item.startswith(PREFIX) else ""
