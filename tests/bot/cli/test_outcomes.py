from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from bot.cli.commands.feedback.outcomes import outcomes
from bot.domain.answers import Answer, Citation
from bot.domain.errors import NotFoundError
from bot.domain.feedback import Vote
from bot.domain.identifiers import now
from bot.domain.people import Person
from bot.domain.questions import Question
from bot.storage.tables.answers import AnswerRow

if TYPE_CHECKING:
    from bot.testing.homes import MakeHome, Mentee

ADA = Person("user:ada")


@pytest.fixture
def mentee(make_home: MakeHome) -> Mentee:
    mentee = make_home(departments=("travel", "it"))
    for department, up in (("travel", True), ("travel", False), ("it", False)):
        at = now() - timedelta(days=5)
        question = Question(f"Question {department} {up}?", ADA, received_at=at)
        citations = (Citation(1, "a.md", "A", "A page."),)
        answer = Answer(question.id, "Yes.", known=True, department=department, citations=citations)
        mentee.recorder.record(question, answer)
        with mentee.store.write() as session:
            session.get_one(AnswerRow, answer.id).created_at = at
        if up:
            mentee.votes.record(Vote(answer.id, ADA, "up"))
    return mentee


def test_outcomes_are_printed_as_json_and_as_a_table(mentee: Mentee) -> None:
    mentee.outcomes.compare()
    found = json.loads(CliRunner().invoke(outcomes, ["--json"], catch_exceptions=False).output)
    assert found["all"]["counts"]["confirmed"] == 1
    assert found["all"]["counts"]["assumed"] == 2
    assert found["all"]["shares"]["confirmed"]["share"] == pytest.approx(1 / 3)
    assert found["departments"]["it"]["counts"]["asked"] == 1
    assert sum(each["counts"]["asked"] for each in found["periods"].values()) == 3
    shown = CliRunner().invoke(outcomes, ["--department", "travel"], catch_exceptions=False).output
    assert "confirmed: 1 of 2, 50% (9%–91%)" in shown
    assert "assumed: 1 of 2" in shown


def test_what_is_not_compared_and_what_does_not_exist_is_said(mentee: Mentee) -> None:
    shown = CliRunner().invoke(outcomes, ["--by", "day", "--days", "7"], catch_exceptions=False).output
    assert "3 stay open until" in shown
    with pytest.raises(NotFoundError, match="no department 'travle'"):
        CliRunner().invoke(outcomes, ["--department", "travle"], catch_exceptions=False)
    mentee.departments.remove("it", actor="test")
    assert CliRunner().invoke(outcomes, ["--department", "it"], catch_exceptions=False).exit_code == 0
