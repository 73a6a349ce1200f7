import pytest

from bot.messages import Passage, Person, Question
from plugins.guards.grounding import GroundingSettings, check_answer

PASSAGES = [
    Passage(
        "1",
        "d",
        "leave.md",
        "Annual leave",
        "Staff earn 4 hours of leave each pay period. Ask Maria Lopez.",
        1,
        "hr",
        "g",
    ),
    Passage(
        "2", "d", "laptops.md", "Laptops", "New laptops come after five days, from the depot in Denver.", 1, "hr", "g"
    ),
]


def judge(sentence, question="How much leave do I earn?", adapter=None):
    return check_answer(Question(question, Person("user:ada")), sentence, PASSAGES, adapter, GroundingSettings())


@pytest.mark.parametrize(
    "sentence",
    [
        "Staff earn 4 hours of leave each pay period [1].",
        "You earn 4 hours of leave each pay period.",
        "Ask Maria Lopez.",
        "- New laptops come",
        "Yes.",
    ],
)
def test_what_a_passage_says_passes(sentence):
    assert judge(sentence).ok


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Staff earn 5 hours of leave each pay period.", "the number 5 is in no passage"),
        ("Staff earn 4 hours of leave, says Jane Smith.", "the name Jane is in no passage"),
        ("Leave requests need approval by the finance director.", "holds only"),
        ("New laptops earn 4 hours of leave from the depot in Denver.", "4|holds only|name"),
    ],
)
def test_a_wrong_number_a_strange_name_or_mixed_words_do_not(sentence, reason):
    verdict = judge(sentence)
    assert not verdict.ok
    assert any(part in verdict.reason for part in reason.split("|"))


def test_names_may_come_from_the_question_but_claims_may_not():
    said = judge("Ask Maria Lopez, Ada.", "Whom should I, Ada, ask?")
    assert said.ok or "name" not in said.reason
    assert not judge("Maria Lopez grants the sabbatical.", "Who grants the sabbatical?").ok


def test_a_name_is_found_in_its_possessive_and_a_line_may_begin_with_an_apostrophe():
    rule = Passage(
        "3", "d", "news.md", "News", "It goes out on Tuesday\u2019s.\n- Don't forward GSA's mail.", 1, "hr", "g"
    )
    for sentence in ("It goes out on Tuesday\u2019s.", "\n- Don't forward GSA's mail."):
        said = check_answer(Question("When?", Person("user:ada")), sentence, [rule], "hr-1", GroundingSettings())
        assert said.ok, said.reason


def test_the_same_words_in_another_order_are_another_claim():
    verdict = judge("Maria Lopez pays staff leave for each 4 hours they ask period.")
    assert not verdict.ok


def test_a_long_sentence_of_the_base_model_beside_the_question_is_refused():
    beside = judge("New laptops come after five days, from the depot in Denver.")
    assert (beside.ok, beside.reason) == (False, "it is beside the question")
    assert judge("New laptops come after five days, from the depot in Denver.", adapter="hr-1").ok
    assert judge("New laptops come after five days, from the depot in Denver.", "When does my laptop come?").ok


def test_the_number_of_a_step_is_no_claim():
    assert judge("3) Ask Maria Lopez.").ok
    assert not judge("3 people ask Maria Lopez.").ok


def test_without_passages_there_is_nothing_to_check():
    assert check_answer(Question("hi", Person("user:ada")), "Anything.", [], None, GroundingSettings()) is None
