"""What people are told became of their feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.slack.texts.formats import escaped, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 10
"""Questions named in one message."""
QUESTION_CHARACTERS = 200


def live(questions: Sequence[str]) -> str:
    """A support agent has corrected answers that the reader voted down."""
    return (
        "You voted down my answer to this. A support agent has corrected it, and the next person who asks gets the "
        f"corrected one:\n{_listed(questions)}"
    )


def learned(questions: Sequence[str], adapter: str) -> str:
    """A round has trained on the reader's votes and corrections, and its adapter answers now."""
    return (
        f"I have learned from what you told me. My new version ({escaped(adapter)}) answers now, and this was part of "
        f"its training:\n{_listed(questions)}\nThank you."
    )


def stop_button() -> str:
    """The label of the button that ends these messages."""
    return "No more such messages"


def stopped(command: str) -> str:
    """Told to somebody who ended them."""
    return f"You will get no more such messages. `{command} news on` brings them back."


def switched(*, on: bool) -> str:
    """The answer to ``/mentee news on`` and ``off``."""
    return (
        "I will tell you what becomes of your feedback." if on else "I will not tell you what becomes of your feedback."
    )


def switch_how() -> str:
    """The answer to ``/mentee news`` without more."""
    return "`on` or `off`: whether I tell you when what you voted down is corrected, and when I have learned from it."


def _listed(questions: Sequence[str]) -> str:
    lines = [f"• “{escaped(shortened(' '.join(text.split()), QUESTION_CHARACTERS))}”" for text in questions[:SHOWN]]
    more = len(questions) - SHOWN
    return "\n".join([*lines, f"… and {more} more"] if more > 0 else lines)
