"""What Mentee says about its behavior in a channel: to one person alone, and in the modal that sets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.slack.copy.formats import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

QUIET_EMOJI = "shrug"
"""The reaction to a question that nobody addressed to us and that the documents do not answer."""


def may_not_ask() -> str:
    """Told privately to somebody who asks in a channel that is reserved to others."""
    return (
        "In this channel only certain groups can ask me, and you don't seem to be in any of them. "
        "Ask me in a direct message, or ask whoever runs the channel to add you."
    )


def answers_nobody() -> str:
    """Told privately to somebody who asks in a channel where nobody is answered."""
    return "I don't answer in this channel. Ask me in a direct message, or ask an operator to open the channel."


def share_button() -> str:
    """The label of the button that shows the answer to the whole channel."""
    return "Share with the channel"


def discard_button() -> str:
    """The label of the button that takes the answer away."""
    return "Discard"


def only_you() -> str:
    """The line above these two buttons."""
    return "Only you can see this answer."


def cannot_share() -> str:
    """Told privately when the channel may not see the answer (any more)."""
    return (
        "I can't share this answer here: not everyone in this channel may read its sources, or you may no "
        "longer ask here."
    )


def offer() -> str:
    """Told privately to an asker whose own documents hold more than the channel's."""
    return "I can give you a fuller answer, just for you, from documents that you may read."


def alone_button() -> str:
    """The label of the button under that offer."""
    return "Answer just me"


def form_title() -> str:
    """The title of the modal in which an operator sets how Mentee behaves in a channel."""
    return "Mentee in this channel"


def form_submit() -> str:
    """The label of that modal's button."""
    return "Save"


def form_close() -> str:
    """The label that closes that modal and changes nothing."""
    return "Cancel"


def form_intro(channel: str, *, external: bool) -> str:
    """The first line of that modal."""
    shared = "\n:warning: Another company shares this channel." if external else ""
    return f"How I behave in <#{channel}>. Changes apply from the next message.{shared}"


def form_reads(reads: Sequence[str]) -> str:
    """The line that says what the channel was given to read."""
    given = escaped(", ".join(reads)) or "only what is open to everyone"
    return f"May read: {given}. Only `mentee slack channel set` changes this."


LABELS = {
    "departments": "Departments (none: all that are open to the channel)",
    "answers": "Answer",
    "follow_ups": "In threads that I'm part of",
    "quiet": "When I find nothing and nobody mentioned me",
    "askers": "Who may ask: ids of Slack user groups (none: everyone)",
    "private_first": "Who sees an answer first",
    "train_eligible": "May rounds learn from this channel?",
}
"""The label of each setting in the modal."""

CHOICES: dict[str, dict[str, str]] = {
    "answers": {
        "tagged": "when someone mentions me",
        "all": "every question in the channel",
        "never": "nobody here",
    },
    "follow_ups": {"true": "answer without a mention", "false": "wait for a mention"},
    "quiet": {"off": "say so", "react": "react with :shrug:", "silent": "say nothing"},
    "private_first": {"false": "the whole channel", "true": "the person who asked, who can share it"},
    "train_eligible": {
        "null": "use the instance's default",
        "true": "yes",
        "false": "no, including earlier questions",
    },
}
"""The choices of each setting in the modal, by their value as JSON."""


def form_opens() -> str:
    """Shown to an operator while the modal opens."""
    return "One moment, opening the channel's settings."


def form_operators_only() -> str:
    """Shown to somebody else."""
    return "Only operators can change how I behave in a channel."


def form_where() -> str:
    """Shown where there is no channel."""
    return "Type this in the channel that you want to configure."
