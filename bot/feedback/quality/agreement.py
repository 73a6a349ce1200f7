"""How far raters agree: Krippendorff's alpha for grades that have an order.

The measure and its names are those of K. Krippendorff, *Computing Krippendorff's Alpha-Reliability*, University of
Pennsylvania, 2011, https://repository.upenn.edu/handle/20.500.14332/2089, with the ordinal metric of section E.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far raters agree.

    :param alpha: 1 if they always agree, 0 if no more than by chance, less than 0 if they contradict each other.
        ``None`` if nothing can be said: nobody rated what another one did, or all grades are the same.
    :param units: how many answers at least two people rated.
    """

    alpha: float | None
    units: int


def ordinal_alpha(units: Iterable[Sequence[int]]) -> Agreement:
    """Return the agreement of raters about units.

    :param units: the grades that each unit got, in any order; a unit with one grade, or none, is left out.
    """
    pairable = [unit for unit in units if len(unit) > 1]
    coincidences: dict[tuple[int, int], float] = {}
    for unit in pairable:
        for pair in permutations(unit, 2):
            coincidences[pair] = coincidences.get(pair, 0.0) + 1 / (len(unit) - 1)
    totals = Counter(grade for unit in pairable for grade in unit)
    number = totals.total()
    if len(totals) < 2:  # noqa: PLR2004 - without two different grades, chance agrees, too
        return Agreement(None, len(pairable))
    disagreement = sum(weight * _distance(totals, *pair) for pair, weight in coincidences.items())
    by_chance = sum(
        totals[one] * totals[other] * _distance(totals, one, other) for one, other in permutations(totals, 2)
    )
    return Agreement(1 - (number - 1) * disagreement / by_chance, len(pairable))


def _distance(totals: Mapping[int, int], one: int, other: int) -> float:
    """Return the squared distance of two grades: how many grades lie between them, those at the ends by half."""
    low, high = sorted((one, other))
    if low == high:
        return 0.0
    between = sum(number for grade, number in totals.items() if low <= grade <= high)
    return (between - (totals[low] + totals[high]) / 2) ** 2
