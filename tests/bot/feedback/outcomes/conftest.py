from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from bot.access.people import People
from bot.domain.answers import Answer, Citation, Provenance
from bot.domain.departments import DepartmentSpec
from bot.domain.identifiers import now
from bot.domain.people import Basis, Person, Role
from bot.domain.questions import Question
from bot.feedback.outcomes.facts import Selection
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.testing.notes import NotesRetriever, make_plugin

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.storage.session import Store
    from bot.testing.homes import Mentee

ADA, BOB = Person("user:ada"), Person("user:bob")
GUS = Person("user:gus", roles=frozenset({("travel", Role.AGENT)}))
OLGA = Person("user:olga", role=Role.OPERATOR)
CITED = (Citation(1, "travel/lodging.md", "Lodging", "Hotels are tax exempt."),)
EVER = Selection(datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@dataclass
class Ledger:
    """An instance, with what tests of its ledger do."""

    mentee: Mentee
    retriever: NotesRetriever
    asked: list[str] = field(default_factory=list)

    def ask(
        self,
        text: str = "Are hotels taxed?",
        person: Person = ADA,
        *,
        ago: timedelta = timedelta(days=4),
        department: str = "travel",
        known: bool = True,
        citations: tuple[Citation, ...] = CITED,
        source: Any = "model",
        rests_on: tuple[Basis, ...] = (),
        adapter: str | None = None,
        **more: Any,
    ) -> str:
        """Record a question that was asked and answered some time ago; return the answer's id."""
        at = now() - ago
        question = Question(text, person, received_at=at, **more)
        provenance = Provenance(source=source, adapter=adapter)
        answer = Answer(question.id, "Yes.", known, department, citations, provenance, rests_on=rests_on)
        self.mentee.recorder.record(question, answer)
        with self.mentee.store.write() as session:
            session.get_one(AnswerRow, answer.id).created_at = at
        return answer.id

    def outcomes(self) -> dict[str, str]:
        """Return the outcomes by answer, as an operator sees them once all are compared."""
        self.mentee.outcomes.compare()
        listed, _ = self.mentee.outcomes.questions(OLGA, EVER, "asked", limit=1_000)
        return {each.question.facts.answer_id: each.question.outcome.value for each in listed}

    def question_of(self, answer_id: str) -> str:
        with self.mentee.store.read() as session:
            found = session.scalar(select(QuestionRow.id).join(AnswerRow).where(AnswerRow.id == answer_id))
        assert found is not None
        return found


@pytest.fixture
def make_ledger(make_mentee: Callable[..., Mentee], store: Store) -> Callable[..., Ledger]:
    """Return a function that makes an instance on a database of each kind."""

    def make(**settings: Any) -> Ledger:
        retriever = NotesRetriever()
        plugins = {"notes": make_plugin(register_retriever=lambda: retriever)}
        given = {"store": {"url": store.url}, **settings}
        mentee = make_mentee(plugins, ("it", "travel", DepartmentSpec("board", "Board", open=False)), settings=given)
        for person in (ADA, BOB, GUS, OLGA):
            People(mentee.store).ensure(person)
        People(mentee.store).set_role(GUS.id, Role.AGENT, department="travel", actor="test")
        return Ledger(mentee, retriever)

    return make


@pytest.fixture
def ledger(make_ledger: Callable[..., Ledger]) -> Ledger:
    return make_ledger()
