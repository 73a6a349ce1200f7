"""Which curated answers an agent sees and may change, and what the pages show of them. Everything here is blocking."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, get_args

from bot.domain.errors import ConflictError, MenteeError, NotFoundError
from bot.domain.feedback import CORRECTION_CHARS
from bot.domain.identifiers import now
from bot.feedback.curated.answers import CuratedState
from bot.server.pages.markdown import render
from plugins.desk.differences import differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bot.access.departments import Departments
    from bot.domain.people import Audience, Person
    from bot.feedback.curated.answers import CuratedAnswer, CuratedAnswers
    from bot.feedback.reviews import Reviews

A_PAGE = 25
YEARS = 10
"""How far ahead a curated answer may expire."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to list.

    :param text: a part of the question, the answer or the author's name.
    :param state: one of :data:`bot.feedback.curated.answers.CuratedState`, or an empty text for those in use.
    """

    text: str = ""
    department: str = ""
    state: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that wasn't made: why not, and what had been typed."""

    problem: str
    text: str = ""
    question: str = ""
    day: str = ""
    form: str = "edit"


@dataclass(frozen=True, slots=True)
class CuratedDesk:
    """The curated answers of the departments that an agent judges, based on pages that they may read.

    :param frame: returns what stands around every page for a person.
    """

    curated: CuratedAnswers
    reviews: Reviews
    departments: Departments
    frame: Callable[[Person], Mapping[str, Any]]
    _conflicts: dict[str, tuple[object, tuple[Pair, ...]]] = field(default_factory=dict)
    """By department: of which versions, and the pairs that were found."""

    def listed(self, person: Person, wanted: Wanted) -> dict[str, Any]:
        """Return the list's values: conflicts first, then the most used, then the newest."""
        names = self.reviews.departments_of(person)
        found = self.curated.seen_by(self._audience(person), names, retired=True)
        others = self._others(found)
        uses = self.curated.uses(names)
        kept = [each for each in found if self._fits(each, wanted)]
        kept.sort(key=lambda each: (each.id in others, uses.get(each.id, 0), each.edited_at), reverse=True)
        pages = max(1, -(-len(kept) // A_PAGE))
        page = min(max(wanted.page, 1), pages)
        return {
            **self.frame(person),
            "wanted": replace(wanted, page=page),
            "pages": pages,
            "number": len(kept),
            "any": bool(found),
            "departments": [(name, self.departments.title(name)) for name in names],
            "states": get_args(CuratedState),
            "listed": [self._row(each, uses, others) for each in kept[(page - 1) * A_PAGE : page * A_PAGE]],
            "conflicts": sum(each.id in others for each in kept),
        }

    def shown(self, person: Person, curated_id: str, refused: Refused | None = None) -> dict[str, Any]:
        """Return the values of one curated answer's page.

        :raises NotFoundError: there is none, or the person may not judge it.
        """
        found = self._find(person, curated_id)
        _, versions = self.curated.get(curated_id, self._audience(person))
        names = [found.department]
        among = self.curated.seen_by(self._audience(person), names)
        others = self._others(among)
        same = [each for each in among if each.id in others.get(curated_id, ())]
        texts = ["", *(each.text for each in versions)]
        return {
            **self.frame(person),
            "shown": self._row(found, self.curated.uses(names), others),
            "html": render(found.text),
            "same": [{"curated": each, "changes": differences(found.text, each.text)} for each in same],
            "versions": [
                {"version": each, "by": self._name(each.author), "changes": differences(before, each.text)}
                for before, each in reversed(list(zip(texts, versions, strict=False)))
            ],
            "hidden": found.revision - len(versions),
            "refused": refused,
            "limit": CORRECTION_CHARS,
            "today": now().date().isoformat(),
        }

    def edit(self, person: Person, curated_id: str, revision: int, *, text: str, question: str) -> None:
        """Change what it says. A retired one is given again.

        :raises MenteeError: there is no text or no question, or they are too long.
        :raises ConflictError: somebody else has changed it.
        :raises NotFoundError: there is none, or the person may not judge it.
        """
        self._find(person, curated_id)
        if not text.strip() or not question.strip():
            raise MenteeError("The question and the answer can't be empty.", hint="Retire it to stop giving it.")
        with _told():
            self.curated.edit(curated_id, text=text, question=question, revision=revision, actor=person.id)

    def keep(self, person: Person, curated_id: str, revision: int) -> None:
        """Confirm that it is right as it is."""
        self._find(person, curated_id)
        with _told():
            self.curated.keep(curated_id, revision=revision, actor=person.id)

    def retire(self, person: Person, curated_id: str, revision: int) -> None:
        """Stop giving it. Doing so twice is doing so once."""
        found = self._find(person, curated_id)
        if found.active:
            with _told():
                self.curated.retire(curated_id, revision=revision, actor=person.id)

    def expire(self, person: Person, curated_id: str, revision: int, day: str) -> None:
        """Give it only until a day begins (UTC), or with an empty text without an end.

        :raises MenteeError: that is no day, or one that is past or too far ahead.
        """
        self._find(person, curated_id)
        at = _moment(day) if day else None
        with _told():
            self.curated.expire(curated_id, at, revision=revision, actor=person.id)

    def _find(self, person: Person, curated_id: str) -> CuratedAnswer:
        found, _ = self.curated.get(curated_id, self._audience(person))
        if found.department not in self.reviews.departments_of(person):
            raise NotFoundError(f"There is no curated answer {curated_id!r}.", hint="It may have been erased.")
        return found

    def _fits(self, each: CuratedAnswer, wanted: Wanted) -> bool:
        if wanted.department and each.department != wanted.department:
            return False
        if (each.state != wanted.state) if wanted.state else not each.active:
            return False
        part = wanted.text.strip().casefold()
        return not part or any(
            part in text.casefold() for text in (each.question, each.text, self._name(each.author), each.id)
        )

    def _row(self, each: CuratedAnswer, uses: Mapping[str, int], others: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        return {
            "curated": each,
            "department": self.departments.title(each.department),
            "by": self._name(each.author),
            "uses": uses.get(each.id, 0),
            "conflicts": len(others.get(each.id, ())),
        }

    def _others(self, among: Sequence[CuratedAnswer]) -> dict[str, list[str]]:
        """Return which of these answer the same question, by id."""
        seen = {each.id for each in among}
        found: dict[str, list[str]] = {}
        for name in sorted({each.department for each in among}):
            for pair in self._pairs(name):
                if seen.issuperset(pair):
                    found.setdefault(pair[0], []).append(pair[1])
                    found.setdefault(pair[1], []).append(pair[0])
        return found

    def _pairs(self, department: str) -> tuple[Pair, ...]:
        """Return the pairs that answer the same question; comparing all takes long, so only after a change."""
        state = tuple((each.id, each.revision, each.state) for each in self.curated.all(department))
        known, pairs = self._conflicts.get(department, (None, ()))
        if known != state:
            pairs = self.curated.conflicts(self.departments.get(department))
            self._conflicts[department] = (state, pairs)
        return pairs

    def _audience(self, person: Person) -> Audience:
        return self.departments.audience_of(person)

    def _name(self, person_id: str) -> str:
        return self.departments.person(person_id).name or person_id


@contextmanager
def _told() -> Iterator[None]:
    """Say what a conflict is in the desk's words instead of the command line's."""
    try:
        yield
    except ConflictError:
        raise ConflictError(
            "Somebody else has changed this answer since you opened it.", hint="Compare it with the latest version."
        ) from None


def _moment(day: str) -> datetime:
    try:
        at = datetime.combine(date.fromisoformat(day), time(), UTC)
    except ValueError:
        raise MenteeError(f"{day!r:.40} isn't a date.", hint="Expected a day such as 2027-01-31.") from None
    if not now() < at <= now() + timedelta(days=366 * YEARS):
        raise MenteeError(f"{day} is past or too far ahead.", hint=f"Choose a day within the next {YEARS} years.")
    return at
