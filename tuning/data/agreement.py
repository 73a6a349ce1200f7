"""Finds people whose votes contradict everybody else's far more than people usually do.

For each vote, the majority of the *other* people who voted on the same answer to the same question is what the vote is
compared with; ties and lone votes say nothing. Agents and operators are compared with each other only: it is their work
to contradict. People contradict each other on :data:`USUAL` of the answers even in good
faith, so a person stands out only by an exact binomial test: how likely are at least so many contradictions among so
many comparisons at the usual rate, or at the rate of all others in this department if that is higher? The level is
divided by the number of people tested (Bonferroni), so a department without outliers loses somebody at most once in so
many rounds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bot.domain.feedback import VoteValue

USUAL = 0.31
"""Raters of FeedbackQA agree on 69-71% of the answers (Li et al., Findings of ACL 2022)."""

Ballot = tuple[str, "VoteValue", float]
"""Person, value, and how much the vote counts: 1 for employees, more for agents and operators."""


@dataclass(frozen=True, slots=True)
class Contradictions:
    """How often a person contradicted the majority of the others, and the probability of that by chance."""

    contradicted: int
    compared: int
    probability: float


def outliers(ballots: Iterable[Iterable[Ballot]], level: float) -> Mapping[str, Contradictions]:
    """Return the people who contradict the others significantly more than usual.

    :param ballots: the votes on each answer, one per person.
    """
    compared: dict[str, int] = defaultdict(int)
    contradicted: dict[str, int] = defaultdict(int)
    for ballot in ballots:
        votes = [(person, weight if value == "up" else -weight) for person, value, weight in ballot]
        whole = sum(weight for _, weight in votes)
        trusted = sum(weight for _, weight in votes if abs(weight) > 1)
        for person, weight in votes:
            if others := (trusted if abs(weight) > 1 else whole) - weight:
                compared[person] += 1
                contradicted[person] += others * weight < 0
    everyone, against = sum(compared.values()), sum(contradicted.values())
    found = {}
    for person, number in compared.items():
        rest = everyone - number
        usual = max(USUAL, (against - contradicted[person]) / rest if rest else 0)
        probability = _at_least(contradicted[person], number, usual)
        if probability < level / len(compared):
            found[person] = Contradictions(contradicted[person], number, probability)
    return found


def _at_least(successes: int, trials: int, rate: float) -> float:
    """Return the probability of at least so many successes."""
    if successes == 0 or rate >= 1:
        return 1.0
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * math.log(rate)
            + (trials - k) * math.log1p(-rate)
        )
        for k in range(successes, trials + 1)
    )
