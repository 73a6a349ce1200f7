from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tuning.data.agreement import _at_least, outliers
from tuning.data.bursts import alike, in_burst

if TYPE_CHECKING:
    from tuning.data.agreement import Ballot

START = datetime(2026, 5, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def department(rng: random.Random, people: int = 30, answers: int = 60) -> list[list[Ballot]]:
    """Return honest votes: 85% agree with what most think, so two people agree on about 75%."""
    return [
        [(f"p{n}", "up" if rng.random() < 0.85 else "down", 1.0) for n in rng.sample(range(people), 5)]
        for _ in range(answers)
    ]


def test_honest_people_are_almost_never_outliers() -> None:
    assert sum(bool(outliers(department(random.Random(seed)), 0.01)) for seed in range(200)) <= 2


def test_who_always_contradicts_is_one() -> None:
    votes = department(random.Random(0))
    for ballot in votes[:12]:
        ups = sum(value == "up" for _, value, _ in ballot)
        ballot.append(("mallory", "down" if ups >= 3 else "up", 1.0))
    found = outliers(votes, 0.01)
    assert set(found) == {"mallory"}
    assert (found["mallory"].contradicted, found["mallory"].compared) == (12, 12)


def test_an_agent_may_contradict_employees() -> None:
    votes: list[list[Ballot]] = [[("p1", "up", 1.0), ("p2", "up", 1.0), ("agent", "down", 3.0)] for _ in range(30)]
    assert "agent" not in outliers(votes, 0.01)


def test_the_probability_is_the_binomial_tail() -> None:
    assert _at_least(7, 7, 0.31) == pytest.approx(0.31**7)
    assert _at_least(0, 7, 0.31) == 1.0
    assert _at_least(1, 3, 0.5) == pytest.approx(7 / 8)


def test_a_burst_is_more_than_so_many_within_the_time() -> None:
    slow = [START + n * HOUR for n in range(100)]
    assert in_burst(slow, 3, HOUR * 2) == set()
    fast = [START + n * HOUR / 10 for n in range(-5, 0)]
    assert in_burst([*slow[1:], *fast], 4, HOUR) == set(fast)


def test_accounts_in_lockstep_are_alike_and_others_are_not() -> None:
    acts = [(f"g{n}", f"answer {k}", START + n * HOUR / 60) for n in range(5) for k in range(4)]
    acts += [(f"h{n}", f"answer {k}", START + (n + 1) * HOUR * 24) for n in range(5) for k in range(4)]
    assert alike(acts, 5, HOUR) == {f"g{n}" for n in range(5)}
    assert alike(acts, 6, HOUR) == set()
