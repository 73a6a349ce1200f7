"""The grades on the desk's form: read from what a browser sent, and shown again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bot.domain.errors import MenteeError
from bot.domain.feedback import GRADES, RUBRIC, RUBRIC_VERSION
from bot.feedback.reasons import RATED_CAUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from bot.domain.feedback import Rating

CAUSE_KEYS: Mapping[str, str] = {
    "wrong source": "w",
    "outdated": "o",
    "missing": "n",
    "misunderstood": "m",
    "unfounded": "i",
    "unsafe": "u",
    "other": "x",
}
"""The key that chooses each cause; none of them decides anything."""


@dataclass(frozen=True, slots=True)
class Grades:
    """What was chosen on the form, as it was sent; a missing grade is an empty text."""

    chosen: Mapping[str, str]
    cause: str = ""

    def values(self) -> tuple[int, int, int, int]:
        """Return the grades as numbers, in the order of the rubric.

        :raises MenteeError: one is missing, or isn't one that there is.
        """
        known = {str(number): number for number in GRADES}
        missing = [RUBRIC[name] for name, grade in self.chosen.items() if grade not in known]
        if missing:
            raise MenteeError(f"Not graded yet: {', '.join(missing)}.", hint="Choose yes, partly or no for each.")
        correct, complete, tone, layout = (known[self.chosen[name]] for name in RUBRIC)
        return correct, complete, tone, layout


def read_grades(given: Mapping[str, list[str]]) -> Grades | None:
    """Return what a form says of grades, or ``None`` if it has none."""
    if not RUBRIC.keys() & given.keys():
        return None
    return Grades({name: given.get(name, [""])[0] for name in RUBRIC}, given.get("cause", [""])[0])


def form_values(own: Rating | None, refused: Grades | None, reasons: Collection[str]) -> dict[str, Any]:
    """Return what the form shows.

    :param own: the agent's earlier rating.
    :param refused: what they chose, if it wasn't accepted.
    :param reasons: those of the votes down; if all name one cause, it is chosen.
    """
    meant = {reason for reason in reasons if reason in RATED_CAUSES and reason != "other"}
    grades, cause = {}, next(iter(meant)) if len(meant) == 1 else ""
    if refused is not None:
        grades, cause = dict(refused.chosen), refused.cause
    elif own is not None:
        grades, cause = {name: str(grade) for name, grade in own.grades.items()}, own.cause
    return {
        "rubric": RUBRIC,
        "grades": {str(number): word for number, word in GRADES.items()},
        "causes": [(code, label, CAUSE_KEYS[code]) for code, label in RATED_CAUSES.items()],
        "chosen": grades,
        "cause": cause,
        "saved": own is not None,
        "version": RUBRIC_VERSION,
    }


def in_words(ratings: Sequence[Rating], name: Callable[[str], str]) -> list[dict[str, Any]]:
    """Return ratings as the page lists them.

    :param name: returns a person's name by their id.
    """
    return [
        {
            "by": name(each.person.id),
            "said": ", ".join(f"{RUBRIC[key].lower()}: {GRADES[grade]}" for key, grade in each.grades.items()),
            "cause": RATED_CAUSES.get(each.cause, ""),
            "at": each.at,
        }
        for each in ratings
    ]
