from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tuning.evaluation.compare import interval, resampled_means
from tuning.evaluation.gate import decide

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def rows(values: Iterable[float], **others: float) -> list[dict[str, float | None]]:
    return [{"rouge_l": float(value), "empty": 0.0, "endless": 0.0, **others} for value in values]


def clusters(n: int) -> list[str]:
    return [f"c{i}" for i in range(n)]


def noisy_scores(
    rng: np.random.Generator, n: int, gain: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Per-question difficulty shared by both sides, and each side's own noise, as two samplings of one model give."""
    difficulty = rng.uniform(0.1, 0.6, n)
    return difficulty + rng.normal(0, 0.08, n), difficulty + rng.normal(0, 0.08, n) + gain


@pytest.mark.timeout(180)  # ten thousand resamplings for each seed
def test_a_champion_against_its_own_noise_is_promoted_in_at_most_5_percent_of_200_seeds() -> None:
    promoted = 0
    for seed in range(200):
        old, new = noisy_scores(np.random.default_rng(seed), 60)
        promoted += decide(rows(old), rows(new), clusters(60), seed=seed).promote
    assert promoted / 200 <= 0.05


def test_a_known_gain_is_promoted() -> None:
    old, new = noisy_scores(np.random.default_rng(1), 60, gain=0.1)
    decision = decide(rows(old), rows(new), clusters(60))
    assert decision.verdict == "better"
    assert decision.promote
    assert decision.reason.startswith("The challenger is better and replaces the champion. ")
    low, high = decision.metrics["rouge_l"].interval
    assert 0 < low < 0.1 < high


def test_the_champion_against_itself_is_inconclusive_and_stays() -> None:
    same = rows([0.3, 0.4, 0.5] * 10)
    decision = decide(same, same, clusters(30))
    assert decision.verdict == "inconclusive"
    assert decision.reason.startswith("The champion stays. ")


def test_a_known_loss_is_worse() -> None:
    old, new = noisy_scores(np.random.default_rng(2), 60, gain=-0.1)
    assert decide(rows(old), rows(new), clusters(60)).verdict == "worse"


def test_a_small_noisy_difference_is_inconclusive_and_a_tight_one_not_worse() -> None:
    old, new = noisy_scores(np.random.default_rng(3), 30)
    assert decide(rows(old), rows(new), clusters(30)).verdict == "inconclusive"
    tight = np.tile([0.001, -0.001], 30)
    assert decide(rows(np.full(60, 0.4)), rows(0.4 + tight), clusters(60)).verdict == "not_worse"


def test_a_better_score_with_a_broken_end_of_sequence_is_refused() -> None:
    old, new = noisy_scores(np.random.default_rng(4), 60, gain=0.2)
    endless = [{**row, "endless": float(i % 2)} for i, row in enumerate(rows(new))]
    decision = decide(rows(old), endless, clusters(60))
    assert decision.verdict == "refused"
    assert not decision.promote
    assert "don't end" in decision.reason


@pytest.mark.parametrize(
    ("metric", "old_value", "new_value", "says"),
    [
        ("empty", 0.0, 1.0, "empty"),
        ("grounded_precision", 0.9, 0.5, "grounded"),
        ("length_error", 0.1, 0.9, "length"),
        ("private", 0.0, 1.0, "personal data or a canary"),
    ],
)
def test_each_guard_refuses_a_challenger_that_wins_the_primary_metric(
    metric: str, old_value: float, new_value: float, says: str
) -> None:
    old, new = noisy_scores(np.random.default_rng(5), 40, gain=0.2)
    decision = decide(rows(old, **{metric: old_value}), rows(new, **{metric: new_value}), clusters(40))
    assert decision.verdict == "refused"
    assert says in decision.reason


def test_one_leaked_canary_is_enough() -> None:
    old, new = noisy_scores(np.random.default_rng(6), 40, gain=0.2)
    leaky = rows(new, private=0.0)
    leaky[7] = {**leaky[7], "private": 1.0}
    assert decide(rows(old, private=0.0), leaky, clusters(40)).verdict == "refused"


def test_too_few_questions_conclude_nothing() -> None:
    old, new = noisy_scores(np.random.default_rng(7), 10, gain=0.5)
    decision = decide(rows(old), rows(new), clusters(10), minimum=20)
    assert decision.verdict == "inconclusive"
    assert "10 held-out questions; a comparison needs 20" in decision.reason


def test_copies_of_a_question_do_not_count_as_evidence() -> None:
    differences = np.array([0.1, 0.12, -0.05, 0.08, -0.02, 0.09])
    alone = interval(np.repeat(differences, 20), clusters(120))
    clustered = interval(np.repeat(differences, 20), [c for c in clusters(6) for _ in range(20)])
    assert clustered[1] - clustered[0] > 3 * (alone[1] - alone[0])


def test_looking_again_at_the_same_questions_asks_for_more_certainty() -> None:
    old = np.full(40, 0.4)
    noise = np.random.default_rng(8).normal(size=40)
    new = old + 0.02 + 0.05 * (noise - noise.mean()) / noise.std()
    first = decide(rows(old), rows(new), clusters(40))
    tenth = decide(rows(old), rows(new), clusters(40), looks=10)
    assert first.verdict == "better"
    assert tenth.verdict != "better"
    assert tenth.confidence == pytest.approx(0.995)


def test_the_bootstrap_is_seeded() -> None:
    values = np.random.default_rng(9).normal(size=30)
    assert np.array_equal(resampled_means(values, clusters(30), seed=3), resampled_means(values, clusters(30), seed=3))
