"""Figures made of outcomes, each with the questions that it counts.

Shares are of settled questions, whose 72 hours are over: of fresher ones only quick outcomes are known, such as
confirmations, and these would be overrated. Shares have the 95 % interval of Wilson (1927). No figure adds confirmed
and assumed questions.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal

from bot.domain.outcomes.deciding import WAIT, Facts, Outcome, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import date, datetime

Step = Literal["day", "week"]
Z = 1.959964
"""Half-width of a 95 % interval, in standard deviations."""

NINE_IN_TEN = 0.9


@dataclass(frozen=True, slots=True)
class Share:
    """Part of a whole, with the 95 % interval of what it estimates."""

    part: int
    whole: int

    @property
    def value(self) -> float | None:
        """The share, or ``None`` of nothing."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float, float]:
        """The ends of the interval; from 0 to 1 of nothing."""
        if not self.whole:
            return 0.0, 1.0
        share, spread = self.part / self.whole, Z * Z / self.whole
        half = Z * math.sqrt(share * (1 - share) / self.whole + spread / (4 * self.whole))
        low, high = ((share + spread / 2 + sign * half) / (1 + spread) for sign in (-1, 1))
        return max(low, 0.0) if self.part else 0.0, min(high, 1.0) if self.part < self.whole else 1.0


def change(before: Share, after: Share) -> Literal["more", "fewer", "unclear"]:
    """Return whether a share has changed: only if the two intervals have nothing in common."""
    if before.interval[1] < after.interval[0]:
        return "more"
    return "fewer" if after.interval[1] < before.interval[0] else "unclear"


@dataclass(frozen=True, slots=True)
class Ended:
    """A question with its outcome.

    :param settled: whether silence has decided it, if nothing else has. It is not open then.
    """

    facts: Facts
    outcome: Outcome
    settled: bool

    @property
    def alone(self) -> bool:
        """Whether nobody asked for a person."""
        return not self.facts.handover

    @property
    def first(self) -> bool:
        """Whether it is the first time that its asker asked it; asking again is still the same contact."""
        return not self.facts.repeats

    @property
    def once(self) -> bool:
        """Whether its asker asked it once, and nobody asked for a person."""
        return self.first and self.alone and not self.facts.rephrased


def _ended_so(outcome: Outcome, question: Ended) -> bool:
    return question.outcome is outcome


FIGURES: Mapping[str, Callable[[Ended], bool]] = {
    "asked": lambda _: True,
    **{outcome.value: partial(_ended_so, outcome) for outcome in Outcome},
    "deflected-confirmed": lambda each: each.outcome is Outcome.CONFIRMED and each.alone,
    "deflected-assumed": lambda each: each.outcome is Outcome.ASSUMED and each.alone,
    "first-contacts": lambda each: each.first,
    "first-contact-confirmed": lambda each: each.outcome is Outcome.CONFIRMED and each.once,
    "first-contact-assumed": lambda each: each.outcome is Outcome.ASSUMED and each.once,
}
"""Which questions each figure counts, by the figure's name."""

SHARES: Mapping[str, str] = {
    **{outcome.value: "asked" for outcome in Outcome if outcome is not Outcome.OPEN},
    "deflected-confirmed": "asked",
    "deflected-assumed": "asked",
    "first-contact-confirmed": "first-contacts",
    "first-contact-assumed": "first-contacts",
}
"""Of which figure's settled questions each share is a part."""


@dataclass(frozen=True, slots=True)
class Handling:
    """How long it took from a question to a person's reply; ``None`` where no person replied."""

    number: int
    median: timedelta | None
    nine_in_ten: timedelta | None


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of some questions.

    :param counts: how many questions each of :data:`FIGURES` counts.
    :param settled: how many of these are settled.
    """

    counts: Mapping[str, int]
    settled: Mapping[str, int]
    handling: Handling

    def share(self, figure: str) -> Share:
        """Return a figure's share, see :data:`SHARES`."""
        return Share(self.settled[figure], self.settled[SHARES[figure]])


def ended(facts: Iterable[Facts], at: datetime) -> tuple[Ended, ...]:
    """Return questions with their outcomes as of a moment."""
    return tuple(Ended(each, decide(each, at), each.compared and at - each.answered_at >= WAIT) for each in facts)


def figures(questions: Iterable[Ended]) -> Figures:
    """Return the figures of some questions."""
    counts, settled = dict.fromkeys(FIGURES, 0), dict.fromkeys(FIGURES, 0)
    times: list[timedelta] = []
    for each in questions:
        for name in (name for name, counted in FIGURES.items() if counted(each)):
            counts[name] += 1
            settled[name] += each.settled
        if each.outcome is Outcome.ESCALATED and each.facts.resolved_at is not None:
            times.append(max(each.facts.resolved_at - each.facts.asked_at, timedelta()))  # clocks are set back
    return Figures(counts, settled, _handling(sorted(times)))


def grouped(questions: Iterable[Ended], key: Callable[[Ended], str]) -> dict[str, Figures]:
    """Return the figures of each group of questions, the largest group first."""
    groups: dict[str, list[Ended]] = defaultdict(list)
    for each in questions:
        groups[key(each)].append(each)
    sizes = Counter({name: len(members) for name, members in groups.items()})
    return {name: figures(groups[name]) for name, _ in sorted(sizes.items(), key=lambda item: (-item[1], item[0]))}


def over_time(questions: Iterable[Ended], first: date, last: date, step: Step) -> dict[date, Figures]:
    """Return the figures of each day or week (from Monday, in UTC) in which questions were asked, gaps included."""
    groups: dict[date, list[Ended]] = {}
    start = begin(first, step)
    while start <= last:
        groups[start] = []
        start += timedelta(days=7 if step == "week" else 1)
    for each in questions:
        day = begin(each.facts.asked_at.date(), step)
        if day in groups:
            groups[day].append(each)
    return {day: figures(members) for day, members in groups.items()}


def begin(day: date, step: Step) -> date:
    """Return the first day of the step that a day is in."""
    return day - timedelta(days=day.weekday()) if step == "week" else day


def _handling(times: Sequence[timedelta]) -> Handling:
    if not times:
        return Handling(0, None, None)
    low, high = times[(len(times) - 1) // 2], times[len(times) // 2]
    return Handling(len(times), (low + high) / 2, times[math.ceil(NINE_IN_TEN * len(times)) - 1])
