"""Who asks and who reads: people, roles and audiences; and what an answer rests on, which its readers must read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EVERYONE = "everyone"
"""The principal that is part of every audience. The whole company may read documents with this reader."""


QUALIFIED = re.compile(r"[a-z_-]+:\S+")
"""A person, principal or conversation place in full: its kind or its channel plugin, and which."""


KINDS = ("user", "department")
"""The kinds of principals besides :data:`EVERYONE` and places, whose kind is their channel's name."""


def principal_problem(principal: object) -> str:
    """Return why this can't be the reader of a document, as a sentence with what to write; empty if it can.

    Only the form is checked: nobody knows all names, and a source may name people before they sign in.
    """
    expected = f"Expected user:NAME, department:NAME, a channel such as slack:C024BE91L, or {EVERYONE}."
    if principal == EVERYONE:
        return ""
    if not isinstance(principal, str) or not QUALIFIED.fullmatch(principal):
        return f"{principal!r:.100} can't be the reader of a document. {expected}"
    kind, _, name = principal.partition(":")
    likely = get_close_matches(kind, [*KINDS, EVERYONE], n=1, cutoff=0.8)
    if kind not in KINDS and likely:
        meant = EVERYONE if likely[0] == EVERYONE else f"{likely[0]}:{name}"
        return f"{principal!r:.100} can't be the reader of a document. Did you mean {meant!r}? {expected}"
    return ""


class Role(StrEnum):
    """What a person may do. Each role includes the ones before it."""

    EMPLOYEE = "employee"
    AGENT = "agent"
    OPERATOR = "operator"

    def includes(self, other: Role) -> bool:
        """Return whether a person with this role may do what ``other`` may do."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class Scope(StrEnum):
    """What an API token may be used for, within its person's own permissions."""

    READ = "questions:read"
    ASK = "questions:write"
    EDIT = "conversations:write"
    VOTE = "votes:write"
    CORRECT = "corrections:write"
    ACT = "actions:write"
    JUDGE = "desk:write"
    OPERATE = "console:write"


SCOPES = {
    Scope.READ: "list departments, and read your questions, answers and conversations",
    Scope.ASK: "ask, stop answers, and hand questions to a person",
    Scope.EDIT: "rename and delete your conversations",
    Scope.VOTE: "vote on your answers",
    Scope.CORRECT: "correct your answers",
    Scope.ACT: "confirm the actions under your answers",
    Scope.JUDGE: "use the desk, as an agent",
    Scope.OPERATE: "use the console, as an operator",
}
"""What each scope allows, as words after "may"."""


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who asks, votes or corrects. ``id`` starts with the channel, such as ``slack:U024BE7LH``."""

    id: str
    name: str = ""
    role: Role = Role.EMPLOYEE
    """In every department."""
    roles: frozenset[tuple[str, Role]] = frozenset()
    """In single departments, beyond :attr:`role`."""

    def role_in(self, department: str) -> Role:
        """Return what the person is in a department: an agent of one department is no agent of another."""
        own = next((role for name, role in self.roles if name == department), self.role)
        return own if own.includes(self.role) else self.role

    def is_anywhere(self, role: Role) -> bool:
        """Return whether the person has a role in at least one department."""
        return self.role.includes(role) or any(own.includes(role) for _, own in self.roles)


def usable_scopes(person: Person) -> tuple[Scope, ...]:
    """Return the scopes that a person can make use of now."""
    beyond = {Scope.JUDGE: person.is_anywhere(Role.AGENT), Scope.OPERATE: person.role.includes(Role.OPERATOR)}
    return tuple(scope for scope in Scope if beyond.get(scope, True))


def principals_of(person_id: str) -> frozenset[str]:
    """Return the principals that a person is: ``web:ada``, who signs in as ada, is also ``user:ada``."""
    if person_id.startswith("user:"):
        return frozenset({person_id})
    channel, _, name = person_id.partition(":")
    return frozenset({f"user:{person_id}", *([f"user:{name}"] if channel == "web" else [])})


@dataclass(frozen=True, slots=True)
class Audience:
    """Everyone who will see an answer, as principals: ``everyone``, ``user:…``, ``department:…``.

    In a direct message or in web chat, this is the person who asks. In a Slack channel, it is the channel. The audience
    may read a document if the document's readers include one of its principals.
    """

    principals: frozenset[str] = frozenset({EVERYONE})
    unrestricted: bool = False
    """For operators, who can change every permission and may read everything."""

    def may_read(self, readers: frozenset[str]) -> bool:
        """Return whether the audience may read something with these readers."""
        return self.unrestricted or not self.principals.isdisjoint(readers)


@dataclass(frozen=True, slots=True, order=True)
class Basis:
    """One thing that an answer rests on: a document, or without one the department itself.

    :param department: whoever sees the answer must be allowed to ask it.
    :param document: the document's id; it must still exist and be readable.
    :param readers: the document's own readers when the answer was made; none means those of the department. Whoever
        sees the answer must be among these too, because the document may have been another text then.
    """

    department: str
    document: str = ""
    readers: tuple[str, ...] = ()


def united(*bases: Iterable[Basis]) -> tuple[Basis, ...]:
    """Return all of the bases, each once, in a fixed order."""
    return tuple(sorted({basis for each in bases for basis in each}))


def bases_from(stored: Iterable[Mapping[str, Any]]) -> tuple[Basis, ...]:
    """Return bases as they were stored by ``dataclasses.asdict``."""
    return tuple(Basis(each["department"], each["document"], tuple(each["readers"])) for each in stored)
