"""Records a department's past for a demo: questions, answers, votes, corrections, escalations and a round.

The files say how many hours ago everything happened, so that a new demo always has a recent past. Nobody in it can be
reached or sign in: all its people have ids that begin with ``demo:``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bot.access.people import person_row
from bot.domain.feedback import Correction, Vote
from bot.domain.identifiers import now
from bot.domain.people import Person, Role
from bot.feedback.votes import store_correction, store_vote
from bot.storage.jsonl import read_lines
from bot.storage.tables.answers import AnswerRow, QuestionRow
from bot.storage.tables.feedback import EscalationRow
from bot.storage.tables.training import RoundMetricRow, RoundRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.orm import Session

    from bot.storage.session import Store

HISTORY, ROUND = "history.jsonl", "round.json"
"""The files of a folder: a line for each question, and a round that has finished."""

ANSWERED = timedelta(seconds=20)
VOTED = timedelta(minutes=2)
CORRECTED = timedelta(hours=3)
REPLIED = timedelta(hours=5)
"""How long after a question its answer, the votes, a correction and a person's reply came."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded."""

    questions: int
    votes: int
    corrections: int
    escalations: int
    rounds: int


def record_past(store: Store, department: str, folder: Path) -> Recorded:
    """Record what a folder holds as a department's past, in one transaction. What is there already is left alone."""
    lines = read_lines(folder / HISTORY)
    at = now()
    with store.write() as session:
        if session.get(QuestionRow, _ids(department, lines[0])[0]) is not None:
            return Recorded(0, 0, 0, 0, 0)
        for line in sorted(lines, key=lambda line: -line["hours_ago"]):
            _record(session, department, line, at - timedelta(hours=line["hours_ago"]), at)
        rounds = (folder / ROUND).is_file()
        if rounds:
            _record_round(session, department, json.loads((folder / ROUND).read_text(encoding="utf-8")), at)
    return Recorded(
        len(lines),
        sum(len(line["votes"]) for line in lines),
        sum("correction" in line for line in lines),
        sum("person" in line for line in lines),
        int(rounds),
    )


def _record(session: Session, department: str, line: Mapping[str, Any], asked: datetime, until: datetime) -> None:
    answer = _record_answer(session, department, line, asked)
    for vote in line["votes"]:
        voter = _person(session, vote["user"])
        store_vote(session, Vote(answer.id, voter, vote["vote"], vote.get("reason", ""), at=min(asked + VOTED, until)))
    if "correction" in line:
        author = _person(session, line["corrected_by"], Role(line["role"]))
        store_correction(
            session, answer, Correction(answer.id, author, line["correction"], at=min(asked + CORRECTED, until))
        )
    if "person" in line:
        _record_escalation(session, answer, line, asked, until)


def _record_answer(session: Session, department: str, line: Mapping[str, Any], asked: datetime) -> AnswerRow:
    question_id, answer_id = _ids(department, line)
    asker = _person(session, line["asker"])
    session.add(
        QuestionRow(
            id=question_id,
            text=line["question"],
            person_id=asker.id,
            department=department,
            channel="web",
            history=[],
            asked_at=asked,
        )
    )
    session.flush()
    answer = AnswerRow(
        id=answer_id,
        question_id=question_id,
        department=department,
        text=line["answer"],
        known=line.get("known", True),
        provenance={"source": "model" if line.get("known", True) else "none"},
        created_at=asked + ANSWERED,
    )
    session.add(answer)
    session.flush()
    return answer


def _record_escalation(
    session: Session, answer: AnswerRow, line: Mapping[str, Any], asked: datetime, until: datetime
) -> None:
    handed = line["person"]
    row = EscalationRow(
        answer_id=answer.id,
        department=answer.department,
        opened_by=_person(session, line["asker"]).id,
        opened_at=min(asked + VOTED, until),
        notes=[],
        reminded_at=until,  # nobody is reminded of a past that was made up
    )
    if handed["reply"]:
        row.state, row.outcome, row.reply = "resolved", "replied", handed["reply"]
        row.resolved_by = _person(session, handed["by"], Role.AGENT).id
        row.resolved_at = min(asked + REPLIED, until)
    session.add(row)


def _record_round(session: Session, department: str, found: Mapping[str, Any], at: datetime) -> None:
    ended = at - timedelta(hours=found["hours_ago"])
    row = RoundRow(
        department=department,
        state="finished",
        stage=found["stage"],
        results=found["results"],
        verdict=found["verdict"],
        reason=found["reason"],
        started_by="demo",
        policy=found["policy"],
        dataset=found["dataset"],
        metrics=found["metrics"],
        device=found["device"],
        created_at=ended - timedelta(minutes=found["minutes"]),
        finished_at=ended,
    )
    session.add(row)
    session.flush()
    curves: Mapping[str, Sequence[Sequence[float]]] = found["curves"]
    session.add_all(
        RoundMetricRow(round_id=row.id, name=name, step=int(step), value=value, at=ended)
        for name, points in curves.items()
        for step, value in points
    )


def _person(session: Session, name: str, role: Role = Role.EMPLOYEE) -> Person:
    """Return a person of the past, who has no rights now whatever their part in it was."""
    person = Person(f"demo:{name}", name.replace("-", " ").capitalize())
    person_row(session, person)
    return Person(person.id, person.name, role)


def _ids(department: str, line: Mapping[str, Any]) -> tuple[str, str]:
    key = hashlib.sha256(f"demo\0{department}\0{line['question']}".encode()).hexdigest()[:32]
    return f"q_{key}", f"a_{key}"
