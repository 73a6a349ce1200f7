"""What people are told became of their feedback."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.slack.copy.formats import escaped, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 10
"""Questions named in one message."""
QUESTION_CHARACTERS = 200
QUOTED_CHARACTERS = 500


def live(questions: Sequence[str]) -> str:
    """A support agent has corrected answers that the reader voted down."""
    return (
        "You voted down my answer to this. A support agent has corrected it, and the next person who asks will get the "
        f"corrected one:\n{_listed(questions)}"
    )


def published(who: str, question: str) -> str:
    """A support agent has accepted the reader's correction as it was."""
    return f"{who} published your correction. The next person who asks this will get it:\n{_listed([question])}"


def edited(who: str, question: str, text: str = "") -> str:
    """A support agent has published another text than the reader proposed.

    :param text: the published one, if it may be shown.
    """
    said = f"{who} published a correction that differs from yours. The next person who asks this will get it:"
    return f"{said}\n{_listed([question])}{_quoted(text)}"


def rejected(who: str, question: str, reason: str) -> str:
    """A support agent has decided against the reader's correction."""
    return f"{who} didn't accept your correction of this answer:\n{_listed([question])}\nThe reason:{_quoted(reason)}"


def learned(questions: Sequence[str], adapter: str) -> str:
    """A round has trained on the reader's votes and corrections, and its adapter answers now."""
    return (
        f"I've learned from your feedback. My new version ({escaped(adapter)}) answers now, and this was part of "
        f"its training:\n{_listed(questions)}\nThank you."
    )


def stop_button() -> str:
    """The label of the button that ends these messages."""
    return "Stop these messages"


def stopped(command: str) -> str:
    """Told to somebody who ended them."""
    return f"You won't get these messages any more. `{command} news on` turns them back on."


def switched(*, on: bool) -> str:
    """The answer to ``/mentee news on`` and ``off``."""
    return (
        "I'll tell you what happens with your feedback." if on else "I won't tell you what happens with your feedback."
    )


def switch_how() -> str:
    """The answer to ``/mentee news`` without more."""
    return (
        "`on` or `off`: whether I tell you when answers you voted down are corrected, when an agent decides about your "
        "corrections, and when I've learned from your feedback."
    )


def _listed(questions: Sequence[str]) -> str:
    lines = [f"• “{escaped(shortened(' '.join(text.split()), QUESTION_CHARACTERS))}”" for text in questions[:SHOWN]]
    more = len(questions) - SHOWN
    return "\n".join([*lines, f"… and {more} more"] if more > 0 else lines)


def _quoted(text: str) -> str:
    """Return a text below the question, as a quotation."""
    lines = shortened(text.strip(), QUOTED_CHARACTERS).splitlines()
    return "".join(f"\n>{escaped(line)}" for line in lines)
