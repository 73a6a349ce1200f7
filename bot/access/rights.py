"""Who may see what was answered earlier: asked anew each time, with the rights of now.

An answer is stored with what it rests on (:class:`bot.domain.people.Basis`). It may be seen by those who may ask all of
these departments now, and read all of these documents both now and when the answer was made. What rests on a document
that is gone is seen by nobody.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from bot.domain.people import Audience

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from bot.access.departments import Departments
    from bot.domain.answers import Answer
    from bot.domain.people import Basis, Person
    from bot.domain.questions import Turn

EVERYTHING = Audience(unrestricted=True)


class FindReadable(Protocol):
    """Returns which of these documents of a department the audience may read now; those that are gone are left out."""

    def __call__(self, documents: Collection[str], department: str, audience: Audience) -> Collection[str]:
        """Look it up. Blocking."""


class Rights:
    """Decides who may see answers and turns. Everything here is blocking."""

    def __init__(self, departments: Departments, find_readable: FindReadable) -> None:
        self._departments = departments
        self._find_readable = find_readable

    def sight(self, audience: Audience) -> Sight:
        """Return what an audience may see at this moment. Make a new one for each use."""
        return Sight(audience, frozenset(self._departments.askable(audience)), self._find_readable)

    def sees(self, person: Person, grounds: Iterable[Basis]) -> bool:
        """Return whether a person may see what rests on this, with all that they may read themselves."""
        return self.sight(self._departments.audience_of(person)).sees(grounds)

    def everyones_sight(self, department: str) -> Sight:
        """Return what everybody who may ask a department may see."""
        return self.sight(self._departments.audience_of_all(department))

    def turns(self, history: Sequence[Turn], audience: Audience, department: str | None) -> tuple[Turn, ...]:
        """Return the earlier turns of a thread that may stand in the next prompt.

        The audience must see them. A turn of another department must also be open to everyone who may ask
        ``department``, because that department's plugins, agents and rounds learn of the prompt.
        """
        if not history:
            return ()
        own = self.sight(audience)
        kept = [turn for turn in history if own.sees(turn.rests_on)]
        if department is None:
            return tuple(kept)
        everyone = self.everyones_sight(department)
        return tuple(turn for turn in kept if _within(turn, department) or everyone.sees(turn.rests_on))

    def gone(self, rests_on: Iterable[Basis]) -> frozenset[str]:
        """Return the ids of the documents that no longer exist."""
        wanted = _documents(rests_on)
        return frozenset(
            document
            for department, documents in wanted.items()
            for document in documents - set(self._find_readable(documents, department, EVERYTHING))
        )

    def without_gone(self, rests_on: Sequence[Basis]) -> tuple[Basis, ...]:
        """Return what a text rests on once an agent has confirmed it without the documents that are gone.

        Whoever might not read those still doesn't see it.
        """
        gone = self.gone(rests_on)
        return tuple(replace(basis, document="") if basis.document in gone else basis for basis in rests_on)


class Sight:
    """What an audience may see, as of when this was made.

    :param departments: those that the audience may ask.
    """

    def __init__(self, audience: Audience, departments: frozenset[str], find_readable: FindReadable) -> None:
        self.audience = audience
        self._departments = departments
        self._find_readable = find_readable
        self._known: dict[str, bool] = {}

    def sees(self, rests_on: Iterable[Basis]) -> bool:
        """Return whether the audience may see what rests on this."""
        return self.each([rests_on])[0]

    def sees_answer(self, answer: Answer) -> bool:
        """Return whether the audience may see an answer."""
        return self.sees(answer.grounds)

    def each(self, answers: Iterable[Iterable[Basis]]) -> list[bool]:
        """Return for each list of bases whether the audience may see what rests on it."""
        listed = [tuple(each) for each in answers]
        for department, documents in _documents(basis for each in listed for basis in each).items():
            asked = documents - self._known.keys()
            if asked and department in self._departments:
                readable = set(self._find_readable(asked, department, self.audience))
                self._known.update({document: document in readable for document in asked})
        return [all(map(self._holds, each)) for each in listed]

    def _holds(self, basis: Basis) -> bool:
        if basis.department not in self._departments:
            return False
        if basis.document and not self._known.get(basis.document, False):
            return False
        return not basis.readers or self.audience.may_read(frozenset(basis.readers))


def _documents(rests_on: Iterable[Basis]) -> dict[str, set[str]]:
    found = defaultdict[str, set[str]](set)
    for basis in rests_on:
        if basis.document:
            found[basis.department].add(basis.document)
    return found


def _within(turn: Turn, department: str) -> bool:
    return all(basis.department == department for basis in turn.rests_on)
