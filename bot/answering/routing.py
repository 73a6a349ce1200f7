"""Chooses the department: the one the question names, a plugin's claim or choice, or the one with the best passages."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.domain.errors import ArtifactError, ForbiddenError
from bot.domain.ports import RatesDepartments

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.access.departments import Department, Departments
    from bot.domain.ports import Retriever
    from bot.domain.questions import Passage, Question, Turn
    from bot.hooks.calling.acting import Acted
    from bot.hooks.host import PluginHost
    from bot.storage.history import History

EVIDENCE = 3
"""Passages of each department that are compared, if the retriever doesn't rate departments."""
EXAMPLES_WEIGHT = 0.3
"""Weight of the cosine of a department's nearest example; chosen on the development half of benchmarks/routing.py."""
LEARNED, LEARNED_PERSON = 40, 5
"""Liked questions that serve as a department's examples: of all people, and of one."""
SEARCHED_ELSEWHERE, NAMED_ELSEWHERE = 5, 2
"""Departments that are searched when the chosen one has no answer, and of these, how many are named."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a question is answered.

    :param claimed_by: the plugin that claimed the question, or ``""``.
    """

    department: Department
    claimed_by: str = ""


class Router:
    """Routes questions.

    :param retriever: returns the retriever, which is opened when first needed.
    :param history: has the questions whose answers people liked: examples of what a department answers.
    """

    def __init__(
        self, departments: Departments, plugins: PluginHost, retriever: Callable[[], Retriever], history: History
    ) -> None:
        self._departments = departments
        self._plugins = plugins
        self._retriever = retriever
        self._history = history

    async def route(self, question: Question, acted: Acted, topic: Sequence[Turn] | None) -> Route:
        """Return the department that answers.

        :param acted: takes what plugins do.
        :param topic: the earlier turns that the question leans on; ``None`` for a message that asks nothing, which is
            not searched for.
        :raises NotFoundError: the department named does not exist.
        :raises ForbiddenError: it is closed to this audience, or none is open to it.
        """
        departments = self._departments
        if question.department:
            named = await asyncio.to_thread(departments.require_askable, question.department, question.audience)
            return Route(named)
        candidates = await asyncio.to_thread(self._candidates, question)
        if not candidates:
            raise ForbiddenError("You can't ask any department here.", hint="Ask an operator to add you to one.")
        plugins, claim = self._plugins, None
        if len(candidates) > 1:
            claim = await plugins.run_noting(acted, plugins.claim_question, question, candidates)
        if claim is not None:
            candidates = list(claim.departments)
        name = _last(question, candidates) if topic is None else await self._choose(question, candidates, acted, topic)
        return Route(await asyncio.to_thread(departments.get, name), claim.plugin if claim else "")

    async def _choose(self, question: Question, candidates: list[str], acted: Acted, topic: Sequence[Turn]) -> str:
        """Return one of the departments."""
        if len(candidates) == 1:
            return candidates[0]
        named = await self._plugins.run_noting(acted, self._plugins.route_question, question, candidates)
        if named is not None:
            return named
        return (await asyncio.to_thread(self._ordered, question, candidates, topic))[0]

    async def elsewhere(self, question: Question, topic: Sequence[Turn]) -> tuple[str, ...]:
        """Return other departments whose documents seem to answer a routed question, the likeliest first.

        Only those that the audience may ask, and only documents that it may read.
        """
        return await asyncio.to_thread(self._elsewhere, question, topic)

    def _elsewhere(self, question: Question, topic: Sequence[Turn]) -> tuple[str, ...]:
        others = [name for name in self._candidates(question) if name != question.department]
        text, retriever = question.search_text or question.text, self._retriever()
        found = []
        for name in self._ordered(question, others, topic)[:SEARCHED_ELSEWHERE] if others else ():
            try:
                best = retriever.search(text, name, question.audience, k=1, history=topic)
            except ArtifactError:  # its own people are told; here it has no answer
                continue
            if best and best[0].relevance >= self._departments.get(name).answers.known_threshold:
                found.append((best[0].relevance, name))
        return tuple(name for _, name in sorted(found, reverse=True)[:NAMED_ELSEWHERE])

    def _candidates(self, question: Question) -> list[str]:
        askable = self._departments.askable(question.audience)
        return [name for name in askable if not question.departments or name in question.departments]

    def _ordered(self, question: Question, candidates: list[str], topic: Sequence[Turn]) -> list[str]:
        """Return the departments, the one that fits best first."""
        text, retriever = question.search_text or question.text, self._retriever()
        if not isinstance(retriever, RatesDepartments):
            found = {
                name: _evidence(retriever.search(text, name, question.audience, k=EVIDENCE, history=topic))
                for name in candidates
            }
            return sorted(candidates, key=lambda name: -found[name])
        rated = retriever.rate_departments(text, candidates, question.audience, history=topic)
        near = self._nearness(question.text, candidates, retriever)
        least = min(rated.values(), default=0.0)
        return sorted(candidates, key=lambda name: -(rated.get(name, least - 1) + EXAMPLES_WEIGHT * near[name]))

    def _nearness(self, text: str, candidates: list[str], retriever: Retriever) -> dict[str, float]:
        """Return the cosine of the example of each department that is nearest to a question; 0 without any."""
        learned = self._history.liked(candidates, each=LEARNED, person=LEARNED_PERSON)
        known = {each.name: each for each in self._departments.all() if each.name in candidates}
        examples = {name: [*known[name].examples, *learned.get(name, ())] for name in candidates}
        texts = [example for name in candidates for example in examples[name]]
        vectors = retriever.embed([text, *texts])
        cosines = iter((vectors[1:] @ vectors[0]).tolist())
        return {name: max((next(cosines) for _ in examples[name]), default=0.0) for name in candidates}


def _last(question: Question, candidates: list[str]) -> str:
    """Return the department of the thread's last answer, or the first candidate."""
    answered = [basis.department for turn in question.history for basis in turn.rests_on]
    return next((name for name in reversed(answered) if name in candidates), candidates[0])


def _evidence(passages: list[Passage]) -> float:
    """Rate a department's best passages. The first counts most: no number of weak ones beats a strong one."""
    return sum(passage.relevance * 0.25**rank for rank, passage in enumerate(passages))
