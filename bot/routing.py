"""Which department a question goes to: what it says, what plugins say, and else where the best evidence is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from bot.errors import ForbiddenError

if TYPE_CHECKING:
    from bot.app import Mentee
    from bot.departments import Department
    from bot.messages import Passage, Question

EVIDENCE = 3


async def route(mentee: Mentee, question: Question) -> Department:
    """Return the department that answers.

    :raises NotFoundError: the department named does not exist.
    :raises ForbiddenError: it is closed to this audience, or none is open to it.
    """
    departments = mentee.departments
    if question.department:
        return await mentee.store.run(departments.require_askable, question.department, question.audience)
    askable = await mentee.store.run(departments.askable, question.audience)
    candidates = [name for name in askable if not question.departments or name in question.departments]
    if not candidates:
        raise ForbiddenError("No department here is open to you.", hint="Ask an operator to add you to one.")
    if len(candidates) > 1:
        return departments.get(await asyncio.to_thread(_choose, mentee, question, candidates))
    return departments.get(candidates[0])


def _choose(mentee: Mentee, question: Question, candidates: list[str]) -> str:
    for plugin, name in mentee.plugins.values("route_question", question=question):
        if name in candidates:
            return str(name)
        mentee.plugins.fail(plugin, "route_question", f"named {name!r}, which is not among {', '.join(candidates)}")
    found = {
        name: mentee.retriever.search(
            question.search_text or question.text, name, question.audience, k=EVIDENCE, history=question.history
        )
        for name in candidates
    }
    return max(candidates, key=lambda name: _evidence(found[name]))


def _evidence(passages: list[Passage]) -> float:
    """Weigh a department's best passages: the first counts most, and no number of weak ones beats a strong one."""
    return sum(passage.relevance * 0.25**rank for rank, passage in enumerate(passages))
