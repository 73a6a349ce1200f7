from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from tuning.data.split import MOST_HELD_OUT, choose_held_out

if TYPE_CHECKING:
    from collections.abc import Sequence


def questions_in(sizes: Sequence[int]) -> dict[str, str]:
    return {f"question {name}.{number}": f"c{name}" for name, size in enumerate(sizes) for number in range(size)}


def chosen_of(
    sizes: Sequence[int], *, frozen: int = 0, share: float = 0.2, least: int = 4, least_rows: int = 0
) -> tuple[set[str], int, int]:
    questions = questions_in(sizes)
    chosen = choose_held_out(questions, questions, frozen, share=share, least=least, least_rows=least_rows)
    return chosen, sum(Counter(questions.values())[name] for name in chosen), len(questions)


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), max_size=80), st.integers(0, 50), st.floats(0.05, 0.5))
def test_never_more_than_half_of_the_questions_are_held_out(sizes: Sequence[int], frozen: int, share: float) -> None:
    chosen, held, total = chosen_of(sizes, frozen=frozen, share=share)
    assert held <= total / 2
    assert chosen == chosen_of(sizes, frozen=frozen, share=share)[0]


def test_a_large_cluster_is_trained_on_while_smaller_ones_are_there() -> None:
    chosen, held, _ = chosen_of([100, *[1] * 100])
    assert "c0" not in chosen
    assert held == 40


def test_large_clusters_are_taken_when_there_are_no_others() -> None:
    chosen, held, total = chosen_of([20] * 10)
    assert len(chosen) == 2
    assert held == 0.2 * total


def test_what_is_frozen_counts_towards_the_share() -> None:
    assert chosen_of([1] * 80, frozen=20)[1] == 0
    assert chosen_of([1] * 80, frozen=10)[1] == 8


def test_a_small_department_holds_out_what_a_round_needs_if_enough_is_left_to_train() -> None:
    assert chosen_of([1] * 60, least=20, least_rows=40)[1] == 20
    assert chosen_of([1] * 50, least=20, least_rows=40)[1] == 10


def test_the_held_out_set_ends_growing() -> None:
    assert chosen_of([1] * 5000)[1] == MOST_HELD_OUT


def test_questions_without_a_right_answer_are_not_held_out() -> None:
    questions = questions_in([1] * 20)
    assert choose_held_out(questions, [], 0, share=0.5, least=1, least_rows=0) == set()
