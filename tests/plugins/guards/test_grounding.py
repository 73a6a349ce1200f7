from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.domain.people import Person
from bot.domain.questions import Passage, Question
from plugins.guards.grounding import GroundingSettings, check_answer

if TYPE_CHECKING:
    from bot.domain.answers import AnswerSource, Verdict

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


def judge(sentence: str, question: str = "How much leave do I earn?", adapter: str | None = None) -> Verdict:
    verdict = check_answer(
        Question(question, Person("user:ada")), sentence, PASSAGES, adapter, "model", GroundingSettings()
    )
    assert verdict is not None
    return verdict


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
def test_what_a_passage_says_passes(sentence: str) -> None:
    assert judge(sentence).ok


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("Staff earn 5 hours of leave each pay period.", "the number 5 is in no passage"),
        ("Staff earn 4 hours of leave, says Jane Smith.", "the name Jane is in no passage"),
        ("Leave requests need approval by the finance director.", "of its words are in the passage"),
        ("New laptops earn 4 hours of leave from the depot in Denver.", "4|of its words|name"),
    ],
)
def test_a_wrong_number_a_strange_name_or_mixed_words_do_not(sentence: str, reason: str) -> None:
    verdict = judge(sentence)
    assert not verdict.ok
    assert any(part in verdict.reason for part in reason.split("|"))


def test_names_may_come_from_the_question_but_claims_may_not() -> None:
    said = judge("Ask Maria Lopez, Ada.", "Whom should I, Ada, ask?")
    assert said.ok or "name" not in said.reason
    assert not judge("Maria Lopez grants the sabbatical.", "Who grants the sabbatical?").ok


def test_a_name_is_found_in_its_possessive_and_a_line_may_begin_with_an_apostrophe() -> None:
    rule = Passage(
        "3", "d", "news.md", "News", "It goes out on Tuesday\u2019s.\n- Don't forward GSA's mail.", 1, "hr", "g"
    )
    for sentence in ("It goes out on Tuesday\u2019s.", "\n- Don't forward GSA's mail."):
        said = check_answer(
            Question("When?", Person("user:ada")), sentence, [rule], "hr-1", "model", GroundingSettings()
        )
        assert said is not None
        assert said.ok, said.reason


def test_the_same_words_in_another_order_are_another_claim() -> None:
    verdict = judge("Maria Lopez pays staff leave for each 4 hours they ask period.")
    assert not verdict.ok


def test_a_long_sentence_of_the_base_model_beside_the_question_is_refused() -> None:
    beside = judge("New laptops come after five days, from the depot in Denver.")
    assert (beside.ok, beside.reason) == (False, "it misses the question")
    assert judge("New laptops come after five days, from the depot in Denver.", adapter="hr-1").ok
    assert judge("New laptops come after five days, from the depot in Denver.", "When does my laptop come?").ok


def test_the_number_of_a_step_is_no_claim() -> None:
    assert judge("3) Ask Maria Lopez.").ok
    assert not judge("3 people ask Maria Lopez.").ok


def test_without_passages_there_is_nothing_to_check() -> None:
    assert check_answer(Question("hi", Person("user:ada")), "Anything.", [], None, "model", GroundingSettings()) is None


@pytest.mark.parametrize("source", ["passage", "curated", "plugin", "none"])
def test_only_what_the_model_writes_must_be_in_a_passage(source: AnswerSource) -> None:
    said = check_answer(
        Question("hi", Person("user:ada")), "It costs $97.", PASSAGES, None, source, GroundingSettings()
    )
    assert said is None


FORM = "https://forms.example.com/parking"
MARKED = Passage(
    "3",
    "d",
    "forms.md",
    "Parking",
    "Fill in the parking form. The fee is 60 dollars.",
    1,
    "hr",
    "g",
    markdown=f"Fill in the [parking form]({FORM}). The fee is ~~45~~ 60 dollars.",
)


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        (f"Fill in the [parking form]({FORM}) [1].", ""),
        ("The fee is ~~45~~ 60 dollars [1].", ""),
        ("The fee is 45 dollars [1].", "the number 45 is in no passage"),
        ("Fill in the [parking form](https://evil.example/?q=pay) [1].", "the link https://evil.example/"),
        (f"Fill in the [parking form]({FORM}/other) [1].", "the link"),
    ],
)
def test_a_quotation_may_hold_its_passages_links_and_no_others(sentence: str, reason: str) -> None:
    asked = Question("How do I park?", Person("user:ada"))
    verdict = check_answer(asked, sentence, [MARKED], "r1", "model", GroundingSettings())
    assert verdict is not None
    assert (verdict.ok, reason in verdict.reason) == (not reason, True)


@pytest.mark.parametrize(
    ("sentence", "ok"),
    [
        ("全职员工每年享有15天带薪年假。[1]", True),
        ("全职员工每年享有１５天带薪年假。", True),
        ("全职员工每年享有20天带薪年假。", False),
        ("部门经理可以随时取消所有员工的奖金。", False),
    ],
)
def test_a_sentence_without_spaces_is_judged_word_by_word(sentence: str, ok: bool) -> None:
    page = Passage("4", "d", "leave.md", "年假", "全职员工每年享有15天带薪年假。未使用的可以结转。", 1, "hr", "g")
    question = Question("每年有几天年假？", Person("user:ada"))
    said = check_answer(question, sentence, [page], "hr-1", "model", GroundingSettings())
    assert said is not None
    assert said.ok is ok, said.reason
