"""How a question ended: a table of cases, and what holds for all facts; shares with their intervals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.outcomes.deciding import MEANINGS, WAIT, Facts, Outcome, decide
from bot.domain.outcomes.figures import FIGURES, SHARES, Share, change, ended, figures, grouped, over_time

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
FRESH, OLD = AT - timedelta(hours=71, minutes=59), AT - WAIT


def facts(answered_at: datetime = OLD, **more: Any) -> Facts:
    given: dict[str, Any] = {
        "question_id": "q", "answer_id": "a", "department": "it", "channel": "web", "asked_at": answered_at,
        "answered_at": answered_at, **more,
    }  # fmt: skip
    return Facts(**given)


@pytest.mark.parametrize(
    ("known", "outcome"),
    [
        (facts(), "assumed"),
        (facts(FRESH), "open"),
        (facts(AT + timedelta(hours=1)), "open"),  # a clock was set back
        (facts(sourced=False), "abandoned"),
        (facts(voted_down=True), "abandoned"),
        (facts(FRESH, voted_down=True), "open"),
        (facts(compared=False), "open"),
        (facts(compared=False, sourced=False), "open"),
        (facts(FRESH, asker_vote="up"), "confirmed"),
        (facts(asker_vote="up"), "confirmed"),
        (facts(asker_vote="up", sourced=False), "confirmed"),
        (facts(asker_vote="up", voted_down=True), "confirmed"),  # by somebody else
        (facts(asker_vote="up", rephrased=True), "confirmed"),
        (facts(asker_vote="up", handover="closed"), "confirmed"),
        (facts(asker_vote="up", refused=True), "refused"),
        (facts(asker_vote="down", voted_down=True), "abandoned"),
        (facts(FRESH, refused=True), "refused"),
        (facts(refused=True, rephrased=True), "refused"),
        (facts(refused=True, handover="waiting"), "refused"),
        (facts(FRESH, refused=True, handover="waiting"), "open"),
        (facts(refused=True, handover="closed"), "refused"),
        (facts(refused=True, handover="replied"), "escalated-resolved"),
        (facts(FRESH, handover="replied"), "escalated-resolved"),
        (facts(asker_vote="up", handover="replied"), "escalated-resolved"),
        (facts(FRESH, handover="waiting"), "open"),
        (facts(handover="waiting"), "abandoned"),
        (facts(handover="closed"), "abandoned"),
        (facts(FRESH, handover="closed"), "open"),
        (facts(FRESH, rephrased=True), "rephrased"),
        (facts(FRESH, rephrased=True, handover="waiting"), "open"),
        (facts(rephrased=True, repeats=True), "rephrased"),
        (facts(repeats=True), "assumed"),
    ],
)
def test_each_case_has_its_outcome(known: Facts, outcome: str) -> None:
    assert decide(known, AT) == outcome


FACTS = st.builds(
    facts,
    answered_at=st.timedeltas(timedelta(days=-30), timedelta(days=30)).map(lambda each: AT + each),
    refused=st.booleans(),
    sourced=st.booleans(),
    asker_vote=st.sampled_from([None, "up", "down"]),
    voted_down=st.booleans(),
    handover=st.sampled_from(["", "waiting", "closed", "replied"]),
    rephrased=st.booleans(),
    repeats=st.booleans(),
    compared=st.booleans(),
)


@given(FACTS, st.timedeltas(timedelta(), timedelta(days=400)))
def test_what_holds_for_all_facts(known: Facts, later: timedelta) -> None:
    outcome = decide(known, AT)
    assert sum(FIGURES[each.value](ended([known], AT)[0]) for each in Outcome) == 1, "exactly one"

    against = decide(replace(known, asker_vote="down", voted_down=True), AT)
    assert against not in {Outcome.CONFIRMED, Outcome.ASSUMED}
    by_another = decide(replace(known, voted_down=True), AT)
    assert by_another == outcome or (outcome, by_another) == (Outcome.ASSUMED, Outcome.ABANDONED)

    if ended([known], AT)[0].settled:
        assert outcome is not Outcome.OPEN
    if outcome is Outcome.CONFIRMED:
        assert known.asker_vote == "up", "only the asker confirms"
    if outcome is Outcome.ASSUMED:
        assert known.sourced
        assert known.compared
        assert not any((known.voted_down, known.handover, known.rephrased, known.refused))
        assert AT - known.answered_at >= WAIT
    if known.refused:
        assert outcome in {Outcome.REFUSED, Outcome.ESCALATED, Outcome.OPEN}
    if outcome is not Outcome.OPEN:
        assert decide(known, AT + later) is outcome, "time alone changes nothing that is decided"
    elif known.compared and later >= timedelta(days=60):
        assert decide(known, AT + later) is not Outcome.OPEN, "nothing stays open for ever"


@given(FACTS)
def test_a_rephrasing_or_a_request_for_a_person_never_flatters(known: Facts) -> None:
    good = {Outcome.CONFIRMED, Outcome.ASSUMED}
    for worse in (replace(known, rephrased=True), replace(known, handover=known.handover or "waiting")):
        if decide(known, AT) not in good:
            assert decide(worse, AT) not in good


def test_every_outcome_has_a_meaning() -> None:
    assert list(MEANINGS) == list(Outcome)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(0, 0, 0, 1), (0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_intervals_are_wilsons(part: int, whole: int, low: float, high: float) -> None:
    assert Share(part, whole).interval == pytest.approx((low, high), abs=1e-4)


@given(st.integers(0, 500), st.integers(0, 500))
def test_an_interval_holds_its_share(part: int, more: int) -> None:
    share = Share(part, part + more)
    low, high = share.interval
    assert 0 <= low <= (share.value or 0) <= high <= 1


def test_a_change_is_said_only_if_the_intervals_are_apart() -> None:
    assert change(Share(5, 10), Share(6, 10)) == "unclear"
    assert change(Share(50, 1000), Share(200, 1000)) == "more"
    assert change(Share(200, 1000), Share(50, 1000)) == "fewer"
    assert change(Share(0, 0), Share(5, 5)) == "unclear"


def test_figures_count_their_questions_and_keep_confirmed_apart_from_assumed() -> None:
    found = ended(
        [
            facts(asker_vote="up"),
            facts(asker_vote="up", repeats=True),
            facts(asker_vote="up", handover="closed"),
            facts(),
            facts(repeats=True),
            facts(rephrased=True),
            facts(FRESH),
            facts(handover="replied", resolved_at=OLD + timedelta(hours=2)),
            facts(handover="replied", resolved_at=OLD + timedelta(hours=4)),
            facts(handover="replied", resolved_at=OLD - timedelta(hours=1)),  # a clock was set back
        ],
        AT,
    )
    made = figures(found)
    assert made.counts == {
        "asked": 10, "confirmed": 3, "assumed": 2, "escalated-resolved": 3, "refused": 0,
        "rephrased": 1, "abandoned": 0, "open": 1, "deflected-confirmed": 2, "deflected-assumed": 2,
        "first-contacts": 8, "first-contact-confirmed": 1, "first-contact-assumed": 1,
    }  # fmt: skip
    assert made.share("confirmed") == Share(3, 9)
    assert made.share("first-contact-assumed") == Share(1, 7)
    assert (made.handling.number, made.handling.median) == (3, timedelta(hours=2))
    assert made.handling.nine_in_ten == timedelta(hours=4)
    assert figures([]).handling.median is None
    assert not [name for name in FIGURES if made.counts[name] == 5], "no figure adds the two"


@given(st.lists(FACTS, max_size=20))
def test_no_figure_adds_confirmed_and_assumed(known: list[Facts]) -> None:
    found = ended(known, AT)
    for name in set(SHARES):
        outcomes = {each.outcome for each in found if FIGURES[name](each)}
        assert not {Outcome.CONFIRMED, Outcome.ASSUMED} <= outcomes


def test_a_quick_confirmation_counts_in_shares_only_once_silence_could_have_decided() -> None:
    made = figures(ended([facts(FRESH, asker_vote="up"), facts(FRESH), facts(), facts(refused=True)], AT))
    assert (made.counts["confirmed"], made.share("confirmed")) == (1, Share(0, 2))


def test_periods_without_questions_are_there_and_weeks_begin_on_monday() -> None:
    first, last = date(2026, 11, 12), date(2026, 11, 29)
    found = ended([facts(datetime(2026, 11, 15, 23, 59, tzinfo=UTC)), facts(datetime(2026, 11, 23, tzinfo=UTC))], AT)
    weeks = over_time(found, first, last, "week")
    assert [(f"{day:%a %d}", made.counts["asked"]) for day, made in weeks.items()] == [
        ("Mon 09", 1), ("Mon 16", 0), ("Mon 23", 1),
    ]  # fmt: skip
    days = list(over_time(found, first, last, "day"))
    assert (days[0], days[-1], len(days)) == (first, last, 18)
    assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(days))


def test_groups_are_shown_by_size() -> None:
    found = ended([facts(department="it"), facts(department="hr"), facts(department="hr")], AT)
    groups = grouped(found, lambda each: each.facts.department)
    assert [(name, made.counts["asked"]) for name, made in groups.items()] == [("hr", 2), ("it", 1)]
