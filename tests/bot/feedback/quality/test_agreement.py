"""Krippendorff's alpha, held against the values of the literature."""

from __future__ import annotations

import pytest

from bot.feedback.quality.agreement import Agreement, ordinal_alpha

NONE = None
OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3),
    (NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE),
)
"""Four observers, twelve units, missing data: section C of the source, where its ordinal alpha is 0.815."""

MEG, OWEN = (0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0)
"""Section A of the source: alpha is 0.095. With two grades, the ordinal metric is the nominal one."""


def test_missing_data_and_four_observers() -> None:
    units = [[grade for grade in unit if grade is not None] for unit in zip(*OBSERVERS, strict=True)]
    found = ordinal_alpha(units)
    assert found.alpha == pytest.approx(0.815, abs=0.0005)
    assert found.units == 11, "the last unit has one grade only"


def test_two_observers_and_two_grades() -> None:
    assert ordinal_alpha(zip(MEG, OWEN, strict=True)).alpha == pytest.approx(0.095, abs=0.0005)


def test_neither_the_order_of_raters_nor_the_distance_of_numbers_counts() -> None:
    units = [(1, 2), (2, 3), (3, 3), (1, 1)]
    assert ordinal_alpha(units) == ordinal_alpha([unit[::-1] for unit in reversed(units)])
    spread = {1: 10, 2: 20, 3: 1_000}
    assert ordinal_alpha([[spread[grade] for grade in unit] for unit in units]) == ordinal_alpha(units)


@pytest.mark.parametrize(
    ("units", "agreement"),
    [
        ([], Agreement(None, 0)),
        ([(1,), (2,), ()], Agreement(None, 0)),
        ([(1, 1), (1, 1)], Agreement(None, 2)),
        ([(1, 1), (3, 3)], Agreement(1.0, 2)),
        ([(1, 3), (3, 1)], Agreement(-0.5, 2)),
    ],
)
def test_the_ends_of_the_scale(units: list[tuple[int, ...]], agreement: Agreement) -> None:
    assert ordinal_alpha(units) == agreement
