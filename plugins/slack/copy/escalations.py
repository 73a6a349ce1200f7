"""What is said where a question is handed to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.slack.copy.formats import date, escaped

if TYPE_CHECKING:
    from datetime import datetime

    from bot.feedback.escalations import Outcome


def ask_button() -> str:
    """The label of the button under an answer."""
    return "Ask a person"


def ask_offer() -> str:
    """Above the button where nothing was found."""
    return "Shall I ask a person who knows?"


def ask_confirm_title() -> str:
    """The title of the question that follows the button."""
    return "Ask a person?"


def ask_confirm() -> str:
    """What becomes of the question when it is handed on."""
    return "The people who handle this department's questions will see your question, this answer and your name."


def ask_confirm_yes() -> str:
    """The label that hands the question on."""
    return "Ask"


def ask_confirm_no() -> str:
    """The label that does not."""
    return "Not now"


def asked(department: str) -> str:
    """Told to the asker alone when their question is handed on."""
    return f"I've passed your question on to {escaped(department)}. I'll let you know when someone answers."


def asked_nobody(department: str) -> str:
    """Told to the asker alone when there is nobody to be told."""
    return (
        f"I've noted your question, but nobody handles questions for {escaped(department)} in Slack yet. "
        "Operators can see it in App Home."
    )


def asked_already() -> str:
    """Told to somebody who hands on what is handed on already."""
    return "This question has already been passed on. Someone will look at it."


def ended_already() -> str:
    """Told to somebody who presses or marks what is resolved."""
    return "This question is already resolved."


def note_text(department: str) -> str:
    """The notification of a note, without the question."""
    return f"Someone asks for a person: {escaped(department)}"


def note_title(department: str, asker: str, owners: str) -> str:
    """The first line of a note. ``owners`` are mentions, empty where each of them is told alone."""
    tagged = f" {owners}" if owners else ""
    return f":raising_hand: *{escaped(department)}*: {asker} asks for a person.{tagged}"


def reminder_title(department: str, asker: str, owners: str, since: datetime) -> str:
    """The first line of a note that comes a second time."""
    tagged = f" {owners}" if owners else ""
    return f":hourglass: *{escaped(department)}*: {asker} has been waiting for a person since {date(since)}.{tagged}"


def answered_before() -> str:
    """Above the answer that did not do."""
    return "*My answer was*"


def answer_hidden() -> str:
    """Instead of an answer that not every reader of the note may see."""
    return "_My answer comes from pages that not everyone here may read, so I'm not repeating it._"


def how_to_reply(link: str | None) -> str:
    """The last line of a note: how to resolve it."""
    mark = "and mark the reply that answers it with :white_check_mark:"
    if link:
        return f"Reply in <{link}|the thread> or here, {mark}."
    return f"Reply in this thread {mark}. I'll pass it on."


def write_button() -> str:
    """The label of the button that opens the modal for a correction."""
    return "Write the answer"


def close_button() -> str:
    """The label of the button that ends an escalation without an answer."""
    return "Close"


def ended(who: str, outcome: Outcome) -> str:
    """Said below a note when it is resolved."""
    how = {
        "replied": "with a reply, which I've passed on. Should I give it to the next person who asks this?",
        "corrected": "with a corrected answer, which I've passed on.",
        "closed": "without an answer.",
    }
    return f":white_check_mark: Resolved by {who} {how[outcome]}"


def save_button() -> str:
    """The label of the button that makes a correction of a reply."""
    return "Save as correction"


def reply_title(who: str, outcome: Outcome) -> str:
    """Told to the asker: the line above the question."""
    if outcome == "closed":
        return f"{who} has closed your question without an answer. Ask again if you still need one."
    return f"Someone has answered your question, and {who} confirmed it."


def reply_text() -> str:
    """The notification of an answer by a person, without its words."""
    return "Someone has looked at your question."


def mark_a_reply() -> str:
    """Told to somebody who marks what is no person's reply."""
    return "Mark the reply that answers the question and I'll pass it on, or press *Close*."


def write_refused() -> str:
    """Shown to somebody who may not correct this answer."""
    return (
        "You can't correct this answer. Only support agents who may read every page it cites can. "
        "Reply in the thread instead, and mark the reply with :white_check_mark:."
    )


def waiting_title() -> str:
    """The heading above the open ones in App Home."""
    return "Waiting for a person"


def nobody_waits() -> str:
    """Shown there when none is open."""
    return "Nobody is waiting for a person."


def waiting_line(department: str, asker: str, at: datetime) -> str:
    """Who waits and since when, below the question in App Home."""
    return f"{escaped(department)} · {asker} · {date(at)}"


def thread_link() -> str:
    """The words that lead to the thread."""
    return "Open the thread"
