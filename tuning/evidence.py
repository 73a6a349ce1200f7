"""What people's votes and corrections say about each answer of a department, taken together.

Raters of one answer agree 69-71% of the time (FeedbackQA, three raters), so a thumb is weak evidence: votes on the same
answer to the same question are counted together, and how sure the side is becomes the row's weight.

* One vote a person; an agent's or operator's counts :data:`AGENT_VOTE` times an employee's.
* A side needs :data:`AGREEMENT` of all votes, else the people disagree and the answer stays out.
* ``weight = 2 p - 1`` with ``p = (votes for the side + 1) / (all votes + 2)``: a lone thumb weighs 0.33, two that agree
  0.5, an agent's 0.6. An accepted correction weighs 1.
* A thumb down for a page out of date or a source that does not fit says nothing of the text; its correction does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sqlalchemy import select

from bot.messages import Role, Turn
from bot.reasons import CAUSES, NOT_THE_MODELS_FAULT
from bot.store.models import AnswerRow, CorrectionRow, QuestionRow, VoteRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

AGENT_VOTE = 3.0
AGREEMENT = 2 / 3
NOT_THE_MODELS = ("none", "plugin")
"""Sources of answers that no vote can teach anything about: "I don't find this", and a skill's answer of the day."""

Kind = Literal["correction", "up", "down"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that people said about one answer.

    :param completion: the text that is right (``correction``, ``up``) or not (``down``).
    :param people: who stands behind it; ``trusted`` says that an agent or operator is among them.
    :param question_row: the question as asked, for the served prompt.
    """

    kind: Kind
    question: str
    history: tuple[Turn, ...]
    completion: str
    weight: float
    people: tuple[str, ...]
    trusted: bool
    question_row: QuestionRow
    answer_row: AnswerRow


@dataclass(slots=True)
class _Group:
    question: QuestionRow
    answer: AnswerRow
    votes: list[VoteRow] = field(default_factory=list)
    corrections: list[CorrectionRow] = field(default_factory=list)


def gather(session: Session, department: str, as_of: datetime, dropped: Counter[str]) -> list[Evidence]:
    """Read the department's votes and corrections up to ``as_of`` and say what they come to, in a fixed order.

    :param dropped: counts, by reason, the answers that gave nothing.
    """
    votes: dict[str, list[VoteRow]] = defaultdict(list)
    for vote in session.scalars(select(VoteRow).where(VoteRow.at <= as_of)):
        votes[vote.answer_id].append(vote)
    corrections: dict[str, list[CorrectionRow]] = defaultdict(list)
    for correction in session.scalars(select(CorrectionRow).where(CorrectionRow.at <= as_of)):
        corrections[correction.answer_id].append(correction)
    groups: dict[tuple[str, str, str], _Group] = {}
    for question, answer in session.execute(_answers(department)):
        if not votes[answer.id] and not corrections[answer.id]:
            continue
        if not question.train_eligible:
            dropped["not eligible for training"] += 1
            continue
        key = (question.text.strip().lower(), str(question.history), answer.text.strip())
        group = groups.setdefault(key, _Group(question, answer))
        group.votes += votes[answer.id]
        group.corrections += corrections[answer.id]
    return [evidence for key in sorted(groups) for evidence in _weigh(groups[key], dropped)]


def _answers(department: str) -> Select[QuestionRow, AnswerRow]:
    statement = select(QuestionRow, AnswerRow).join(AnswerRow, AnswerRow.question_id == QuestionRow.id)
    return statement.where(AnswerRow.department == department).order_by(AnswerRow.created_at, AnswerRow.id)


def _weigh(group: _Group, dropped: Counter[str]) -> Iterator[Evidence]:
    accepted = [item for item in group.corrections if item.accepted]
    if accepted:
        yield from _corrected(group, max(accepted, key=lambda item: (item.at, item.id)))
        return
    if group.corrections:
        dropped["correction not accepted"] += 1
    votes = [vote for vote in _one_each(group.votes) if not _blames_the_source(vote)]
    if len(votes) < len(_one_each(group.votes)):
        dropped["the page or the search was at fault"] += 1
    if not votes:
        return
    if group.answer.provenance.get("source") in NOT_THE_MODELS or not group.answer.known:
        dropped["answer was not the model's"] += 1
        return
    count = {value: sum(map(_strength, _side(votes, value))) for value in ("up", "down")}
    kind: Literal["up", "down"] = "up" if count["up"] >= count["down"] else "down"
    total = count["up"] + count["down"]
    if count[kind] / total < AGREEMENT:
        dropped["people disagree"] += 1
        return
    sure = (count[kind] + 1) / (total + 2)
    yield _evidence(group, kind, group.answer.text, 2 * sure - 1, _side(votes, kind))


def _corrected(group: _Group, correction: CorrectionRow) -> Iterator[Evidence]:
    if correction.text.strip() == group.answer.text.strip():
        yield _evidence(group, "up", group.answer.text, 1.0, [correction])
        return
    yield _evidence(group, "correction", correction.text, 1.0, [correction])
    yield _evidence(group, "down", group.answer.text, 1.0, [correction])


def _evidence(
    group: _Group, kind: Kind, completion: str, weight: float, behind: Iterable[VoteRow | CorrectionRow]
) -> Evidence:
    rows = list(behind)
    return Evidence(
        kind,
        group.question.text.strip(),
        tuple(Turn(str(turn["question"]), str(turn["answer"])) for turn in group.question.history),
        completion.strip(),
        round(weight, 4),
        tuple(sorted({row.person_id for row in rows})),
        any(_is_trusted(row) for row in rows),
        group.question,
        group.answer,
    )


def _one_each(votes: Iterable[VoteRow]) -> list[VoteRow]:
    newest = {vote.person_id: vote for vote in sorted(votes, key=lambda vote: (vote.at, vote.answer_id))}
    return [newest[person] for person in sorted(newest)]


def _side(votes: Iterable[VoteRow], value: str) -> list[VoteRow]:
    return [vote for vote in votes if vote.value == value]


def _blames_the_source(vote: VoteRow) -> bool:
    """Return whether the vote finds fault with a page or with the search, which no training of the model repairs."""
    return vote.value == "down" and CAUSES.get(vote.reason) in NOT_THE_MODELS_FAULT


def _strength(vote: VoteRow) -> float:
    return AGENT_VOTE if _is_trusted(vote) else 1.0


def _is_trusted(row: VoteRow | CorrectionRow) -> bool:
    return row.role in (Role.AGENT, Role.OPERATOR)
