"""Decides how a question ended from what is known of it.

What people said comes before what Mentee infers, and of two readings the less favourable one is taken: a reply by a
person outranks a thumb up, and a refusal stays a refusal whatever its thumbs say.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from bot.domain.feedback import VoteValue

WAIT = timedelta(hours=72)
"""How long after its answer a question may still get a vote, a rephrasing or a reply before silence decides."""

REPHRASED_WITHIN = timedelta(minutes=10)
"""How soon the same person must ask what means the same, for the earlier question to count as rephrased."""

Handover = Literal["", "waiting", "closed", "replied"]
"""What became of a question's escalation: there is none, it is open, it ended without a reply, a person replied."""


class Outcome(StrEnum):
    """How a question ended. ``CONFIRMED`` and ``ASSUMED`` are never added together."""

    CONFIRMED = "confirmed"
    ASSUMED = "assumed"
    ESCALATED = "escalated-resolved"
    REFUSED = "refused"
    REPHRASED = "rephrased"
    ABANDONED = "abandoned"
    OPEN = "open"


MEANINGS = {
    Outcome.CONFIRMED: "The person who asked said that the answer helped: a thumb up or a check mark.",
    Outcome.ASSUMED: "The answer names its source, and for 72 hours nobody objected, rephrased or asked for a person.",
    Outcome.ESCALATED: "Somebody asked for a person, and a person replied.",
    Outcome.REFUSED: "Mentee found no answer, or wasn't allowed to show one, and no person replied.",
    Outcome.REPHRASED: "The same person asked what means the same within ten minutes.",
    Outcome.ABANDONED: "None of the other outcomes within 72 hours.",
    Outcome.OPEN: "Not decided yet.",
}
"""Each outcome in a sentence, in the order in which outcomes are shown."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an answered question.

    :param adapter: version of the adapter that wrote the answer; empty if none did.
    :param refused: whether it got no answer, see :class:`bot.domain.answers.Answer`.
    :param sourced: whether the answer names its source: a cited page, or a colleague in the case of a curated answer.
    :param asker_vote: the current vote of the person who asked.
    :param voted_down: whether anybody's current vote is down, the asker's included.
    :param handover: what became of its escalation, whoever asked for it.
    :param resolved_at: when a person replied, if one did.
    :param rephrased: whether the same person asked the same again soon after.
    :param repeats: whether it asks the same again as an earlier question.
    :param compared: whether it has been compared with the questions asked around it. Until then, nobody knows whether
        it was rephrased.
    """

    question_id: str
    answer_id: str
    department: str
    channel: str
    asked_at: datetime
    answered_at: datetime
    adapter: str = ""
    refused: bool = False
    sourced: bool = True
    asker_vote: VoteValue | None = None
    voted_down: bool = False
    handover: Handover = ""
    resolved_at: datetime | None = None
    rephrased: bool = False
    repeats: bool = False
    compared: bool = True


def decide(facts: Facts, at: datetime) -> Outcome:
    """Return how a question has ended as of a moment.

    A later vote, rephrasing or reply may still change a decision.
    """
    if facts.handover == "replied":
        return Outcome.ESCALATED
    if facts.asker_vote == "up" and not facts.refused:
        return Outcome.CONFIRMED
    due = at - facts.answered_at >= WAIT
    if facts.handover == "waiting" and not due:
        return Outcome.OPEN
    if facts.refused or facts.rephrased:
        return Outcome.REFUSED if facts.refused else Outcome.REPHRASED
    if not due or not facts.compared:
        return Outcome.OPEN
    silent = not facts.voted_down and not facts.handover
    return Outcome.ASSUMED if facts.sourced and silent else Outcome.ABANDONED
