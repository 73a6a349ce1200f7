"""`mentee erase` reaches what plugins keep: values about a person, values that name them, and how they failed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from bot import Job, PluginContext, hookimpl
from bot.domain.answers import Answer
from bot.domain.errors import PluginError
from bot.domain.people import Person
from bot.domain.questions import Question
from bot.hooks.context.storage import PluginStorage
from bot.storage.tables.access import PluginStateRow
from bot.storage.tables.answers import AnswerRow
from bot.storage.tables.plugins import JobRow, PluginValueRow
from bot.testing import run_job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.testing.homes import MakeHome, Mentee

ADA, BOB = Person("web:ada"), Person("web:bob")
ASKED = {
    ADA: "Where is the red umbrella that I left in room 204?",
    BOB: "How many chairs may we carry down to the garden?",
}


class Tickets:
    """Keeps something about each person who asks. Its job fails over what they asked."""

    @hookimpl
    def on_answer_recorded(self, question: Question, context: PluginContext) -> None:
        for storage in (context.storage, context.storage.of(None)):
            storage.set("last", question.text, person=question.person.id)
            storage.set("askers", [*storage.get("askers", []), question.person.id])

    @hookimpl
    def register_jobs(self, context: PluginContext) -> Sequence[Job]:
        def count() -> None:
            with context.store.read() as session:
                asked = session.scalars(select(AnswerRow.text)).all()
            raise ValueError(f"can't count {asked} of {ADA.id}")

        return [Job("count", timedelta(days=1), count)]


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    """An instance whose plugin knows Ada and Bob, and whose job has quoted both."""
    made = make_home(departments=["it"], extra_plugins={"tickets": Tickets()})
    for person, text in ASKED.items():
        question = Question(text, person, department="it", channel="web")
        made.recorder.record(question, Answer(question.id, f"You asked: {text}", known=True, department="it"))
    with pytest.raises(PluginError, match="red umbrella"):
        run_job(made, "tickets", "count")
    return made


def values(mentee: Mentee) -> list[tuple[str, str, str]]:
    with mentee.store.read() as session:
        return sorted((row.department, row.person_id, row.key) for row in session.scalars(select(PluginValueRow)))


def test_erasing_a_person_reaches_values_and_jobs(mentee: Mentee) -> None:
    before = values(mentee)
    assert {person for _, person, _ in before} == {"", ADA.id, BOB.id}
    assert mentee.erasing.person("ada", actor="test", dry_run=True).counts["plugin_values"] >= 2
    assert values(mentee) == before, "a dry run changes nothing"

    erased = mentee.erasing.person("ada", actor="test")
    assert erased.left == ()
    assert values(mentee) == [each for each in before if each[1] != ADA.id]
    for department in ("it", None):
        storage = PluginStorage(mentee.store, "tickets", department)
        assert storage.get("askers") == [erased.id, BOB.id], "an id where a value names somebody is replaced"
        assert storage.get("last", person=BOB.id) == ASKED[BOB]
    with mentee.store.read() as session:
        (row,) = session.scalars(select(JobRow))
    assert (row.error, row.outcome) == ("", "failed")
    assert list(mentee.erasing.orphans()) == []


def test_erasing_a_person_forgets_why_a_plugin_is_paused(mentee: Mentee) -> None:
    def problem() -> str:
        with mentee.store.read() as session:
            return session.scalars(select(PluginStateRow.problem)).one()

    for _ in range(5):
        mentee.plugins.failed("tickets", "job count", ASKED[ADA])
    assert ASKED[ADA] in problem()
    assert mentee.erasing.person("ada", actor="test").left == ()
    assert not problem()


def test_what_a_plugin_keeps_outside_its_rules_is_found(mentee: Mentee) -> None:
    PluginStorage(mentee.store, "tickets", "it").set("note", ASKED[ADA])  # not under the person
    erased = mentee.erasing.person("ada", actor="test")
    assert ["plugin_values" in each for each in erased.left] == [True]
