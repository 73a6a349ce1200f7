"""The list of a person's threads."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import event

from bot.domain.answers import Answer
from bot.domain.identifiers import now
from bot.domain.people import Person
from bot.domain.questions import Question

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome, Mentee

ADA = Person("web:ada")


def ask(mentee: Mentee, text: str, thread: str, *, minutes: int) -> None:
    question = Question(
        text, ADA, channel="web", thread=thread, department="travel", received_at=now() + timedelta(minutes=minutes)
    )
    mentee.recorder.record(question, Answer(question.id, "Yes.", known=True, department="travel"))


def test_each_thread_has_its_first_question_and_the_last_one_asked_in_comes_first(make_home: MakeHome) -> None:
    mentee = make_home(departments=("travel",), built_in=())
    ask(mentee, "first", "c_1", minutes=0)
    ask(mentee, "second", "c_2", minutes=1)
    ask(mentee, "later", "c_1", minutes=2)
    mentee.history.name_thread("web:ada", "web", "c_2", "Named")
    found = mentee.history.threads("web:ada", "web", limit=10)
    assert [(each.thread, each.first_question, each.title) for each in found] == [
        ("c_1", "first", ""),
        ("c_2", "second", "Named"),
    ]
    assert [each.thread for each in mentee.history.threads("web:ada", "web", limit=1)] == ["c_1"]


def test_questions_of_the_same_moment_list_their_thread_once(make_home: MakeHome) -> None:
    mentee, at = make_home(departments=("travel",), built_in=()), now()
    for text in ("one", "two"):
        question = Question(text, ADA, channel="web", thread="c_1", department="travel", received_at=at)
        mentee.recorder.record(question, Answer(question.id, "Yes.", known=True, department="travel"))
    assert len(mentee.history.threads("web:ada", "web", limit=10)) == 1


def test_any_number_of_threads_takes_one_statement(make_home: MakeHome) -> None:
    mentee, seen = make_home(departments=("travel",), built_in=()), list[str]()
    for number in range(12):
        ask(mentee, f"question {number}", f"c_{number}", minutes=number)

    def note(*arguments: Any) -> None:
        seen.append(str(arguments[2]))

    event.listen(mentee.store.engine, "before_cursor_execute", note)
    assert len(mentee.history.threads("web:ada", "web", limit=10)) == 10
    assert len([each for each in seen if each.startswith("SELECT")]) == 1
