"""What the page says of votes and corrections: only what is true for the reason and for the person's role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.feedback.reasons import CAUSES, REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.feedback.reasons import Cause

RECORDED = "Thank you. Your vote is recorded."
WITHDRAWN = "Your vote is withdrawn."
LIVE = "Thank you. Your correction is live: who asks this again gets it."
PROPOSED = "Thank you. Your correction is saved. Others don't see it until a support agent adopts it."
WILL_BE_LIVE = "Your text becomes the answer to this question at once."
WILL_BE_PROPOSED = "Others don't see your text until a support agent adopts it."

FOLLOWS: Mapping[Cause, str] = {
    "answer": "A vote doesn't change the answer; a correction can.",
    "page": "The answer changes once the page does: tell the people who keep it.",
    "search": "It counts against the search. It teaches the model nothing.",
    "safety": "It doesn't hide the answer from others: if that matters now, tell an operator.",
    "style": "A vote doesn't change the answer; later training may.",
}
"""What follows from a vote down for this cause."""


def words() -> dict[str, Any]:
    """Return the page's texts; the reasons stay in their order."""
    reasons = [{"code": code, "label": label, "thanks": _thanks(CAUSES.get(code))} for code, label in REASONS.items()]
    return {
        "reasons": reasons,
        "up": RECORDED,
        "down": RECORDED,
        "none": WITHDRAWN,
        "live": LIVE,
        "proposed": PROPOSED,
        "will_be_live": WILL_BE_LIVE,
        "will_be_proposed": WILL_BE_PROPOSED,
    }


def _thanks(cause: Cause | None) -> str:
    return f"{RECORDED} {FOLLOWS[cause]}" if cause else RECORDED
