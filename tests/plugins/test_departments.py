from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from bot.domain.people import Person
from bot.domain.questions import Question
from plugins.departments.travel.vouchers import add_business_days, due_answer, trip_end

if TYPE_CHECKING:
    from bot.app import Mentee
    from bot.testing.homes import MakeHome

NAMES = ("it", "hr", "travel", "procurement", "security", "operations", "general")
TODAY = date(2026, 3, 20)


def question(text: str) -> Question:
    return Question(text, Person("cli:ada"))


@pytest.fixture
def demo(make_home: MakeHome) -> Mentee:
    return make_home(built_in=tuple(f"plugins.departments.{name}" for name in NAMES))


def test_every_department_is_offered_with_its_pages(demo: Mentee) -> None:
    specs = {spec.name: spec for spec in demo.plugins.register_departments()}
    assert set(specs) == set(NAMES)
    for spec in specs.values():
        (folder,) = spec.sources
        assert spec.examples
        assert spec.glossary
        assert folder.endswith(f"examples/handbook/{spec.name}")
        demo.departments.add(spec, actor="test")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("My trip ended on 12 March. When is my voucher due?", "Thursday, 19 March 2026"),
        ("i got back 2026-03-13, voucher deadline?", "Friday, 20 March 2026"),
        ("When is the voucher due if I return on March 12th, 2025?", "Wednesday, 19 March 2025"),
        ("back on 31 Dec, voucher due when", "Wednesday, 7 January 2026"),
    ],
)
def test_the_voucher_date_is_computed(text: str, day: str) -> None:
    answer = due_answer(text, TODAY, 5)
    assert answer is not None
    assert day in answer.text
    assert answer.citations[0].n == 1


@pytest.mark.parametrize(
    "text",
    [
        "When is my voucher due?",
        "When is my voucher due if I was away from 2 March to 12 March?",
        "My trip ended on 31 February, when is my voucher due?",
        "When is the report of 12 March due?",
        "I handed in my voucher on 12 March.",
    ],
)
def test_other_questions_go_to_the_model(text: str) -> None:
    assert due_answer(text, TODAY, 5) is None


def test_business_days_skip_weekends() -> None:
    assert add_business_days(date(2026, 3, 13), 1) == date(2026, 3, 16)
    assert trip_end("on 1st of April 2025", TODAY) == date(2025, 4, 1)


def test_the_number_of_days_is_a_setting_of_the_department(demo: Mentee) -> None:
    model = demo.plugins.register_settings("departments-travel")
    demo.plugins.states.configure(
        "departments-travel", "travel", {"voucher_business_days": 1}, actor="test", model=model
    )
    asked = question("My trip ended on 2026-03-12. When is my voucher due?")
    answer = demo.plugins.answer_directly(asked, "travel")
    assert answer is not None
    assert "Friday, 13 March 2026: 1 business day after" in answer.text
    assert demo.plugins.answer_directly(asked, "hr") is None
