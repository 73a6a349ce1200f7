from __future__ import annotations

import math

import pytest

from tuning.evaluation.metrics import (
    exact_match,
    grounded_precision,
    length_error,
    length_ratio,
    normalise,
    rouge_l,
    score,
    token_f1,
)


def test_squad_normalisation_drops_case_punctuation_and_articles() -> None:
    assert normalise("The  Answer, is:  an Apple!") == "answer is apple"
    assert exact_match("The apple.", "apple") == 1.0
    assert exact_match("apples", "apple") == 0.0


def test_token_f1_counts_repeated_words_once_per_occurrence() -> None:
    # 2 shared of 3 said and 4 wanted: precision 2/3, recall 1/2
    assert token_f1("reset password password", "reset your password now") == pytest.approx(2 * 2 / 7)
    assert token_f1("", "") == 1.0
    assert token_f1("", "word") == 0.0


def test_rouge_l_is_the_stemmed_longest_common_subsequence() -> None:
    # "cancel order" against "cancelling the order": stems cancel, order; F of 2/2 and 2/3
    assert rouge_l("cancel order", "cancelling the order") == pytest.approx(0.8)
    assert rouge_l("order cancel", "cancel order") == pytest.approx(0.5)


def test_grounded_precision_needs_passages_and_words() -> None:
    assert grounded_precision("leave is 15 days", ["Annual leave is 20 days"]) == pytest.approx(0.75)
    assert grounded_precision("anything", []) is None
    assert grounded_precision("", ["text"]) is None


def test_lengths_are_told_as_ratio_and_as_error_in_both_directions() -> None:
    assert length_ratio("one two", "one two three four") == 0.5
    assert length_error("one two", "one two three four") == pytest.approx(math.log(2))
    assert length_error("one two three four", "one two") == pytest.approx(math.log(2))
    assert math.isfinite(length_error("", "one two"))


def test_score_marks_empty_and_endless_answers() -> None:
    assert score("", "a reference")["empty"] == 1.0
    assert score("on and on", "short", endless=True)["endless"] == 1.0
    assert score("same", "same")["grounded_precision"] is None


def test_answers_without_spaces_are_compared_by_parts() -> None:
    said, wanted = "年假为十五天，每年。", "每年有十五天年假。"
    scores = score(said, wanted, [wanted])
    assert 0 < (scores["token_f1"] or 0) < 1
    assert 0 < (scores["rouge_l"] or 0) < 1
    assert 0.5 < (scores["length_ratio"] or 0) < 2
    assert score("食堂在二楼。", wanted, [wanted])["token_f1"] == 0
