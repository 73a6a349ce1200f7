"""Answers for an agent to correct: the queue, and one answer as the agent reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.errors import NotFoundError
from bot.domain.people import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.domain.people import Person
    from bot.feedback.reviews import AwaitingCorrection, Reviews
    from bot.feedback.waiting import Judged
    from bot.hooks.host import PluginHost
    from bot.storage.history import History
    from plugins.slack.overview.departments import AskableDepartment, AskableDepartments

PROPOSALS = 5
COMMENTS = 5
"""The newest."""

QUEUE_READ = 200
"""Newest answers voted down that are looked at for the queue."""


@dataclass(frozen=True, slots=True)
class Review:
    """An answer as an agent reads it before correcting it.

    :param proposals: employees' corrections that nobody has rejected.
    :param comments: what people wrote who voted it down.
    :param decided: what was last decided about it, if anything.
    """

    answer_id: str
    question: str
    answer: str
    proposals: tuple[str, ...]
    comments: tuple[str, ...] = ()
    decided: Judged | None = None

    @property
    def seen(self) -> str:
        """What tells that nothing was decided since."""
        return self.decided.at.isoformat() if self.decided is not None else ""


class ReviewQueue:
    """Finds answers to correct, and shows each agent only those that they may read."""

    def __init__(
        self, reviews: Reviews, history: History, departments: AskableDepartments, plugins: PluginHost
    ) -> None:
        self._reviews = reviews
        self._history = history
        self._departments = departments
        self._plugins = plugins

    def waiting(self, departments: Sequence[AskableDepartment]) -> tuple[AwaitingCorrection, ...]:
        """Return the answers that wait for a correction, last voted on first.

        An answer is left out unless every page it names may be read, because its question tells about them. If its
        pages are gone, only operators see it: nobody can tell any more who might read those.
        """
        seen = {each.name: each for each in departments}
        waiting = self._reviews.waiting(list(seen), limit=QUEUE_READ)
        return tuple(each for each in waiting if seen[each.department].shows(each.citations, each.rests_on))

    def review(self, person: Person, answer_id: str) -> Review:
        """Return an answer for an agent to correct.

        :raises NotFoundError: there is none, the person is no agent, or it rests on what they may not read.
        """
        departments = self._departments.of_person(person)
        seen = {each.name: each for each in departments if person.role_in(each.name).includes(Role.AGENT)}
        found = self._history.of_answer(answer_id)
        department = seen.get(found.answer.department) if found else None
        if found is None or department is None or not department.shows(found.answer.citations, found.answer.rests_on):
            raise NotFoundError("There is no such answer to correct.", hint="Open App Home again.")
        decided = self._reviews.last_decision(answer_id)
        if found.question.attachments:  # what was made from somebody's file stays with them
            return Review(answer_id, found.question.text, "", (), decided=decided)
        proposals = self._reviews.proposals(answer_id, limit=PROPOSALS)
        comments = [each.comment for each in self._reviews.votes_down(answer_id) if each.comment][-COMMENTS:]
        text = found.answer.text if all(self._plugins.may_show_again([found])) else ""
        return Review(answer_id, found.question.text, text, proposals, tuple(comments), decided)

    def is_agent_for(self, person: Person, answer_id: str) -> bool:
        """Return whether the person is an agent of the answer's department, whether or not they may read it."""
        found = self._history.of_answer(answer_id)
        return person.role_in(found.answer.department if found else "").includes(Role.AGENT)
