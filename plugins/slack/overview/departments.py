"""The departments that somebody may ask, and what they may read of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bot.access.departments import Departments
    from bot.access.rights import Rights, Sight
    from bot.domain.answers import Citation
    from bot.domain.people import Audience, Basis, Person
    from retrieval.catalog import Catalog


@dataclass(frozen=True, slots=True)
class AskableDepartment:
    """A department that somebody may ask.

    :param documents: how many documents of it they may read.
    :param updated: when those documents were last synced into the index; ``None`` where there are none.
    :param addresses: of these documents.
    :param sight: what they may see of earlier answers.
    :param unrestricted: whether they may read what is no longer there, too: an operator.
    """

    name: str
    title: str
    examples: tuple[str, ...]
    documents: int
    updated: datetime | None
    addresses: frozenset[str]
    sight: Sight
    unrestricted: bool = False

    def shows(self, citations: Iterable[Citation], rests_on: Iterable[Basis]) -> bool:
        """Return whether they may be told of an answer that names these pages and rests on this."""
        return self.unrestricted or (self.cites_readable(citations) and self.sight.sees(rests_on))

    def cites_readable(self, citations: Iterable[Citation]) -> bool:
        """Return whether every page that an answer names is among those they may read."""
        return all(citation.document in self.addresses for citation in citations)


class AskableDepartments:
    """Finds the departments that somebody may ask."""

    def __init__(self, departments: Departments, rights: Rights, catalog: Catalog) -> None:
        self._departments = departments
        self._rights = rights
        self._catalog = catalog

    def of_person(self, person: Person) -> tuple[AskableDepartment, ...]:
        """Return the departments that a person may ask."""
        return self.of(self._departments.audience_of(person))

    def of(self, audience: Audience) -> tuple[AskableDepartment, ...]:
        """Return the departments that an audience may ask, by name, with what it may read of each."""
        indexed, sight, found = self._catalog.departments(), self._rights.sight(audience), []
        for each in self._departments.all():
            if not audience.may_read(each.readers):
                continue
            addresses = frozenset(self._catalog.readable(each.name, audience).values())
            updated = indexed[each.name].indexed_at if addresses and each.name in indexed else None
            parts = (len(addresses), updated, addresses, sight, audience.unrestricted)
            found.append(AskableDepartment(each.name, each.title, each.examples, *parts))
        return tuple(found)
