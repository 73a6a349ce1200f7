"""Earlier conversations as the page shows them. People see only their own."""

from __future__ import annotations

from dataclasses import replace
from itertools import compress
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from bot.domain.documents.addresses import at_sentence
from bot.domain.errors import MenteeError, NotFoundError
from bot.domain.people import Role
from bot.domain.questions import HISTORY_TURNS
from bot.server.pages.markdown import render
from bot.storage.history import as_turn
from plugins.web.escalations import WebEscalations
from plugins.web.intake import NAME
from plugins.web.wording import SOMEBODY, decided

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from bot.access.departments import Departments
    from bot.access.rights import Rights
    from bot.domain.answers import Answer, Exchange
    from bot.domain.people import Person
    from bot.domain.plugins.actions import OfferedAction
    from bot.domain.questions import Turn
    from bot.feedback.actions import Actions
    from bot.feedback.reviews import Reviews
    from bot.feedback.votes import Votes
    from bot.hooks.host import PluginHost
    from bot.hooks.instance import Instance
    from bot.storage.history import History

LISTED = 50
TITLE_CHARACTERS = 80
REFUSED = "This answer is no longer shown: a check of my answers doesn't let it pass."
WITHHELD = "This answer is no longer shown: it rests on something that you can't read now, or that was removed."


class Conversations:
    """Reads the conversations of the channel ``web``. Everything here is blocking."""

    def __init__(  # noqa: PLR0913, PLR0917 - what is shown of an answer
        self,
        history: History,
        votes: Votes,
        actions: Actions,
        departments: Departments,
        rights: Rights,
        plugins: PluginHost,
        reviews: Reviews,
        escalations: WebEscalations,
    ) -> None:
        self._history = history
        self._votes = votes
        self._actions = actions
        self._departments = departments
        self._rights = rights
        self._plugins = plugins
        self._reviews = reviews
        self._escalations = escalations

    @classmethod
    def of(cls, instance: Instance) -> Conversations:
        """Return the conversations of an instance."""
        return cls(
            instance.history,
            instance.votes,
            instance.actions,
            instance.departments,
            instance.rights,
            instance.plugins,
            instance.reviews,
            WebEscalations(instance.escalations, instance.departments, instance.plugins),
        )

    def newest(
        self, person: Person, unanswered: Sequence[Mapping[str, Any]], containing: str = ""
    ) -> list[dict[str, Any]]:
        """Return the person's conversations, newest first: id, title, time, and if one is running.

        The title is the first question unless the person gave one.

        :param unanswered: the person's questions without an answer, oldest first.
        :param containing: only conversations with a title or a question that contains this text, whatever its case.
        """
        found: dict[str, dict[str, Any]] = {
            each.thread: _listed(each.thread, each.title or each.first_question, each.last_asked_at)
            for each in self._history.threads(person.id, NAME, limit=LISTED, containing=containing)
        }
        for each in unanswered:
            name, asked_at = each["conversation"], each["asked_at"]
            if name not in found and containing.casefold() not in each["text"].casefold():
                continue
            listed = found.setdefault(name, _listed(name, each["text"], asked_at))
            listed["at"] = max(listed["at"], asked_at)
            listed["running"] |= each["state"] == "running"
        return sorted(found.values(), key=itemgetter("at"), reverse=True)[:LISTED]

    def rename(self, person: Person, conversation: str, title: str) -> None:
        """Give one of the person's conversations a title; an empty one brings the first question back.

        :raises MenteeError: the title is too long.
        :raises NotFoundError: the person has no such conversation, or none of its questions is answered yet.
        """
        words = " ".join(title.split())
        if len(words) > TITLE_CHARACTERS:
            raise MenteeError(
                f"A title can have at most {TITLE_CHARACTERS} characters; this one has {len(words)}.",
                hint="Choose a shorter title.",
            )
        if not self._history.name_thread(person.id, NAME, conversation, words):
            raise NotFoundError(
                "This conversation can't be renamed: it doesn't exist, it isn't yours, or it has no answer yet.",
                hint="If it's being answered, try again after that.",
            )

    def turns(self, person: Person, conversation: str) -> list[dict[str, Any]]:
        """Return the questions and answers of one of the person's conversations, oldest first."""
        found = self._history.of_thread(NAME, [conversation], person_id=person.id)
        withheld = self._withheld(found, person)
        actions = self._actions.of_answers([each.answer.id for each in found])
        handed_on = self._handed_on(person, found, withheld)
        return [
            {
                "question": {
                    "id": each.question.id,
                    "text": each.question.text,
                    "asked_at": each.question.asked_at,
                },
                "answer": {
                    **self._with_feedback(each.answer, person, actions.get(each.answer.id, ()), why),
                    **escalation,
                },
            }
            for each, why, escalation in zip(found, withheld, handed_on, strict=True)
        ]

    def history(self, person: Person, conversation: str) -> tuple[Turn, ...]:
        """Return the turns that go along with the person's next question in a conversation, oldest first.

        Answering leaves out those that may not be in its prompt.
        """
        found = self._history.of_thread(NAME, [conversation], person_id=person.id, limit=HISTORY_TURNS)
        return tuple(map(as_turn, found))

    def answer_to(self, person: Person, question_id: str) -> dict[str, Any] | None:
        """Return the answer to one of the person's questions as the page shows it."""
        found = self._history.exchange(question_id)
        if found is None or found.question.person_id != person.id:
            return None
        withheld = self._withheld([found], person)
        (escalation,) = self._handed_on(person, [found], withheld)
        actions = self._actions.of_answer(found.answer.id)
        return {**self._with_feedback(found.answer, person, actions, *withheld), **escalation}

    def show_new(self, answer: Answer, person: Person) -> dict[str, Any]:
        """Return an answer that was just given to a person."""
        (escalation,) = self._escalations.of_answers(person, [answer], [False])
        return {**self._show(answer, person, answer.actions), **escalation}

    def escalation(self, person: Person, answer_id: str) -> dict[str, Any] | None:
        """Return what became of handing one of the person's answers to somebody; ``None`` if they didn't."""
        found = self._exchange(answer_id)
        (shown,) = self._handed_on(person, [found], self._withheld([found], person))
        escalation: dict[str, Any] | None = shown["escalation"]
        return escalation

    def ask_person(self, person: Person, answer_id: str) -> dict[str, Any]:
        """Hand the question of one of the person's answers to a person.

        :raises ConflictError: nobody can take it.
        """
        found = self._exchange(answer_id)
        (why,) = self._withheld([found], person)
        return self._escalations.ask(person, found.answer, hidden=why == WITHHELD)

    def actions(self, person: Person, answer_id: str) -> list[dict[str, Any]]:
        """Return the actions of one of the person's answers as they are now; none if they may not see it any more."""
        found = self._history.of_answer(answer_id)
        if found is None or found.question.person_id != person.id:
            return []
        (why,) = self._withheld([found], person)
        return [] if why else [each.shown() for each in self._actions.of_answer(answer_id)]

    def owns_answer(self, person: Person, answer_id: str) -> bool:
        """Return whether the answer was given to this person."""
        found = self._history.of_answer(answer_id)
        return found is not None and found.question.person_id == person.id

    def _exchange(self, answer_id: str) -> Exchange:
        found = self._history.of_answer(answer_id)
        if found is None:
            raise NotFoundError("This answer no longer exists.", hint="It may have been erased. Reload the page.")
        return found

    def _handed_on(self, person: Person, found: Sequence[Exchange], withheld: Sequence[str]) -> list[dict[str, Any]]:
        answers = [each.answer for each in found]
        return self._escalations.of_answers(person, answers, [why == WITHHELD for why in withheld])

    def _show(self, answer: Answer, person: Person, actions: Sequence[OfferedAction]) -> dict[str, Any]:
        """Return an answer as the page shows it.

        :param person: who asked; whether a correction of theirs is live at once is in ``corrects_at_once``.
        :param actions: as they are now.

        Scores and most of the provenance are left out: they would tell about documents that the asker may not read.
        """
        return {
            "id": answer.id,
            "question_id": answer.question_id,
            "known": answer.known,
            "department": answer.department,
            "text": answer.text,
            "html": render(answer.text),
            "department_title": self._departments.title(answer.department),
            "source": answer.provenance.source,
            "completions": dict(answer.provenance.completions),
            "citations": [
                {
                    "n": each.n,
                    "document": each.document,
                    **({"address": at} if (at := at_sentence(each.document, each.quote)) != each.document else {}),
                    "heading": each.heading,
                    "text": each.text,
                    "html": render(each.text),
                }
                for each in answer.citations
            ],
            "actions": [each.shown() for each in actions],
            "suggestion": _suggestion(answer),
            "elsewhere": [
                {"name": name, "title": self._departments.title(name)} for name in answer.provenance.elsewhere
            ],
            "vote": None,
            "correction": None,
            "decided": None,
            "corrects_at_once": person.role_in(answer.department).includes(Role.AGENT),
        }

    def _withheld(self, found: Sequence[Exchange], person: Person) -> list[str]:
        """Return why each answer isn't shown any more, or an empty text if it is."""
        sight = self._rights.sight(self._departments.audience_of(person))
        seen = sight.each(each.answer.grounds for each in found)
        passing = iter(self._plugins.may_show_again([*compress(found, seen)]))
        return [WITHHELD if not may_see else "" if next(passing) else REFUSED for may_see in seen]

    def _with_feedback(
        self, answer: Answer, person: Person, actions: Sequence[OfferedAction], withheld: str
    ) -> dict[str, Any]:
        """Return an answer with the person's vote.

        :param withheld: why it isn't shown, or an empty text.
        """
        if withheld:
            provenance = replace(answer.provenance, suggestion=None)
            answer = replace(answer, text=withheld, known=False, citations=(), provenance=provenance)
            actions = ()
        shown = self._show(answer, person, actions)
        if shown["elsewhere"]:
            askable = self._departments.askable(self._departments.audience_of(person))
            shown["elsewhere"] = [each for each in shown["elsewhere"] if each["name"] in askable and not withheld]
        vote = self._votes.current(answer.id, person.id)
        if vote is not None:
            shown["vote"] = {"value": vote.value, "reason": vote.reason, "comment": vote.comment}
        correction = self._votes.correction(answer.id, person.id)
        if correction is not None and not withheld:
            shown["correction"] = correction.text
            shown["decided"] = self._decided(answer, person, correction.text)
        return shown

    def _decided(self, answer: Answer, person: Person, proposed: str) -> dict[str, Any] | None:
        """Return what an agent made of the person's correction as the page shows it."""
        judged = self._reviews.own(answer.id, person.id)
        if judged is None:
            return None
        taken, unchanged = judged.outcome == "corrected", judged.text == proposed
        who = self._departments.person(judged.person_id).name or SOMEBODY
        text = "" if taken and (unchanged or not self._passes(answer, judged.text)) else judged.text
        return {"taken": taken, "said": decided(who, judged.outcome, unchanged=unchanged), "text": text}

    def _passes(self, answer: Answer, text: str) -> bool:
        """Return whether the checks of answers let a text be shown in an answer's place."""
        found = self._history.of_answer(answer.id)
        return found is not None and all(
            self._plugins.may_show_again([replace(found, answer=replace(found.answer, text=text))])
        )


def _listed(conversation: str, title: str, at: datetime) -> dict[str, Any]:
    return {"id": conversation, "title": title[:TITLE_CHARACTERS], "at": at, "running": False}


def _suggestion(answer: Answer) -> dict[str, str] | None:
    """Return a colleague's answer to a similar question as the page shows it."""
    found = answer.provenance.suggestion
    return {"question": found.question, "text": found.text, "html": render(found.text)} if found else None
