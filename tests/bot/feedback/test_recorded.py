"""The made-up past of the demo's support department."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from bot.domain.identifiers import now
from bot.domain.people import Audience, Person, Role
from bot.feedback.outcomes.facts import Selection
from bot.feedback.recorded import Recorded, record_past
from bot.storage.jsonl import read_lines
from bot.storage.tables.access import PersonRow
from bot.storage.tables.answers import QuestionRow
from bot.storage.tables.feedback import CuratedAnswerRow, EscalationRow
from tuning.rounds.summaries import latest_rounds

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome, Mentee

PAST = Path(__file__).parents[3] / "examples" / "support"
GUS = Person("user:gus", role=Role.AGENT)


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    mentee = make_home(departments=("support", "travel"), built_in=("retrieval.plugin",))
    assert record_past(mentee.store, "support", PAST).questions == len(read_lines(PAST / "history.jsonl")) > 100
    return mentee


def test_every_part_of_the_past_is_there(mentee: Mentee) -> None:
    with mentee.store.read() as session:
        earliest, latest = session.execute(select(func.min(QuestionRow.asked_at), func.max(QuestionRow.asked_at))).one()
        states = dict(session.execute(select(EscalationRow.state, func.count()).group_by(EscalationRow.state)).all())
        curated = session.scalar(select(func.count()).select_from(CuratedAnswerRow))
    assert timedelta(days=35) < latest - earliest < timedelta(days=42)
    assert latest < now()
    assert min(states["open"], states["resolved"]) > 2
    assert curated
    assert curated > 20
    votes = mentee.votes.counts()
    assert votes["support", "up"] > votes["support", "down"] > 20
    (round_,) = latest_rounds(mentee.store, "support", limit=5)
    assert (round_.state, round_.verdict) == ("finished", "better")
    assert "recorded" in round_.reason


def test_the_ledger_tells_how_its_questions_ended(mentee: Mentee) -> None:
    operator = Person("user:olga", role=Role.OPERATOR)
    selection = Selection(now() - timedelta(days=50), now() + timedelta(days=1))
    counts = mentee.outcomes.report(operator, selection, "week").total.counts
    assert counts["confirmed"] > 20
    assert min(counts["refused"], counts["escalated-resolved"]) > 2


def test_agents_find_work_at_the_desk(mentee: Mentee) -> None:
    assert {each.kind for each in mentee.reviews.queue(GUS)} == {"proposal", "vote", "escalation"}


def test_a_correction_of_the_past_is_given(mentee: Mentee) -> None:
    line = next(line for line in read_lines(PAST / "history.jsonl") if line.get("role") == "agent")
    department = mentee.departments.get("support")
    found = mentee.curated.find(department, line["question"], Audience(unrestricted=True))
    assert found.answer is not None
    assert found.answer.text == line["correction"]


def test_nobody_of_the_past_has_rights_or_can_be_reached(mentee: Mentee) -> None:
    with mentee.store.read() as session:
        people = session.scalars(select(PersonRow).where(PersonRow.id.startswith("demo:"))).all()
    assert len(people) > 20
    assert {person.role for person in people} == {"employee"}
    assert all(mentee.find_address(person.id) is None for person in people)
    assert mentee.escalations.remind() == 0


def test_the_same_past_is_recorded_once(mentee: Mentee) -> None:
    assert record_past(mentee.store, "support", PAST) == Recorded(0, 0, 0, 0, 0)


def test_another_department_sees_none_of_it(mentee: Mentee) -> None:
    assert mentee.history.counts().keys() == {"support"}
    agent = Person("user:ann", roles=frozenset({("travel", Role.AGENT)}))
    assert not mentee.reviews.queue(agent)
