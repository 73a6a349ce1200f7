"""The reasons people can give for a vote down, the same in every channel, and what each says needs fixing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "wrong": "It is wrong",
    "outdated": "It is out of date",
    "wrong source": "The source does not fit",
    "incomplete": "Something is missing",
    "unsafe": "It is unsafe or should not be said",
    "tone": "The tone is off",
    "other": "Something else",
}
"""As stored, and as shown."""

RATED_CAUSES: Mapping[str, str] = {
    "wrong source": "Wrong source",
    "outdated": "Out of date",
    "missing": "Not in the documents",
    "misunderstood": "Question misunderstood",
    "unfounded": "Says more than its sources",
    "unsafe": "Unsafe",
    "other": "Something else",
}
"""Why an answer that an agent has rated isn't right. Those that voters can give, too, have the same code as there."""

Cause = Literal["answer", "page", "search", "safety", "style"]

CAUSES: Mapping[str, Cause] = {
    "wrong": "answer",
    "incomplete": "answer",
    "outdated": "page",
    "wrong source": "search",
    "unsafe": "safety",
    "tone": "style",
}
"""What a reason says needs fixing: the answer (by a correction), the page, the search, safety or style.

``other`` only says it in words.
"""

FOLLOWS: Mapping[Cause, str] = {
    "answer": "Your vote alone doesn't change the answer. If you know the right one, please suggest a correction.",
    "page": "The answer changes once the page is updated, so please let the people who maintain it know.",
    "search": "It counts as a problem with the search, so the model isn't trained on it.",
    "safety": "Others can still get this answer. If that can't wait, please tell an operator.",
    "style": "Your vote doesn't change this answer, but it may be used to train the model.",
}
"""What follows from a vote down for this cause, told only as far as it is true of every installation."""

FOLLOWS_FOR_AGENTS: Mapping[Cause, str] = {
    **FOLLOWS,
    "answer": "Your vote alone doesn't change the answer. If you know the right one, please correct it.",
    "safety": "Others can still get this answer until you correct it.",
}
"""The same for agents, whose corrections replace an answer."""

NOT_THE_MODELS_FAULT = frozenset({"page", "search"})
"""Causes that training can't fix: such a vote says nothing about the model's text."""


def what_follows(reason: str, *, agent: bool) -> str:
    """Return what follows from a vote down with this reason; empty for ``other``, which only says it in words.

    :param agent: whether the person is an agent of the answer's department.
    """
    cause = CAUSES.get(reason)
    follows = FOLLOWS_FOR_AGENTS if agent else FOLLOWS
    return follows[cause] if cause else ""
