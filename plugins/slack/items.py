"""The names that inbox and outbox items share: kinds, keys, and the identifiers known to Slack."""

from __future__ import annotations

NAME = "slack"

QUESTION, EDIT, DELETION = "question", "edit", "deletion"
SHARE, ANSWER_PRIVATELY, CHANNEL_SETTINGS = "share", "answer_privately", "channel_settings"
VOTE, REACTION, REASON, CORRECTION, PROPOSAL = "vote", "reaction", "reason", "correction", "proposal"
ASK_PERSON, CHECK_MARK, CLOSE_ESCALATION = "ask_person", "check_mark", "close_escalation"
ASK_ELSEWHERE = "ask_elsewhere"
STOP_NOTIFICATIONS = "stop_notifications"
CONFIRM_ACTION = "confirm_action"
GREETING = "greeting"
"""Kinds of inbox items. ``handlers/`` has a handler for each; a greeting is an outbox item, too."""

ANSWER, NOTICE, OFFER = "answer", "notice", "offer"
"""Kinds of outbox items that this plugin adds or treats in a way of their own."""

CHECK_FILE = "check_file_info"
"""Slack's word for: this event does not describe the file, ``files.info`` does."""

COMMAND = "/mentee"
CORRECT_SHORTCUT = "mentee_correct_message"

NOTHING_POSTED = ""
"""The reference of a delivery that ended without a message, because silence was the better answer."""


def message_key(team: str, channel: str, ts: str) -> str:
    """Return the identity of a message, whatever events tell of it."""
    return f"{NAME}:{team}:{channel}:{ts}"


def version_key(key: str, edited: str) -> str:
    """Return the message key of an edited message; ``edited`` is the edit's own ``ts``."""
    return f"{key}:edited:{edited}"


def private_key(question_id: str, user: str) -> str:
    """Return the message key of a question that its asker has answered in private."""
    return f"{NAME}:{ANSWER_PRIVATELY}:{question_id}:{user}"


def private_thread(thread: str, user: str, *, own_rights: bool = False) -> str:
    """Return the name of the part of a thread that one person alone reads.

    What was answered with that person's own rights is kept apart even from what they may share with the channel.
    """
    return f"{thread}:{user}:own" if own_rights else f"{thread}:{user}"


def question_id(item_id: str) -> str:
    """Return the id of the question that an inbox item asks."""
    return f"q_{item_id}"


def item_id(question: str) -> str:
    """Return the id of the inbox item that asked a question."""
    return question.removeprefix("q_")
