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

NOT_THE_MODELS_FAULT = frozenset({"page", "search"})
"""Causes that training can't fix: such a vote says nothing about the model's text."""
