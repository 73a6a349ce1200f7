"""What the page says of votes and corrections: only what is true for the reason and for the person's role."""

from __future__ import annotations

from typing import Any

from bot.feedback.reasons import REASONS, what_follows

RECORDED = "Thank you. Your vote is recorded."
WITHDRAWN = "Your vote is withdrawn."
LIVE = "Thank you. Your correction is live: the next person who asks this gets it."
PROPOSED = "Thank you. Your correction is saved. Others don't see it until a support agent accepts it."
SOMEBODY = "A support agent"
WILL_BE_LIVE = "Your text becomes the answer to this question right away."
WILL_BE_PROPOSED = "Others don't see your text until a support agent accepts it."


def decided(who: str, outcome: str, *, unchanged: bool) -> str:
    """Return what an agent decided about somebody's correction.

    :param unchanged: whether the published text is theirs as it was.
    """
    if outcome == "rejected":
        return f"{who} didn't accept your correction."
    return (
        f"{who} published your correction." if unchanged else f"{who} published a correction that differs from yours."
    )


def words() -> dict[str, Any]:
    """Return the page's texts; the reasons stay in their order."""
    reasons = [
        {
            "code": code,
            "label": label,
            "thanks": _thanks(what_follows(code, agent=False)),
            "thanks_to_agents": _thanks(what_follows(code, agent=True)),
        }
        for code, label in REASONS.items()
    ]
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


def _thanks(follows: str) -> str:
    return f"{RECORDED} {follows}" if follows else RECORDED
