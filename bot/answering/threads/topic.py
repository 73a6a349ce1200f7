"""Decides what a question in a thread leans on: the turns of its topic, or nothing.

Wording decides where it can. A short question without signs ("who decides?", "VLTP"), and a longer one after "and", is
searched for by itself: if that finds a page with confidence, it begins a topic of its own. Otherwise it leans, unless
the thread makes it harder to find.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.answering.threads.courtesy import courtesy
from bot.answering.threads.wording import leaning
from bot.domain.questions import SEARCHED_TURNS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bot.access.departments import Departments
    from bot.domain.ports import Retriever
    from bot.domain.questions import Question, Turn

    Find = Callable[[str, Sequence[Turn]], float]
    """Searches for a question with turns before it; returns the relevance of the best passage, 0..1."""

STANDS_ALONE = 0.7
"""Relevance of what a short question finds by itself from which it needs no thread."""


def leans_on(text: str, history: Sequence[Turn], find: Find) -> tuple[Turn, ...]:
    """Return the earlier turns that a question needs to be understood, oldest first; empty if it begins a new topic.

    :param history: the thread's turns, oldest first.
    """
    turns = [turn for turn in history if turn.question.strip() and not courtesy(turn.question)]
    topic = _last_topic(turns[-SEARCHED_TURNS:])
    says = leaning(text) if topic else "no"
    if says == "maybe":
        alone = find(text, ())
        says = "yes" if alone < STANDS_ALONE and find(text, topic) >= alone else "no"
    return tuple(topic) if says == "yes" else ()


def _last_topic(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return the last turns that belong together: back to one that stands by itself."""
    first = len(turns) - 1
    while first > 0 and leaning(turns[first].question) != "no":
        first -= 1
    return turns[max(first, 0) :]


class Topics:
    """Finds what questions lean on.

    :param retriever: returns the retriever, which is opened when first needed.
    """

    def __init__(self, departments: Departments, retriever: Callable[[], Retriever]) -> None:
        self._departments = departments
        self._retriever = retriever

    def of(self, question: Question) -> tuple[Turn, ...]:
        """Return the turns of the thread that the question leans on. Blocking: a short one may be searched for."""
        return leans_on(question.text, question.history, lambda text, topic: self._relevance(question, text, topic))

    def _relevance(self, question: Question, text: str, topic: Sequence[Turn]) -> float:
        """Return the relevance of the best passage in the departments that may be asked."""
        wanted = (question.department,) if question.department else question.departments
        askable = self._departments.askable(question.audience)
        names = [name for name in askable if not wanted or name in wanted]
        search, audience = self._retriever().search, question.audience
        found = (search(text, name, audience, k=1, history=topic) for name in names)
        return max((passage.relevance for passages in found for passage in passages), default=0.0)
