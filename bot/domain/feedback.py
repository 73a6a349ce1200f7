"""Votes, corrections and ratings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from bot.domain.identifiers import now

if TYPE_CHECKING:
    from collections.abc import Mapping
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


RUBRIC: Mapping[str, str] = {"correct": "Correct", "complete": "Complete", "tone": "Tone", "format": "Format"}
"""What agents grade an answer for, as stored and as shown, in the order in which they do."""

YES = 1

GRADES: Mapping[int, str] = {YES: "yes", 2: "partly", 3: "no"}
"""As stored, and as shown."""

RUBRIC_VERSION = 1
"""Counted up whenever what is graded, or what a grade means, changes."""


@dataclass(frozen=True, slots=True)
class Rating:
    """An agent's grades for an answer, by :data:`RUBRIC`; each is one of :data:`GRADES`.

    :param cause: why the answer isn't right (:data:`bot.feedback.reasons.RATED_CAUSES`), or an empty text.
    :param sampled: whether the answer was drawn at random, so that it says something about all answers.
    :param rubric: the version of the rubric that it was graded by.
    """

    answer_id: str
    person: Person
    correct: int
    complete: int
    tone: int
    format: int
    cause: str = ""
    sampled: bool = False
    rubric: int = RUBRIC_VERSION
    at: datetime = field(default_factory=now)

    @property
    def grades(self) -> dict[str, int]:
        """The grades, in the order of :data:`RUBRIC`."""
        return {"correct": self.correct, "complete": self.complete, "tone": self.tone, "format": self.format}


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
