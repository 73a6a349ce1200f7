"""Every text that people read in Slack."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from plugins.slack.overview import Health

SHOWN_CHARACTERS = 100
"""Of a heading, of a path."""
LINK_CHARACTERS = 200
"""Longer addresses are shown without a link, so that nine sources and the text fit into one message."""


def thumbs_up() -> str:
    """The label of the positive button."""
    return "Helpful"


def thumbs_down() -> str:
    """The label of the negative button."""
    return "Not helpful"


def sources() -> str:
    """The line above the numbered sources."""
    return "*Sources*"


def nearest_pages() -> str:
    """The line above the pages shown when nothing was found."""
    return "*Nothing certain found. The nearest pages:*"


def source_line(number: int, heading: str, document: str) -> str:
    """One numbered source: where in which page, with the page's host or path. Slack's own markup, already safe."""
    parts = urlsplit(document)
    title = escaped(shortened(heading, SHOWN_CHARACTERS)) or "Source"
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return f"[{number}] {title} — {escaped(shortened(document, SHOWN_CHARACTERS))}"
    shown = escaped(shortened(f"{parts.netloc}{parts.path}".rstrip("/"), SHOWN_CHARACTERS))
    address = escaped(document).replace("|", "%7C").replace(" ", "%20")
    return (
        f"[{number}] {title} — {shown}"
        if len(address) > LINK_CHARACTERS
        else f"[{number}] {title} — <{address}|{shown}>"
    )


def curated() -> str:
    """The mark of an answer that a colleague wrote."""
    return ":bust_in_silhouette: Answered by a colleague: curated answer"


def how_to_ask() -> str:
    """What somebody reads who mentions the bot without a question."""
    return "Ask me a question in the same message, for example: _How many days of leave do I have?_"


def reason_title() -> str:
    """The title of the modal that opens after a thumb down."""
    return "What was not right?"


def reason_submit() -> str:
    """The label of the modal's button."""
    return "Send"


def reason_close() -> str:
    """The label that closes the modal; the thumb counts all the same."""
    return "Skip"


def reason_intro() -> str:
    """The first line of the modal."""
    return "Your thumb is recorded. A reason tells us what to repair: the source, the page or the wording."


def reason_label() -> str:
    """The label above the reasons."""
    return "Reason"


def comment_label() -> str:
    """The label above the free text."""
    return "In your words"


def comment_missing() -> str:
    """Shown at the free text when *Something else* was chosen without saying what."""
    return "Please say in a few words what was not right."


def correction_label() -> str:
    """The label above the correction."""
    return "What would have been right?"


def correction_missing() -> str:
    """Shown at a correction that is blank."""
    return "Please write what would have been the right answer."


def correction_hint() -> str:
    """What becomes of a correction."""
    return "Support agents' corrections answer the next person at once; others are reviewed first."


def thanks(*, live: bool) -> str:
    """Told to the person who corrected an answer, and only to them."""
    if live:
        return "Thank you. Your correction is live: the next person who asks this gets it."
    return "Thank you. Your correction waits for a support agent to confirm it."


def can_do() -> str:
    """What Mentee does and how to ask it, at the top of App Home."""
    return (
        "I answer from your company's own documents and name my sources.\n"
        "• Write me a direct message, or mention me in a channel. In the thread, ask on without a mention.\n"
        "• In a channel I use only what the whole channel may read; here, what you may read.\n"
        "• :+1: and :-1: teach me. After :-1: you can say what would have been right."
    )


def departments_title() -> str:
    """The heading above the departments."""
    return "What you can ask about"


def no_departments() -> str:
    """Shown to somebody who may ask no department."""
    return "No department here is open to you yet. An operator can add you to one."


def department_line(title: str, documents: int, updated: datetime | None) -> str:
    """A department with what it knows."""
    if not documents:
        return f"*{escaped(title)}*\nNo documents that you may read yet."
    when = f", last synced {date(updated)}" if updated else ""
    return f"*{escaped(title)}*\n{counted(documents, 'document')}{when}"


def more(number: int) -> str:
    """Stands for what a list leaves out."""
    return f"… and {number:,} more"


def recent_title() -> str:
    """The heading above one's own questions."""
    return "Your recent questions"


def nothing_asked() -> str:
    """Shown to somebody who has not asked yet."""
    return "You have not asked anything yet."


def asked_line(at: datetime, department: str, *, known: bool) -> str:
    """When and whom somebody asked, below the question."""
    parts = [date(at), escaped(department), "" if known else "nothing certain found"]
    return " · ".join(part for part in parts if part)


def queue_title() -> str:
    """The heading above an agent's queue."""
    return "Waiting for a correction"


def queue_empty() -> str:
    """Shown to agents when nothing waits."""
    return "Nothing waits: every answer voted down has been corrected."


def queue_count(number: int) -> str:
    """How many answers wait."""
    return f"{counted(number, 'answer')} voted down and not corrected yet."


def waiting_line(department: str, downs: int, reasons: Sequence[str], *, proposed: bool) -> str:
    """Why an answer waits, below its question."""
    parts = [escaped(department), f"{downs} × :-1:", *reasons, "a correction is proposed" if proposed else ""]
    return " · ".join(part for part in parts if part)


def correct_button() -> str:
    """The label of the button beside an answer that waits."""
    return "Correct"


def correct_title() -> str:
    """The title of the modal in which an agent corrects an answer."""
    return "Correct an answer"


def correct_submit() -> str:
    """The label of that modal's button."""
    return "Answer with this"


def correct_close() -> str:
    """The label that closes that modal and changes nothing."""
    return "Cancel"


def review_question() -> str:
    """Above the question in that modal."""
    return "*Asked*"


def review_answer() -> str:
    """Above the answer in that modal."""
    return "*Answered*"


def review_proposal() -> str:
    """Above what a colleague would have found right."""
    return "*Proposed by a colleague*"


def health_title() -> str:
    """The heading above the state of the instance."""
    return "Health"


def health_lines(health: Health) -> str:
    """The state of the instance, one fact a line."""
    waiting = counted(health.waiting, "message") + " waiting"
    if health.waiting:
        waiting += f", the oldest for {health.oldest_seconds:,.0f} s"
    lines = [waiting, f"{counted(health.undelivered, 'answer')} not posted yet"]
    if health.given_up:
        lines.append(f":warning: {counted(health.given_up, 'message')} given up after repeated failures")
    lines += [
        f":warning: {escaped(title)}: {counted(number, 'document')} could not be read"
        for title, number in health.failed_documents.items()
    ]
    if health.broken_plugins:
        lines.append(f":warning: plugins not running: {escaped(', '.join(health.broken_plugins))}")
    lines += [
        f"{escaped(each.department)}: last round {each.state}" + (f", {each.verdict}" if each.verdict else "")
        for each in health.rounds
    ]
    return "\n".join(f"• {line}" for line in lines)


def greeting() -> str:
    """The first thing Mentee writes in a direct conversation."""
    return (
        "Hello! Ask me anything about your company's documents: I answer in a thread, with sources. "
        "The thumbs under an answer teach me."
    )


def prompts_title() -> str:
    """The line above the suggested questions."""
    return "You could ask:"


def status() -> str:
    """What Slack shows behind our name while an answer is made."""
    return "is looking for the answer…"


def status_steps() -> list[str]:
    """What Slack shows in turns while an answer is made."""
    return ["Searching the documents…", "Reading what was found…", "Writing the answer…"]


def command_help(command: str) -> str:
    """The answer to ``/mentee help``, and to words that are no command."""
    return (
        f"`{command} ask QUESTION` — an answer that only you see. "
        f"`{command} ask DEPARTMENT: QUESTION` asks one department.\n"
        f"`{command} department` — whom you can ask; `{command} department NAME` — what one knows.\n"
        f"`{command} status` — whether I am keeping up, and your last questions.\n"
        "To ask where everybody sees the answer, mention me in the channel."
    )


def ask_what(command: str) -> str:
    """Shown to somebody who asks nothing."""
    return f"What would you like to know? For example: `{command} ask How many days of leave do I have?`"


def asked() -> str:
    """Shown at once; the answer follows."""
    return "I am looking for the answer. It will appear here, for you alone."


def busy() -> str:
    """Shown when a command cannot be carried out just now."""
    return "Many questions are waiting just now. Please try again in a minute."


def no_such_department(name: str) -> str:
    """Shown for a name that is no department the person may ask."""
    return f"There is no department “{escaped(shortened(name, SHOWN_CHARACTERS))}” that you can ask."


def working(waiting: int) -> str:
    """The first line of ``/mentee status``."""
    return "I am keeping up: nothing waits." if not waiting else f"{counted(waiting, 'message')} before yours."


def examples_title() -> str:
    """The line above the questions a department suggests."""
    return "For example:"


def date(at: datetime) -> str:
    """A point in time that Slack shows in the reader's own time zone."""
    return f"<!date^{at.timestamp():.0f}^{{date_short_pretty}} {{time}}|{at:%Y-%m-%d %H:%M} UTC>"


def counted(number: int, what: str) -> str:
    """A number of things, such as ``1 document`` or ``1,200 documents``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def escaped(text: str) -> str:
    """Return a text that Slack shows as it is: no mention, no link, no markup of Slack's own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shortened(text: str, limit: int) -> str:
    """Return the text, cut to ``limit`` characters with an ellipsis where it is longer."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
