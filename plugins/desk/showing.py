"""What the desk's page shows. Everything here is blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bot.domain.errors import NotFoundError
from bot.domain.feedback import CORRECTION_CHARS
from bot.domain.identifiers import now
from bot.domain.people import Role
from bot.feedback.escalations import REPLY_CHARACTERS
from bot.feedback.reasons import REASONS
from bot.feedback.reviews import REASON_CHARS
from bot.server.pages.markdown import render
from plugins.desk.differences import differences
from plugins.desk.queues import KINDS
from plugins.desk.rating import form_values, in_words
from plugins.desk.work.claims import in_the_way
from plugins.desk.work.sampling import Sample, sampled_answer
from plugins.desk.work.sharing import work

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from bot.access.departments import Departments
    from bot.domain.answers import Exchange
    from bot.domain.people import Person
    from bot.feedback.escalations import Escalations
    from bot.feedback.quality.ratings import Ratings
    from bot.feedback.reviews import Reviews
    from bot.feedback.waiting import Judged, Waiting
    from bot.hooks.host import PluginHost
    from bot.storage.history import History
    from plugins.desk.rating import Grades
    from plugins.desk.work.claims import Claim
    from plugins.desk.work.sharing import Item, Sharing

LISTED = 50
"""Items of the queue that are listed beside the one that is shown."""

CONSOLE = "console"
"""The plugin of the page for operators."""

COMMENTS = 20
"""Comments of voters that are shown, the newest."""

TRIES = 3
"""How often another item is looked for, if the one that was found has just been decided."""

MINUTE, HOUR, DAY = 60, 3_600, 86_400


@dataclass(frozen=True, slots=True)
class Typed:
    """A decision that wasn't taken: why not, and what had been typed.

    :param field: where it was typed: ``text``, ``reason``, ``reply`` or nowhere.
    :param grades: what had been chosen of them.
    """

    problem: str
    field: Literal["text", "reason", "reply", ""] = ""
    text: str = ""
    grades: Grades | None = None


@dataclass(frozen=True, slots=True)
class Showing:
    """Shows an agent what waits, and what became of what doesn't."""

    sharing: Sharing
    reviews: Reviews
    escalations: Escalations
    ratings: Ratings
    history: History
    departments: Departments
    plugins: PluginHost

    def first(self, person: Person, kind: str = "") -> dict[str, Any]:
        """Hold the first item that nobody else holds, and return the page's values.

        :param kind: of one queue only.
        """
        values: dict[str, Any] = {}
        for _ in range(TRIES):
            item = self.sharing.next_for(person, kind=kind)
            values = self.shown(person, item)
            if not item or "item" in values:
                break
            self.sharing.claims.release(person.id, item)
        return values

    def opened(self, person: Person, item: str) -> dict[str, Any]:
        """Hold an item if nobody else does, and return the page's values.

        :raises NotFoundError: there is no such thing, or the person may not judge it.
        """
        self.sharing.open(person, item)
        return self.shown(person, item)

    def shown(self, person: Person, item: str, *, refused: Typed | None = None) -> dict[str, Any]:
        """Return the page's values.

        :param item: what to show beside the queue, or an empty text.
        :raises NotFoundError: there is no such thing, or the person may not judge it.
        """
        queue, held = self.sharing.queue(person), self.sharing.held()
        values = self._queue(person, queue, held) | {"refused": refused, "next": ""}
        here = next((each for each in queue if each.id == item), None)
        if here is not None:
            values |= self._sampled(here) if isinstance(here, Sample) else self._waiting(here)
            values["why"] = "" if isinstance(here, Sample) else self.sharing.why(here)
            values["claim"] = self._claim(held, here, person)
            values["rating"] = self._rating(here, person, refused)
        elif item:
            values |= self._decided(person, item)
        ids = [each.id for each in queue]
        place = ids.index(item) if here is not None else -1
        following = [*queue[place + 1 :], *queue[: max(place, 0)]]
        free = (each.id for each in following if not in_the_way(held, work(each), person.id))
        return {**values, "next": next(free, "")}

    def lost(self, person: Person, typed: Typed) -> dict[str, Any]:
        """Return the page's values if what the person decided about is gone."""
        values = self._queue(person, self.sharing.queue(person), self.sharing.held())
        return {**values, "refused": typed, "gone": True, "next": ""}

    def frame(self, person: Person) -> dict[str, Any]:
        """Return what stands around every page."""
        return {"person": person, "console": person.role.includes(Role.OPERATOR) and self.plugins.serves(CONSOLE)}

    def _queue(self, person: Person, queue: Sequence[Item], held: Sequence[Claim]) -> dict[str, Any]:
        listed = queue[:LISTED]
        questions = {
            each.answer.id: each.question.text for each in self.history.of_answers([each.answer_id for each in listed])
        }
        return {
            **self.frame(person),
            "departments": [self.departments.title(name) for name in self.reviews.departments_of(person)],
            "counts": {kind: sum(each.kind == kind for each in queue) for kind in KINDS},
            "queue": [
                {
                    "item": each,
                    "question": questions.get(each.answer_id, ""),
                    "age": _age(each.at),
                    "claim": self._claim(held, each, person),
                }
                for each in listed
            ],
            "more": len(queue) - len(listed),
            "limits": {"text": CORRECTION_CHARS, "reason": REASON_CHARS, "reply": REPLY_CHARACTERS},
        }

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

    def _sampled(self, item: Sample) -> dict[str, Any]:
        """Return what is shown of an answer that was drawn: nothing of what others think of it."""
        exchange = self._exchange(item.answer_id)
        return {
            **_answer(exchange, self._hidden(exchange)),
            "item": item,
            "age": _age(item.at),
            "department": self.departments.title(item.department),
        }

    def _decided(self, person: Person, item: str) -> dict[str, Any]:
        answer_id, judged = self.reviews.judged(person, self.sharing.answer_of(item))
        exchange = self._exchange(answer_id)
        return {
            **_answer(exchange, self._hidden(exchange)),
            "decided": item,
            "rated": bool(sampled_answer(item)),
            "judged": judged,
            "age": _age(judged.at) if judged is not None else "",
            "by": self._by(judged, person),
            "department": self.departments.title(exchange.answer.department),
            "ratings": self._ratings(answer_id, person),
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

    def _rating(self, item: Item, person: Person, refused: Typed | None) -> dict[str, Any]:
        own = self.ratings.own(item.answer_id, person.id)
        votes = () if isinstance(item, Sample) else self.reviews.votes_down(item.answer_id)
        reasons = {each.reason for each in votes}
        return form_values(own, refused.grades if refused is not None else None, reasons)

    def _ratings(self, answer_id: str, person: Person) -> list[dict[str, Any]]:
        """Return the person's rating of an answer, and those of others that they may see."""
        own = self.ratings.own(answer_id, person.id)
        found = [*([own] if own is not None else []), *self.ratings.seen_by(person.id, answer_id)]
        return in_words(found, lambda each: "You" if each == person.id else self._name(each))

    def _claim(self, held: Sequence[Claim], item: Item, person: Person) -> dict[str, Any] | None:
        """Return who holds an item, and until when, if it is the person or keeps them from having it."""
        wanted = work(item)
        own = [each for each in held if (each.subject, each.person_id) == (wanted.subject, person.id)]
        claim = next(iter([*own, *in_the_way(held, wanted, person.id)]), None)
        if claim is None:
            return None
        return {
            "mine": bool(own),
            "by": "" if own else self.sharing.name(claim),
            "until": claim.until,
            "token": claim.token if own else "",
            "seconds": round(claim.seconds),
        }


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
