"""Small multiples: for each outcome its share in each period, with intervals, and a sentence that says what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.outcomes.deciding import MEANINGS, Outcome
from bot.domain.outcomes.figures import change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from bot.domain.outcomes.figures import Figures, Share, Step

WIDTH, HEIGHT = 320, 128
LEFT, RIGHT, TOP, BOTTOM = 40, 8, 8, 24
"""Room around the points for the labels of the axes."""

DRAWN = tuple(outcome for outcome in Outcome if outcome is not Outcome.OPEN)


@dataclass(frozen=True, slots=True)
class Point:
    """A share in the units of the picture. ``ends`` are those of its interval.

    :param early: whether questions of the period aren't settled yet.
    :param label: says the same in words.
    """

    x: float
    y: float
    ends: tuple[float, float]
    early: bool
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The shares of one outcome.

    :param sentence: what the chart shows.
    :param lines: the points that are joined; a period without settled questions parts them.
    :param levels: heights of the grid's lines, with their labels.
    :param ends: labels of the first and the last period.
    """

    outcome: str
    meaning: str
    sentence: str
    points: Sequence[Point]
    lines: Sequence[str]
    levels: Sequence[tuple[float, str]]
    ends: tuple[str, str]


def charts(steps: Mapping[date, Figures], step: Step) -> list[Chart]:
    """Return a chart for each outcome, all of one scale."""
    highest = max((each.share(outcome.value).value or 0 for each in steps.values() for outcome in DRAWN), default=0)
    top = next(level for level in (0.25, 0.5, 1.0) if highest <= level)
    return [_chart(outcome, steps, step, top) for outcome in DRAWN]


def headline(steps: Mapping[date, Figures], step: Step) -> str:
    """Return what has changed clearly between the last two periods whose questions are all settled."""
    settled = _settled(steps)
    if len(settled) < 2:  # noqa: PLR2004 - a comparison
        return f"There aren't two {step}s yet in which every question is settled, so nothing is compared."
    before, after = settled[-2:]
    said = []
    for outcome in DRAWN:
        how = change(steps[before].share(outcome.value), steps[after].share(outcome.value))
        if how != "unclear":
            said.append(f"{how} {_VERBS[outcome]}")
    when = f"in the {step} of {after:%d %b} than in that of {before:%d %b}"
    if not said:
        return f"No outcome was clearly more or less frequent {when}."
    return f"{_listed(said).capitalize()} {when}."


def percent(share: Share) -> str:
    """Return a share with its interval, as people read it."""
    if share.value is None:
        return "none settled"
    low, high = share.interval
    return f"{share.value:.0%} ({low:.0%}–{high:.0%})"


_VERBS = {
    Outcome.CONFIRMED: "questions were confirmed",
    Outcome.ASSUMED: "questions were assumed to be answered",
    Outcome.ESCALATED: "questions were resolved by a person",
    Outcome.REFUSED: "questions were refused",
    Outcome.REPHRASED: "questions were rephrased",
    Outcome.ABANDONED: "questions were abandoned",
}


def _chart(outcome: Outcome, steps: Mapping[date, Figures], step: Step, top: float) -> Chart:
    days = list(steps)
    room = (WIDTH - LEFT - RIGHT) / max(len(days), 1)
    points: list[Point] = []
    runs: list[list[Point]] = [[]]
    for place, day in enumerate(days):
        share, total = steps[day].share(outcome.value), steps[day]
        if share.value is None:
            runs.append([])
            continue
        early = total.settled["asked"] < total.counts["asked"]
        low, high = (_height(end, top) for end in share.interval)
        label = f"{step.capitalize()} of {day:%d %b}: {share.part} of {share.whole}, {percent(share)}"
        points.append(Point(LEFT + room * (place + 0.5), _height(share.value, top), (low, high), early, label))
        runs[-1].append(points[-1])
    lines = [" ".join(f"{each.x:.1f},{each.y:.1f}" for each in run) for run in runs if len(run) > 1]
    levels = [(_height(level, top), f"{level:.0%}") for level in (0.0, top / 2, top)]
    ends = (f"{days[0]:%d %b}", f"{days[-1]:%d %b}") if days else ("", "")
    return Chart(outcome.value, MEANINGS[outcome], _sentence(outcome, steps, step), points, lines, levels, ends)


def _sentence(outcome: Outcome, steps: Mapping[date, Figures], step: Step) -> str:
    settled = _settled(steps)
    if not settled:
        return f"No {step} is settled yet."
    share = steps[settled[-1]].share(outcome.value)
    said = f"{percent(share)} in the {step} of {settled[-1]:%d %b}"
    if len(settled) > 1:
        how = change(steps[settled[-2]].share(outcome.value), share)
        said += {"unclear": ": no clear change", "more": ": more than before", "fewer": ": fewer than before"}[how]
    return f"{said}."


def _settled(steps: Mapping[date, Figures]) -> list[date]:
    """Return the periods with questions that are all settled."""
    return [
        day for day, each in steps.items() if each.counts["asked"] and each.settled["asked"] == each.counts["asked"]
    ]


def _height(share: float, top: float) -> float:
    room = HEIGHT - TOP - BOTTOM
    return round(TOP + room * (1 - min(share, top) / top), 1)


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
