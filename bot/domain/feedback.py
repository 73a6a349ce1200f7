"""Votes and corrections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from bot.domain.identifiers import now

if TYPE_CHECKING:
    from datetime import datetime

    from bot.domain.answers import Exchange
    from bot.domain.people import Person

VoteValue = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Vote:
    """A person's current vote on an answer. ``value=None`` removes an earlier vote.

    :param reviewed: an operator brought it in and vouches for it.
    """

    answer_id: str
    person: Person
    value: VoteValue | None
    reason: str = ""
    comment: str = ""
    at: datetime = field(default_factory=now)
    reviewed: bool = False


CORRECTION_CHARS = 8_000
"""The longest correction."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What an answer should have been, written by a person.

    :param reviewed: an operator brought it in and vouches for it.
    """

    answer_id: str
    person: Person
    text: str
    at: datetime = field(default_factory=now)
    reviewed: bool = False


@dataclass(frozen=True, slots=True)
class RatedAnswer:
    """An answer with what people said about it.

    :param train_eligible: whether rounds may learn from it.
    :param votes: current votes, oldest first.
    :param corrections: those that an agent wrote or confirmed, oldest first.
    :param proposals: corrections that nobody has confirmed or rejected.
    :param rejections: how often an agent decided to keep the answer. Earlier objections to it are left out.
    """

    exchange: Exchange
    train_eligible: bool
    votes: tuple[Vote, ...]
    corrections: tuple[Correction, ...]
    proposals: tuple[Correction, ...]
    rejections: int = 0
