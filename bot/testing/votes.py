"""Made-up votes and corrections for tests of tuning, without near-duplicate questions."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from bot.feedback.transfer import ImportSummary, import_votes

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
