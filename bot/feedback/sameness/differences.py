"""Finds what makes two questions different, whatever their vectors say."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bot.feedback.sameness.alignment import Alignment, opposites, undoes
from bot.feedback.sameness.lexicon import lexicon
from bot.feedback.sameness.reading import SELF

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bot.feedback.sameness.reading import Reading

Kind = Literal[
    "negation",
    "opposite",
    "undone",
    "replaced",
    "number",
    "group",
    "name",
    "direction",
    "subject",
    "question",
]

ALIKE = frozenset(
    map(
        frozenset,
        (
            ("definition", "choice"),
            ("definition", "amount"),
            *(("choice", kind) for kind in ("time", "person", "amount")),
            ("definition", "price"),
        ),
    )
)
"""Kinds of questions that are worded as each other: "What's the limit?" and "How much may I spend?"."""

NEAR = frozenset(
    map(
        frozenset,
        (
            ("place", "person"),
            ("count", "amount"),
            ("price", "amount"),
            ("price", "choice"),
            ("count", "definition"),
            ("count", "duration"),
            ("action", "reason"),
            ("action", "definition"),
            ("effect", "definition"),
            ("effect", "manner"),
            ("amount", "duration"),
            ("duration", "choice"),
            ("time", "duration"),
            ("place", "choice"),
            ("place", "manner"),
            ("manner", "choice"),
            *(("definition", kind) for kind in ("time", "duration", "place", "person", "manner")),
            *(("action", kind) for kind in ("manner", "effect", "permission", "person")),
            *(("permission", kind) for kind in ("manner", "effect", "choice", "person")),
            *(("manner", kind) for kind in ("person", "effect")),
        ),
    )
)
"""Kinds of questions that sometimes are."""


DECISIVE = frozenset[Kind]({"number", "name", "undone"})
"""What decides even if only one question says it. The classifier weighs the others."""

VAGUE = frozenset({"manner", "permission", "definition", "choice", "action", "place"})
"""Kinds of questions that a few words can stand for: "VPN access?"."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something in which two questions differ.

    :param contradicts: whether they exclude each other. Otherwise, one of them only says more.
    """

    kind: Kind
    contradicts: bool = True


def differences(first: Reading, second: Reading, alignment: Alignment) -> tuple[Difference, ...]:
    """Return the differences that the rules see."""
    return tuple(_differences(first, second, alignment))


def _differences(first: Reading, second: Reading, alignment: Alignment) -> Iterator[Difference]:
    if first.negated != second.negated:
        yield Difference("negation")
    if opposites(alignment.left, alignment.right):
        yield Difference("opposite")
    elif undoes(alignment.left) != undoes(alignment.right) or _turned(first, second, alignment):
        yield Difference("undone", contradicts=False)
    sides = (alignment.left, alignment.right)
    if all(sides) and not all(term.verb for terms in sides for term in terms):
        yield Difference("replaced", contradicts=False)  # one thing for another that no list knows as the same
    if first.numbers != second.numbers:
        yield Difference("number", contradicts=bool(first.numbers and second.numbers))
    yield from _groups(alignment)
    names = [[term for term in terms if term.name] for terms in (alignment.left, alignment.right)]
    if any(names):
        yield Difference("name", contradicts=all(names))
    direction = _direction(first, second) or _swapped(first, second)
    if direction is not None:
        yield direction
    if _other_subject(first, second) or (first.owned != second.owned and first.owned and second.owned):
        yield Difference("subject", contradicts=False)
    yield from _kinds(first.asks, second.asks, exact=not (alignment.left or alignment.right))


def _turned(first: Reading, second: Reading, alignment: Alignment) -> bool:
    """Return whether one question has both a word and its opposite: "My account is locked, how do I unlock it?"."""
    both = [*opposites(alignment.left, second.terms), *opposites(alignment.right, first.terms)]
    lines = ({line for line, _ in a.senses} & {line for line, _ in b.senses} for a, b in both)
    return any(not found.isdisjoint(lexicon().pairs) for found in lines)


def _kinds(first: frozenset[str], second: frozenset[str], *, exact: bool) -> Iterator[Difference]:
    """Yield how the kinds of the questions differ.

    :param exact: whether all terms have a pair. Only then one kind may stand for another.
    """
    if not first.isdisjoint(second) or not (first or second):
        return
    if not (first and second):
        if not (first | second <= VAGUE if exact else "manner" in first | second):
            yield Difference("question", contradicts=False)
        return
    kinds = {frozenset((a, b)) for a in first for b in second}
    if not exact or kinds.isdisjoint(ALIKE):
        yield Difference("question", contradicts=kinds.isdisjoint(ALIKE | NEAR))


def _groups(alignment: Alignment) -> Iterator[Difference]:
    """Yield the groups of which the questions name different members, and those of which only one names any."""
    sides: dict[int, tuple[set[int], set[int]]] = defaultdict(lambda: (set(), set()))
    for position, terms in enumerate((alignment.left, alignment.right)):
        for term in terms:
            if term.member is not None:
                sides[term.member[0]][position].add(term.member[1])
    for left, right in sides.values():
        yield Difference("group", contradicts=bool(left and right))


def _other_subject(first: Reading, second: Reading) -> bool:
    """Return whether somebody else may act: "Who sent it?" and "Who do I send it to?"."""
    if first.subject == second.subject:
        return False
    if not {"effect", "person"}.isdisjoint(first.asks & second.asks):
        return True
    if SELF in (first.subject, second.subject):
        return first.subject != "" != second.subject
    for acting, other in ((first, second), (second, first)):
        if any(str(term.member) == acting.subject and term.direction for term in other.terms):
            return True
    return False


def _swapped(first: Reading, second: Reading) -> Difference | None:
    """Return whether two people have changed roles: "Can patients call doctors?", "Can doctors call patients?"."""
    people = lexicon().people
    orders = [[t.member for t in each.terms if t.member and t.member[0] == people] for each in (first, second)]
    swapped = len(set(orders[0])) > 1 and orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])
    passive = ("by" in first.plain.split()) != ("by" in second.plain.split())
    return Difference("direction") if swapped and not passive else None


def _direction(first: Reading, second: Reading) -> Difference | None:
    """Return whether two things have changed places, or only one question says that something comes from somewhere.

    Changed places are "from A to B" and "from B to A", or "A to B" and "B to A".
    """
    moved: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for position, reading in enumerate((first, second)):
        for term in reading.terms:
            moved[term.stem][position].add(term.direction)
    changed = [(left, right) for left, right in moved.values() if left and right and left.isdisjoint(right)]
    lost, gained = (set().union(*(sides[end] for sides in changed if sides[1 - end] == {""})) for end in (0, 1))
    if lost & gained or any("" not in left | right for left, right in changed):
        return Difference("direction")
    return Difference("direction", contradicts=False) if "from" in lost | gained else None
