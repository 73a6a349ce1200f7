"""What the desk shows of the queue, and what agents decide there. Everything here is blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bot.domain.errors import ConflictError, ForbiddenError, MenteeError, NotFoundError
from bot.domain.feedback import CORRECTION_CHARS, Correction
from bot.domain.identifiers import now
from bot.domain.people import Role
from bot.feedback.escalations import REPLY_CHARACTERS
from bot.feedback.reasons import REASONS
from bot.feedback.reviews import REASON_CHARS
from bot.server.pages.markdown import render
from plugins.desk.differences import differences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.access.departments import Departments
    from bot.domain.answers import Exchange
    from bot.domain.people import Person
    from bot.feedback.escalations import Escalations
    from bot.feedback.reviews import Reviews
    from bot.feedback.votes import Votes
    from bot.feedback.waiting import Judged, Waiting
    from bot.hooks.host import PluginHost
    from bot.storage.history import History

LISTED = 50
"""Items of the queue that are listed beside the one that is shown."""

CONSOLE = "console"
"""The plugin of the page for operators."""

COMMENTS = 20
"""Comments of voters that are shown, the newest."""

MINUTE, HOUR, DAY = 60, 3_600, 86_400

TAKEN = "Somebody else has just decided this."

Done = Literal["live", "saved", "rejected", "replied", "closed"]


@dataclass(frozen=True, slots=True)
class Typed:
    """A decision that wasn't taken: why not, and what had been typed.

    :param field: where it was typed: ``text``, ``reason``, ``reply`` or nowhere.
    """

    problem: str
    field: Literal["text", "reason", "reply", ""] = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """Shows an agent what waits, and records their decisions."""

    reviews: Reviews
    votes: Votes
    escalations: Escalations
    history: History
    departments: Departments
    plugins: PluginHost

    def after(self, person: Person, item: str) -> list[str]:
        """Return the ids of what else is in the person's queue, beginning with what follows an item."""
        ids = [each.id for each in self.reviews.queue(person)]
        return ids[ids.index(item) + 1 :] + ids[: ids.index(item)] if item in ids else ids

    def first_waiting(self, person: Person, items: Sequence[str]) -> str:
        """Return the first of these items that still waits, or an empty text."""
        ids = {each.id for each in self.reviews.queue(person)}
        return next((each for each in items if each in ids), "")

    def shown(self, person: Person, item: str = "", *, refused: Typed | None = None) -> dict[str, Any]:
        """Return the page's values.

        :param item: what to show; by default what is first.
        :raises NotFoundError: there is no such thing, or the person may not judge it.
        """
        queue = self.reviews.queue(person)
        here = next((each for each in queue if each.id == item), None if item else next(iter(queue), None))
        questions = {
            each.answer.id: each.question.text
            for each in self.history.of_answers([each.answer_id for each in queue[:LISTED]])
        }
        values: dict[str, Any] = {
            "person": person,
            "console": person.role.includes(Role.OPERATOR) and self.plugins.serves(CONSOLE),
            "departments": [self.departments.title(name) for name in self.reviews.departments_of(person)],
            "counts": {kind: sum(each.kind == kind for each in queue) for kind in ("proposal", "escalation", "vote")},
            "queue": [
                {"item": each, "question": questions.get(each.answer_id, ""), "age": _age(each.at)}
                for each in queue[:LISTED]
            ],
            "more": len(queue) - min(len(queue), LISTED),
            "refused": refused,
            "limits": {"text": CORRECTION_CHARS, "reason": REASON_CHARS, "reply": REPLY_CHARACTERS},
        }
        if here is not None:
            values |= self._waiting(here)
        elif item:
            values |= self._decided(person, item)
        others = self.after(person, here.id if here is not None else item)
        return {**values, "next": others[0] if others else ""}

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
        """
        answer_id, _ = self.reviews.judged(person, item)
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

    def _as_seen(self, person: Person, item: str, seen: str = "") -> Waiting:
        if not person.is_anywhere(Role.AGENT):
            raise ForbiddenError("Only support agents can do this.")
        found = next((each for each in self.reviews.queue(person) if each.id == item), None)
        if found is None:
            self.reviews.judged(person, item)  # refuses what they may not know of
            raise ConflictError(TAKEN)
        if found.kind == "proposal" and found.at.isoformat() != seen:
            raise ConflictError("This proposal was changed while you read it.")
        return found

    def _waiting(self, item: Waiting) -> dict[str, Any]:
        exchange = self._exchange(item.answer_id)
        hidden = self._hidden(exchange)
        votes = self.reviews.votes_down(item.answer_id)
        reasons = {each.reason for each in votes}
        comments = [each for each in votes if each.comment and not exchange.question.attachments]
        return {
            **_answer(exchange, hidden),
            "item": item,
            "asker": self._name(self.escalations.get(item.id).opened_by) if item.kind == "escalation" else "",
            "age": _age(item.at),
            "department": self.departments.title(item.department),
            "changes": differences("" if hidden else exchange.answer.text, item.text) if item.text else [],
            "text": item.text or ("" if hidden or exchange.answer.refused else exchange.answer.text),
            "downs": len(votes),
            "reasons": [label for code, label in REASONS.items() if code in reasons],
            "comments": [
                {
                    "text": each.comment,
                    "reason": REASONS.get(each.reason, ""),
                    "by": self.departments.person(each.person.id).name or each.person.id,
                    "at": each.at,
                    "age": _age(each.at),
                }
                for each in comments[-COMMENTS:]
            ],
            "more_comments": len(comments) - len(comments[-COMMENTS:]),
        }

    def _decided(self, person: Person, item: str) -> dict[str, Any]:
        answer_id, judged = self.reviews.judged(person, item)
        exchange = self._exchange(answer_id)
        return {
            **_answer(exchange, self._hidden(exchange)),
            "decided": item,
            "judged": judged,
            "age": _age(judged.at) if judged is not None else "",
            "by": self._by(judged, person),
            "department": self.departments.title(exchange.answer.department),
        }

    def _by(self, judged: Judged | None, person: Person) -> str:
        if judged is None:
            return ""
        if judged.person_id == person.id:
            return "You"
        return self._name(judged.person_id)

    def _name(self, person_id: str) -> str:
        return self.departments.person(person_id).name or person_id

    def _exchange(self, answer_id: str) -> Exchange:
        found = self.history.of_answer(answer_id)
        if found is None:
            raise NotFoundError("This answer no longer exists.", hint="It may have been erased.")
        return found

    def _hidden(self, exchange: Exchange) -> str:
        """Return why an answer isn't shown, or an empty text."""
        if exchange.question.attachments:
            return "It was made from a file, which only the person who attached it may see."
        if not all(self.plugins.may_show_again([exchange])):
            return "A guard doesn't allow it to be shown."
        return ""


def _answer(exchange: Exchange, hidden: str) -> dict[str, Any]:
    answer = exchange.answer
    return {
        "question": exchange.question.text,
        "hidden": hidden,
        "html": "" if hidden else render(answer.text),
        "source": answer.provenance.source,
        "refused_answer": answer.refused,
        "passages": []
        if hidden
        else [
            {"n": each.n, "document": each.document, "heading": each.heading, "html": render(each.text)}
            for each in answer.citations
        ],
    }


def _age(at: datetime) -> str:
    seconds = (now() - at).total_seconds()
    if seconds < MINUTE:
        return "just now"
    number, unit = next(
        (int(seconds // size), name)
        for size, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute"))
        if seconds >= size
    )
    return f"{number} {unit}{'s' if number > 1 else ''} ago"
