from __future__ import annotations

import pytest

from recipes.reader.wording import numbered, quoted, sentence_about, window

PASSAGE = (
    "Coach class is the rule. Flights must be booked in Concur at least 15 days ahead, unless your supervisor, who also"
    " signs the authorization, has approved a later date in writing, in which case the reason goes into the comments."
)


def test_a_bare_answer_becomes_the_passages_own_sentence() -> None:
    assert sentence_about(PASSAGE, "which class?", "Coach class") == "Coach class is the rule."


def test_of_a_long_sentence_the_clause_with_the_answer_is_taken() -> None:
    told = sentence_about(PASSAGE, "where do I book?", "Concur")
    assert told == "Flights must be booked in Concur at least 15 days ahead."


def test_yes_and_no_are_followed_by_the_sentence_that_is_about_the_question() -> None:
    assert sentence_about(PASSAGE, "is coach class the rule", "Yes") == "Yes. Coach class is the rule."
    assert sentence_about(PASSAGE, "who feeds the office cat at night", "No") is None


def test_an_answer_that_the_passage_does_not_hold_is_left_out() -> None:
    assert sentence_about(PASSAGE, "who?", "the moon") is None


LEAVE = "Leave is earned. You earn four hours. Form 71 goes to payroll. - Holidays are paid. The end."


def test_the_sentences_that_hold_the_facts_are_quoted_with_those_around_them() -> None:
    assert quoted(LEAVE, "Send form 71 to payroll.", ["form 71"], 30) == "Form 71 goes to payroll."
    assert quoted(LEAVE, "Send form 71.", ["form 71"], 55) == "Form 71 goes to payroll. Holidays are paid. The end."
    both = "You earn four hours. Form 71 goes to payroll."
    assert quoted(LEAVE, "Four hours.", ["four hours", "form 71"], 50) == both


def test_without_facts_the_sentences_with_most_of_the_answers_words_are_quoted() -> None:
    assert quoted(LEAVE, "holidays are paid", [], 22) == "Holidays are paid."
    assert quoted(LEAVE, "the moon is a cheese", [], 22) is None


def test_a_passage_without_the_facts_is_not_quoted() -> None:
    assert quoted(LEAVE, "Ask Bob about leave.", ["Bob"], 80) is None


def test_the_number_stands_before_the_last_mark() -> None:
    assert numbered("One. Two!", 2) == "One. Two [2]!"
    assert numbered("A line of a list", 1) == "A line of a list [1]."


@pytest.mark.parametrize(("answer", "held"), [("sentence 9 ends", "sentence 9 ends"), ("", "sentence 0 ends")])
def test_a_long_passage_is_cut_at_whole_sentences_around_the_answer(answer: str, held: str) -> None:
    passage = " ".join(f"Here sentence {number} ends." for number in range(20))
    cut = window(passage, answer, 120)
    assert held in cut
    assert len(cut) <= 120
    assert cut in passage
    assert cut.endswith("ends.")


def test_a_passage_that_is_long_by_its_empty_lines_is_taken_whole() -> None:
    assert window("One two.\n\n\n\n" * 10, "", 100).count("One two.") == 10


def test_of_several_sentences_with_the_answer_the_one_about_the_question_is_taken() -> None:
    passage = "The cocoon holds earthworm eggs. Leeches move their eggs to a cocoon."
    assert sentence_about(passage, "Where do leeches move eggs?", "cocoon") == "Leeches move their eggs to a cocoon."
