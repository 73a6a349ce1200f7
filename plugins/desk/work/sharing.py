"""Shares the queue among agents: who works on what, and who gets what next. Everything here is blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.errors import ConflictError, ForbiddenError, NotFoundError
from bot.domain.people import Role
from bot.feedback.quality.signals import Signal
from bot.feedback.waiting import Waiting
from plugins.desk.work.claims import HeldError, Work
from plugins.desk.work.ordering import points, why
from plugins.desk.work.sampling import Sample, sampled_answer

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from bot.access.departments import Departments
    from bot.domain.people import Person
    from bot.feedback.reviews import Reviews
    from plugins.desk.work.claims import Claim, Claims
    from plugins.desk.work.sampling import Samples

Item = Waiting | Sample

TAKEN = "Somebody else has just decided this."


@dataclass(frozen=True, slots=True)
class Sharing:
    """The queue of each agent, without what others are working on."""

    reviews: Reviews
    departments: Departments
    claims: Claims
    samples: Samples

    def queue(self, person: Person) -> tuple[Item, ...]:
        """Return what waits for an agent, in the order in which to work on it (:mod:`plugins.desk.work.ordering`)."""
        samples = self.samples.waiting(person)
        unrated = {each.answer_id for each in samples}  # whoever still rates an answer isn't told what others think
        found = self.reviews.queue(person)
        waiting = [each for each in found if each.kind != "weak" or each.answer_id not in unrated]
        known = self.reviews.signals([each.answer_id for each in waiting])
        ordered = sorted(
            waiting,
            key=lambda each: (-points(each.kind, known.get(each.answer_id, Signal()), each.at), each.at, each.id),
        )
        return (*ordered, *samples)

    def why(self, item: Item) -> str:
        """Return why an item comes early, as a sentence."""
        return why(item.kind, self.reviews.signals([item.answer_id]).get(item.answer_id, Signal()))

    def held(self) -> tuple[Claim, ...]:
        """Return who works on what, the claim that ends first first."""
        held = self.claims.held()
        void = self._void(held)
        return tuple(each for each in held if each not in void)

    def open(self, person: Person, item: str) -> None:
        """Hold an item for the person if it waits for them and nobody else holds it."""
        found = [each for each in self.queue(person) if each.id == item]
        self._take_first(person, found)

    def next_for(self, person: Person, items: Sequence[str] | None = None, *, kind: str = "") -> str:
        """Hold the first item that nobody else holds, and return its id; an empty text if there is none.

        :param items: those to choose from, in this order; by default the person's queue.
        :param kind: only items of this kind.
        """
        waiting = {each.id: each for each in self.queue(person) if kind in ("", each.kind)}
        wanted = waiting if items is None else [each for each in items if each in waiting]
        claim = self._take_first(person, [waiting[each] for each in wanted])
        return claim.item if claim is not None else ""

    def after(self, person: Person, item: str) -> list[str]:
        """Return the ids of what else is in the person's queue, beginning with what follows an item."""
        ids = [each.id for each in self.queue(person)]
        return ids[ids.index(item) + 1 :] + ids[: ids.index(item)] if item in ids else ids

    def waiting(self, person: Person, item: str) -> Waiting:
        """Return an item that the person may decide.

        :raises ForbiddenError: they are no agent.
        :raises NotFoundError: there is no such thing, or they may not judge it.
        :raises ConflictError: somebody has decided it.
        """
        if not person.is_anywhere(Role.AGENT):
            raise ForbiddenError("Only support agents can do this.")
        found = next((each for each in self.reviews.queue(person) if each.id == item), None)
        if found is None:
            self.reviews.judged(person, item)  # refuses what they may not know of
            raise ConflictError(TAKEN)
        return found

    def answer_of(self, item: str) -> str:
        """Return what identifies the answer of an item to :meth:`bot.feedback.reviews.Reviews.judged`.

        :raises NotFoundError: it would be in the random sample, but isn't.
        """
        answer_id = sampled_answer(item)
        if answer_id and not self.samples.includes(answer_id):
            raise NotFoundError("There is nothing to decide here.", hint="It may have been erased.")
        return answer_id or item

    def sample(self, person: Person, item: str) -> Sample:
        """Return an answer of the random sample that the person can rate.

        :raises NotFoundError: there is no such thing, or the person may not judge it.
        :raises ConflictError: they or enough others have rated it.
        """
        found = next((each for each in self.samples.waiting(person) if each.id == item), None)
        if found is None:
            self.reviews.judged(person, self.answer_of(item))  # refuses what they may not know of
            raise ConflictError("This answer has all the ratings that it needs.")
        return found

    def hold(self, person: Person, item: Item) -> Claim:
        """Hold an item for longer, or again.

        :raises ConflictError: somebody else holds it.
        """
        self.held()  # ends the claims of people who may no longer judge
        try:
            return self.claims.renew(person.id, work(item))
        except HeldError as error:
            raise self._lost(error.claim) from None

    def require_free(self, person: Person, answer_id: str) -> None:
        """Make sure that nobody else is working on an answer.

        :raises ConflictError: somebody else holds it.
        """
        others = [each for each in self.held() if each.subject == answer_id and each.person_id != person.id]
        if others:
            raise self._lost(others[0])

    def name(self, claim: Claim) -> str:
        """Return the name of who holds something."""
        return self.departments.person(claim.person_id).name or claim.person_id

    def _lost(self, claim: Claim) -> ConflictError:
        return ConflictError(
            f"You no longer hold this item: {self.name(claim)} is working on it.",
            hint=f"You can take it over at {claim.until:%H:%M} UTC if they have left it.",
        )

    def _take_first(self, person: Person, items: Sequence[Item]) -> Claim | None:
        if not items:
            return None
        self.held()
        return self.claims.take_first(person.id, [work(each) for each in items])

    def _void(self, claims: Collection[Claim]) -> tuple[Claim, ...]:
        """End the claims of people who may no longer judge the department, and return them."""
        found: list[Claim] = []
        judged: dict[str, list[str]] = {}
        for claim in claims:
            if claim.person_id not in judged:
                judged[claim.person_id] = self.reviews.departments_of(self.departments.person(claim.person_id))
            if claim.department not in judged[claim.person_id]:
                found.append(claim)
        if found:
            self.claims.drop(found)
        return tuple(found)


def work(item: Item) -> Work:
    """Return what an agent who opens an item holds."""
    if isinstance(item, Sample):
        return Work(item.id, item.id, item.department, item.places)
    return Work(item.id, item.answer_id, item.department)
