"""Training examples, and the results of rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.questions import ChatMessage


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """An example that a round may train on, before scrubbing and deduplication.

    :param kind: ``correction`` and ``up`` are used for supervised training, ``up`` and ``down`` for preferences.
    :param messages: the prompt, in the same format as when answering.
    :param weight: from 0 to 1. Lower if people disagree.
    :param people: ids of the people behind it, for the limit per person and for erasure.
    """

    id: str
    department: str
    kind: Literal["correction", "up", "down"]
    question: str
    messages: tuple[ChatMessage, ...]
    completion: str
    weight: float = 1.0
    people: tuple[str, ...] = ()
    answer_id: str = ""


@dataclass(frozen=True, slots=True)
class RoundFinished:
    """The result of a round.

    :param approval: ``waiting`` if an operator decides whether the better adapter goes live.
    """

    round_id: str
    department: str
    verdict: str
    reason: str
    adapter: str | None
    voters: Sequence[str] = ()
    approval: str | None = None
