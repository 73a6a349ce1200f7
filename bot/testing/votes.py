"""Votes and corrections for tests: made-up ones without near-duplicate questions, and single ones."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Literal, Protocol

import pytest
from sqlalchemy import select

from bot.domain.answers import Answer
from bot.domain.feedback import Correction, Vote
from bot.domain.people import Person, Role
from bot.domain.questions import Question
from bot.feedback.notifications import NOTIFICATION
from bot.feedback.transfer import ImportSummary, import_votes
from bot.storage.tables.delivery import OutboxRow

if TYPE_CHECKING:
    from pathlib import Path

    from bot.app import Mentee

WORDS = (
    "order",
    "refund",
    "parcel",
    "invoice",
    "ticket",
    "laptop",
    "badge",
    "travel",
    "hotel",
    "visa",
    "payroll",
    "leave",
)
EMPLOYEES = 23
AGENTS = ("kim", "lou", "max", "noa", "pat")
AT = "2026-01-05T09:00:00Z"

ADA, BOB, CY = Person("user:ada"), Person("user:bob"), Person("user:cy")
GUS = Person("user:gus", role=Role.AGENT)


class ImportVotes(Protocol):
    """The type of the ``import_made_up_votes`` fixture."""

    def __call__(self, mentee: Mentee, questions: int, *, department: str = "support") -> ImportSummary:
        """Import votes on so many questions: two thirds corrected by an agent, one third with two thumbs up."""


@pytest.fixture
def import_made_up_votes(tmp_path: Path) -> ImportVotes:
    """Return a function that imports made-up votes, always the same ones."""

    def bring_in(mentee: Mentee, questions: int, *, department: str = "support") -> ImportSummary:
        path = tmp_path / "made-up-votes.jsonl"
        rows = made_up_votes(questions, department)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return import_votes(mentee.store, mentee.departments, path)

    return bring_in


def made_up_votes(questions: int, department: str = "support") -> list[dict[str, Any]]:
    """Return votes as ``mentee votes import`` reads them."""
    rng = random.Random(0)
    rows = []
    for n in range(questions):
        subject = " ".join(rng.sample(WORDS, 4))
        question = f"{subject} {rng.randrange(10**6):x}?"
        base = {"question": question, "department": department, "at": AT}
        if n % 3:
            wrong = {"answer": "No idea.", "vote": "down", "user": AGENTS[n % len(AGENTS)], "role": "agent"}
            rows.append(base | wrong | {"correction": f"Open {subject}."})
            continue
        voters = [f"u{(2 * n + k) % EMPLOYEES}" for k in range(2)]
        rows += [base | {"answer": f"See {subject}.", "vote": "up", "user": user} for user in voters]
    return rows


def reachable(target: str) -> dict[str, str] | None:
    """Find everybody whose id begins with ``user:``; the hook ``find_address`` of a test."""
    return {"to": target} if target.startswith("user:") else None


def answered(
    mentee: Mentee, text: str = "Are hotels tax exempt?", said: str = "Yes.", department: str = "travel"
) -> str:
    """Record an answer to Ada's question; return its id."""
    question = Question(text, ADA)
    answer = Answer(question.id, said, known=True, department=department)
    mentee.recorder.record(question, answer)
    return answer.id


def vote(mentee: Mentee, answer_id: str, person: Person, value: Literal["up", "down"] = "down") -> None:
    """Record a vote."""
    mentee.votes.record(Vote(answer_id, person, value))


def correct(mentee: Mentee, answer_id: str, person: Person = GUS, text: str = "In 12 states.") -> None:
    """Record a correction."""
    mentee.votes.correct(Correction(answer_id, person, text))


def told(mentee: Mentee) -> list[tuple[str, str, list[str]]]:
    """Return the notifications on their way, as (person, what, answers)."""
    with mentee.store.read() as session:
        rows = session.scalars(select(OutboxRow).where(OutboxRow.kind == NOTIFICATION))
        found = [(row.address["to"], row.payload["what"], sorted(row.payload["answers"])) for row in rows]
    return sorted(found)
