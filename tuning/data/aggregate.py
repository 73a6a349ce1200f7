"""Vote aggregation: combines all votes and corrections on an answer into weighted ratings.

Raters of one answer agree 69-71% of the time (FeedbackQA, three raters), so a single thumb is weak evidence. Votes on
the same answer to the same question are counted together, and the confidence in the majority becomes the row's weight.

* Each person has one vote; an agent's or operator's counts :data:`AGENT_VOTE` times an employee's.
* A side needs :data:`AGREEMENT` of all votes, otherwise people disagree and the answer is left out.
* ``weight = 2 p - 1`` with ``p = (votes for the side + 1) / (all votes + 2)``: a lone thumb weighs 0.33, two that agree
  0.5, an agent's 0.6. An accepted correction weighs 1.
* A thumb down doesn't count once an agent has found the answer right, or rejected what the voter proposed instead. Such
  a decision isn't a vote itself: an agent who finds the answer good votes it up.
* A thumb down for an outdated page or a wrong source says nothing about the text; a correction does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from bot.domain.documents.rendering import with_plain_numbers
from bot.domain.feedback import Correction
from bot.domain.people import Role
from bot.feedback.reasons import CAUSES, NOT_THE_MODELS_FAULT

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from bot.domain.answers import Exchange
    from bot.domain.feedback import RatedAnswer, Vote
    from bot.domain.questions import Turn

AGENT_VOTE = 3.0
CORRECTS = math.inf
"""How much a correction counts: it is certain."""

AGREEMENT = 2 / 3
NOT_THE_MODELS = ("none", "plugin")
"""Sources of answers that the model didn't write: "I don't find this", and answers from plugins."""

Kind = Literal["correction", "up", "down"]


@dataclass(frozen=True, slots=True)
class Rating:
    """One statement about one answer: a text that is right, or one that is wrong.

    :param completion: the text that is right (``correction``, ``up``) or not (``down``).
    :param strengths: who gave it, and how much each counts.
    :param against: how much those count who said the opposite.
    :param chunks: ids of the passages in the answer's prompt.
    """

    kind: Kind
    question: str
    history: tuple[Turn, ...]
    completion: str
    weight: float
    strengths: Mapping[str, float]
    against: float
    answer_id: str
    chunks: tuple[str, ...]

    @property
    def people(self) -> tuple[str, ...]:
        """Who gave it."""
        return tuple(sorted(self.strengths))

    def of(self, people: Iterable[str]) -> Rating | None:
        """Return what is left if only these people count; ``None`` if that is too little to go by."""
        strengths = {person: self.strengths[person] for person in sorted(people)}
        if len(strengths) == len(self.strengths):
            return self
        total = sum(strengths.values())
        if not strengths or (total < math.inf and total / (total + self.against) < AGREEMENT):
            return None
        return replace(self, strengths=strengths, weight=min(self.weight, _weight(total, self.against)))


@dataclass(slots=True)
class _Group:
    """Everything said about the same answer to the same question."""

    exchange: Exchange
    votes: list[Vote] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)
    proposals: list[Correction] = field(default_factory=list)


def aggregate(rated: Iterable[RatedAnswer], dropped: Counter[str]) -> list[Rating]:
    """Combine votes and corrections into ratings, in a fixed order.

    :param dropped: counts the answers that were left out, by reason.
    """
    groups: dict[tuple[str, str, str], _Group] = {}
    for item in rated:
        if not item.train_eligible:
            dropped["not eligible for training"] += 1
            continue
        if item.rejections:
            dropped["an agent found that the answer stands"] += item.rejections
        group = groups.setdefault(rated_key(item), _Group(item.exchange))
        group.votes += item.votes
        group.corrections += item.corrections
        group.proposals += item.proposals
    return [rating for key in sorted(groups) for rating in _weigh(groups[key], dropped)]


def rated_key(item: RatedAnswer) -> tuple[str, str, str]:
    """Return what is the same for all answers that are rated together."""
    question, answer = item.exchange.question, item.exchange.answer
    return question.text.strip().lower(), str(question.history), answer.text.strip()


def _weigh(group: _Group, dropped: Counter[str]) -> Iterator[Rating]:
    if group.corrections:
        yield from _corrected(group, max(group.corrections, key=lambda item: (item.at, item.answer_id)))
        return
    if group.proposals:
        dropped["correction not accepted"] += 1
    voted = _one_each(group.votes)
    votes = [vote for vote in voted if not _blames_the_source(vote)]
    if len(votes) < len(voted):
        dropped["the page or the search was at fault"] += 1
    if not votes:
        return
    answer = group.exchange.answer
    if answer.provenance.source in NOT_THE_MODELS or not answer.known:
        dropped["answer was not the model's"] += 1
        return
    count = {value: sum(map(strength, _side(votes, value))) for value in ("up", "down")}
    kind: Literal["up", "down"] = "up" if count["up"] >= count["down"] else "down"
    total = count["up"] + count["down"]
    if count[kind] / total < AGREEMENT:
        dropped["people disagree"] += 1
        return
    yield _rating(group.exchange, kind, answer.text, _side(votes, kind), total - count[kind])


def _corrected(group: _Group, correction: Correction) -> Iterator[Rating]:
    said = group.exchange.answer.text
    if correction.text.strip() == said.strip():
        yield _rating(group.exchange, "up", said, [correction])
        return
    yield _rating(group.exchange, "correction", correction.text, [correction])
    yield _rating(group.exchange, "down", said, [correction])


def _rating(
    exchange: Exchange, kind: Kind, completion: str, behind: Sequence[Vote | Correction], against: float = 0.0
) -> Rating:
    question, answer = exchange.question, exchange.answer
    strengths = {each.person.id: strength(each) for each in sorted(behind, key=lambda each: each.person.id)}
    return Rating(
        kind,
        question.text.strip(),
        question.history,
        with_plain_numbers(completion.strip()),
        _weight(sum(strengths.values()), against),
        strengths,
        against,
        answer.id,
        chunk_ids(exchange),
    )


def chunk_ids(exchange: Exchange) -> tuple[str, ...]:
    """Return the ids of the passages in an answer's prompt."""
    return tuple(str(chunk["chunk_id"]) for chunk in exchange.answer.provenance.chunks)


def _one_each(votes: Iterable[Vote]) -> list[Vote]:
    newest = {vote.person.id: vote for vote in sorted(votes, key=lambda vote: (vote.at, vote.answer_id))}
    return [newest[person] for person in sorted(newest)]


def _side(votes: Iterable[Vote], value: str) -> list[Vote]:
    return [vote for vote in votes if vote.value == value]


def _blames_the_source(vote: Vote) -> bool:
    """Return whether the vote blames a page or the search, which training can't fix."""
    return vote.value == "down" and CAUSES.get(vote.reason) in NOT_THE_MODELS_FAULT


def strength(said: Vote | Correction) -> float:
    """Return how much a vote or correction counts."""
    if isinstance(said, Correction):
        return CORRECTS
    return AGENT_VOTE if said.person.role in (Role.AGENT, Role.OPERATOR) else 1.0


def _weight(strength_for: float, against: float) -> float:
    if strength_for == CORRECTS:
        return 1.0
    return round(2 * (strength_for + 1) / (strength_for + against + 2) - 1, 4)
