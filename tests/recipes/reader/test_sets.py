from __future__ import annotations

import random

import pytest

from bot.domain.questions import Passage
from recipes.reader.recipe import Asking
from recipes.reader.rows import ReadingRow
from recipes.reader.sets import Found, apart_sets, grounded_sets, handbook_sets, look_up

PAGES = {
    "leave.md": ["You earn four hours of leave.", "Send form 71 to payroll.", "Holidays are paid."],
    "travel.md": ["Hotels need a receipt.", "Trains are booked in Concur.", "Meals need none."],
}


def passage(text: str, page: str = "leave.md") -> Passage:
    return Passage(f"{page}:{text}", page, f"handbook/{page}", "", text, 1.0, "hr", "g")


ALL = [passage(text, page) for page, texts in PAGES.items() for text in texts]


def row(number: int, answer: str, page: str = "leave.md", facts: tuple[str, ...] = ()) -> ReadingRow:
    return ReadingRow(f"r{number}", "written", "CC0", f"q{number}", answer, "hr", facts, page)


def how(passages: int, questions: int = 4, missing: float = 0.0, beside: float = 2) -> Asking:
    return Asking(passages=passages, questions=questions, refusals=0.5, missing=missing, beside=beside, answer_chars=0)


ROWS = [
    row(1, "Four hours of leave.", facts=("four hours",)),
    row(2, "Send form 71.", facts=("form 71",)),
    row(3, ""),
    row(4, "In Concur.", "travel.md", ("Concur",)),
    row(5, "A receipt.", "travel.md", ("receipt",)),
]


def search(row: ReadingRow, text: str, k: int) -> list[Passage]:  # noqa: ARG001 - the protocol's signature
    """Rank the pages' passages in an order of their own for each text."""
    order = random.Random(text)
    return order.sample(ALL, len(ALL))[:k]


@pytest.fixture
def found() -> list[Found]:
    return look_up(ROWS, search, 6)


def test_the_answering_passage_is_found_by_its_facts_on_its_page(found: list[Found]) -> None:
    assert {item.row.id: item.gold and item.gold.text for item in found} == {
        "r1": "You earn four hours of leave.",
        "r2": "Send form 71 to payroll.",
        "r3": None,
        "r4": "Trains are booked in Concur.",
        "r5": "Hotels need a receipt.",
    }


def test_a_row_whose_facts_stand_nowhere_is_left_out() -> None:
    assert look_up([row(9, "Ask Bob.", facts=("Bob",))], search, 6) == []


@pytest.mark.parametrize("seed", range(20))
def test_each_question_is_asked_once_with_its_answer_at_the_place_it_names(found: list[Found], seed: int) -> None:
    sets = list(handbook_sets(found, how(3), random.Random(seed)))
    answered = [(asked.id, made.passages[place]) for made in sets for asked, place in made.asked if place is not None]
    gold = {item.row.id: item.gold for item in found if item.gold}
    assert dict(answered) == gold
    assert len(answered) == len(gold)
    for made in sets:
        assert len(made.passages) <= 3
        assert len({one.chunk_id for one in made.passages}) == len(made.passages)
        assert 1 <= len(made.asked) <= 4


@pytest.mark.parametrize("missing", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(20))
def test_a_refusal_is_never_of_a_question_that_its_passages_answer(
    found: list[Found], seed: int, missing: float
) -> None:
    for made in handbook_sets(found, how(2, missing=missing), random.Random(seed)):
        texts = " ".join(one.text for one in made.passages)
        refused = [asked for asked, place in made.asked if place is None]
        assert not any(fact in texts for asked in refused for fact in asked.key_facts)


def test_open_questions_are_asked_among_neighbours_and_never_where_another_passage_answers_them() -> None:
    texts = [one.text for one in ALL]
    by_passage = {text: [ReadingRow(text, "open", "CC", f"about {text}", text, passage=text)] for text in texts}
    # The same question as a retrieval miss: its own passage is another one.
    by_passage[texts[1]].append(ReadingRow("miss", "open", "CC", f"about {texts[0]}", "", passage=texts[1]))
    neighbours = {one.text: [one, *(other for other in ALL if other != one)] for one in ALL}
    missed = 0
    for seed in range(20):
        sets = list(grounded_sets(by_passage, neighbours, how(3, 8), random.Random(seed)))
        for made in sets:
            shown = [one.text for one in made.passages]
            for asked, place in made.asked:
                assert place is None or shown[place] == asked.passage
                assert asked.id != "miss" or texts[0] not in shown
                missed += asked.id == "miss"
        assert {asked.id for made in sets for asked, place in made.asked if place is not None} == set(texts)
    assert missed > 0


@pytest.mark.parametrize("kind", ["handbook", "open"])
def test_answers_that_are_missing_are_refused_among_passages_that_do_not_hold_them(
    found: list[Found], kind: str
) -> None:
    asked_without = how(2, 8, missing=0.99)
    if kind == "handbook":
        sets = list(handbook_sets(found, asked_without, random.Random(1)))
    else:
        facts = {one.text: one.text.split()[-1].strip(".") for one in ALL}
        by_passage = {
            text: [ReadingRow(text, "open", "CC", f"about {text}", text, key_facts=(fact,), passage=text)]
            for text, fact in facts.items()
        }
        neighbours = {one.text: [one, *(other for other in ALL if other != one)] for one in ALL}
        sets = list(grounded_sets(by_passage, neighbours, asked_without, random.Random(1)))
    refused = [(asked, made) for made in sets for asked, place in made.asked if place is None and asked.answerable]
    assert len(refused) >= 3
    for asked, made in refused:
        assert made.passages
        assert not any(fact in one.text for fact in asked.key_facts for one in made.passages)


def test_asked_of_single_passages_a_question_is_answered_by_its_own_and_refused_elsewhere(found: list[Found]) -> None:
    made = list(apart_sets(found, how(1), random.Random(1)))
    assert all(len(one.passages) == 1 for one in made)
    assert all(len(one.asked) <= 4 for one in made)
    answered = {asked.id: one.passages[0] for one in made for asked, place in one.asked if place == 0}
    assert answered == {item.row.id: item.gold for item in found if item.gold}
    refused = [(asked, one.passages[0]) for one in made for asked, place in one.asked if place is None]
    assert {asked.id for asked, _ in refused} == {item.row.id for item in found}
    assert not any(fact in passage.text for asked, passage in refused for fact in asked.key_facts)


def test_part_of_the_questions_may_be_asked_of_a_passage_beside(found: list[Found]) -> None:
    asked = [one for seed in range(40) for one in apart_sets(found, how(1, beside=0.25), random.Random(seed))]
    refused = sum(place is None for one in asked for _, place in one.asked)
    assert 0.15 < refused / (40 * len(found)) < 0.35
