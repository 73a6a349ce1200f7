"""What agents decide at the desk. Everything here is blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bot.domain.errors import ConflictError, MenteeError
from bot.domain.feedback import YES, Correction, Rating
from bot.feedback.escalations import REPLY_CHARACTERS
from plugins.desk.work.sampling import sampled_answer
from plugins.desk.work.sharing import TAKEN

if TYPE_CHECKING:
    from bot.domain.people import Person
    from bot.feedback.escalations import Escalations
    from bot.feedback.quality.ratings import Ratings
    from bot.feedback.reviews import Reviews
    from bot.feedback.votes import Votes
    from bot.feedback.waiting import Waiting
    from plugins.desk.rating import Grades
    from plugins.desk.work.claims import Claim
    from plugins.desk.work.sharing import Sharing

Done = Literal["live", "saved", "rejected", "replied", "closed", "rated"]


@dataclass(frozen=True, slots=True)
class Judging:
    """Records decisions, each only while the agent holds the item or nobody does."""

    sharing: Sharing
    reviews: Reviews
    votes: Votes
    escalations: Escalations
    ratings: Ratings

    def accept(self, person: Person, item: str, seen: str, text: str | None) -> Done:
        """Make a text the answer to the item's question.

        :param seen: the item's time when the person read it.
        :param text: the proposed correction by default.
        :raises ConflictError: it no longer waits as it was read.
        """
        waiting = self._as_seen(person, item, seen)
        correction = Correction(waiting.answer_id, person, waiting.text if text is None else text)
        return "live" if self.votes.correct(correction, judging=waiting) else "saved"

    def replace(self, person: Person, item: str, text: str) -> Done:
        """Make a text the answer, whatever others decided.

        :raises NotFoundError: there is no such thing, or the person may not judge it.
        :raises ConflictError: somebody else is working on the same answer.
        """
        answer_id, _ = self.reviews.judged(person, item)
        self.sharing.require_free(person, answer_id)
        return "live" if self.votes.correct(Correction(answer_id, person, text)) else "saved"

    def reject(self, person: Person, item: str, seen: str, reason: str) -> Done:
        """Decide that the answer stands, or close a question for a person without an answer.

        :raises ConflictError: it no longer waits as it was read.
        """
        waiting = self._as_seen(person, item, seen)
        if waiting.kind == "vote" and waiting.at.isoformat() != seen:
            raise ConflictError("Somebody else voted this answer down while you read it.")
        if waiting.kind != "escalation":
            self.reviews.reject(waiting, person, reason)
            return "rejected"
        if not self.escalations.resolve(waiting.id, person, "closed"):
            raise ConflictError(TAKEN)
        return "closed"

    def reply(self, person: Person, item: str, text: str) -> Done:
        """Answer a question for a person: only whoever asked gets the text.

        :raises MenteeError: there is no text, or it is too long.
        :raises ConflictError: it no longer waits.
        """
        waiting, said = self._as_seen(person, item), text.strip()
        if waiting.kind != "escalation":
            raise ConflictError("Nobody waits for a reply here.")
        if not 0 < len(said) <= REPLY_CHARACTERS:
            raise MenteeError(f"A reply must have 1 to {REPLY_CHARACTERS:,} characters; this one has {len(said):,}.")
        if not self.escalations.resolve(waiting.id, person, "replied", said):
            raise ConflictError(TAKEN)
        return "replied"

    def rate(self, person: Person, item: str, grades: Grades) -> None:
        """Record an agent's grades for the answer of an item, decided or not.

        :raises MenteeError: a grade is missing, or isn't one that there is.
        :raises NotFoundError: there is no such thing, or the person may not judge it.
        :raises ConflictError: somebody else is working on the answer, or it has enough ratings.
        """
        values = grades.values()
        cause = grades.cause if set(values) != {YES} else ""  # nothing needs one
        if sampled_answer(item):
            sample = self.sharing.sample(person, item)
            self.sharing.hold(person, sample)
            self.ratings.record(Rating(sample.answer_id, person, *values, cause=cause, sampled=True))
            return
        answer_id, _ = self.reviews.judged(person, item)
        self.sharing.require_free(person, answer_id)
        own = self.ratings.own(answer_id, person.id)
        sampled = own is not None and own.sampled
        self.ratings.record(Rating(answer_id, person, *values, cause=cause, sampled=sampled))

    def skip(self, person: Person, item: str) -> str:
        """Leave an item to others; return the next one, which the person now holds, or an empty text."""
        others = self.sharing.after(person, item)
        self.leave(person, item)
        return self.sharing.next_for(person, others)

    def leave(self, person: Person, item: str, token: str = "") -> None:
        """Leave an item to others.

        :param token: only if this page was the last to open it.
        """
        self.sharing.claims.release(person.id, item, token)

    def hold(self, person: Person, item: str) -> Claim:
        """Hold an item while the person types.

        :raises ConflictError: somebody else holds it, or has decided it.
        :raises NotFoundError: there is no such thing, or the person may not judge it.
        """
        found = self.sharing.sample(person, item) if sampled_answer(item) else self.sharing.waiting(person, item)
        return self.sharing.hold(person, found)

    def _as_seen(self, person: Person, item: str, seen: str = "") -> Waiting:
        found = self.sharing.waiting(person, item)
        self.sharing.hold(person, found)
        if found.kind == "proposal" and found.at.isoformat() != seen:
            raise ConflictError("This proposal was changed while you read it.")
        return found
