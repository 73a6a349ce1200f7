"""Which questions to suggest to somebody: frequent ones that were voted well, else the departments' examples.

A question is other people's text. It is suggested only where it gives nobody away: asked in the same words by several
people, in a department that the reader may ask, and answered from nothing that the reader may not read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from sqlalchemy import Text, cast, func, or_, select

from bot.messages import now
from bot.store.models import AnswerRow, QuestionRow, VoteRow
from plugins.slack.events import NAME
from plugins.slack.surfaces.overview import cites_only
from plugins.slack.workspaces import person_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import Session

    from bot.store import Store
    from plugins.slack.surfaces.overview import Known

MOST = 4
"""Slack shows at most four prompts."""
ASKERS = 3
"""Different people who must have asked a question before anybody else is shown it."""
DAYS = 90
CHARACTERS = 200
"""Longer questions tell a story of their own and are no suggestions."""
ROWS = 5_000
"""Newest questions that are looked at."""


@dataclass(slots=True)
class _Group:
    """A question, whatever its capitals and spaces: its wordings, who asked it, and the answers it got."""

    wordings: Counter[str] = field(default_factory=Counter)
    people: set[str] = field(default_factory=set)
    answers: list[str] = field(default_factory=list)


class Suggestions:
    """Finds questions to suggest. Blocking: call it in a worker thread."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, departments: Sequence[Known]) -> list[str]:
        """Return up to :data:`MOST` questions, the departments taking turns, each one's best first."""
        with self._store.read() as session:
            frequent = _frequent(session, [each.name for each in departments])
            found = [_best(session, each, frequent.get(each.name, [])) or list(each.examples) for each in departments]
        turns = chain.from_iterable(zip_longest(*found))
        return list(dict.fromkeys(question for question in turns if question))[:MOST]


def _frequent(session: Session, departments: list[str]) -> dict[str, list[_Group]]:
    """Return what enough people asked in each department; follow-ups do not stand alone and are left out."""
    asked = (
        select(QuestionRow.department, QuestionRow.text, QuestionRow.person_id, AnswerRow.id)
        .join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
        .where(
            QuestionRow.department.in_(departments),
            QuestionRow.asked_at > now() - timedelta(days=DAYS),
            cast(QuestionRow.history, Text) == "[]",
            cast(QuestionRow.attachments, Text) == "[]",
            func.length(QuestionRow.text) <= CHARACTERS,
            or_(QuestionRow.channel != NAME, QuestionRow.person_id.startswith(person_id(""))),  # of this workspace
            AnswerRow.known,
        )
        .order_by(QuestionRow.asked_at.desc())
        .limit(ROWS)
    )
    groups: dict[tuple[str, str], _Group] = {}
    for department, text, person, answer in session.execute(asked):
        group = groups.setdefault((department, _normalised(text)), _Group())
        group.wordings[" ".join(text.split())] += 1
        group.people.add(person)
        group.answers.append(answer)
    found: dict[str, list[_Group]] = defaultdict(list)
    for (department, _), group in groups.items():
        if len(group.people) >= ASKERS:
            found[department].append(group)
    return found


def _best(session: Session, department: Known, groups: Iterable[_Group]) -> list[str]:
    """Return the questions whose answers pleased more people than not and name only pages that may be read."""
    ranked = []
    for group in groups:
        liked = _people(session, group, "up") - _people(session, group, "down")
        if liked > 0 and _readable(session, department, group.answers):
            ranked.append((len(group.people), liked, group.wordings.most_common(1)[0][0]))
    return [text for _, _, text in sorted(ranked, reverse=True)[:MOST]]


def _people(session: Session, group: _Group, value: str) -> int:
    """Return how many people have voted so; somebody who asked five times counts once."""
    voters = select(func.count(VoteRow.person_id.distinct()))
    return session.scalar(voters.where(VoteRow.answer_id.in_(group.answers), VoteRow.value == value)) or 0


def _readable(session: Session, department: Known, answers: list[str]) -> bool:
    """Return whether the answers rest on pages that may be read, or on what a colleague wrote for the department."""
    source: Any = AnswerRow.provenance["source"].as_string()
    rows = session.execute(select(AnswerRow.citations, source).where(AnswerRow.id.in_(answers))).all()
    return all(
        source == "curated" or (citations and cites_only(department.addresses, citations)) for citations, source in rows
    )


def _normalised(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(" ?!.")
