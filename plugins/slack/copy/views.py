"""What App Home, the assistant and the slash command say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plugins.slack.copy.formats import SHOWN_CHARACTERS, counted, date, escaped, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from plugins.slack.overview.health import Health


def can_do() -> str:
    """What Mentee does and how to ask it, at the top of App Home."""
    return (
        "I answer from your company's own documents and name my sources.\n"
        "• Write me a direct message, or mention me in a channel. In the thread, you don't need to mention me again.\n"
        "• In a channel I use only what the whole channel may read; here, what you may read.\n"
        "• :+1: and :-1: teach me. After :-1: you can say what the answer should have been."
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
    return "All done: every answer voted down has been corrected."


def queue_count(number: int) -> str:
    """How many answers wait."""
    return f"{counted(number, 'answer')} voted down and not corrected yet."


def waiting_line(department: str, downs: int, reasons: Sequence[str], *, proposed: bool) -> str:
    """Why an answer waits, below its question."""
    parts = [escaped(department), f"{downs} × :-1:", *reasons, "a correction is suggested" if proposed else ""]
    return " · ".join(part for part in parts if part)


def health_title() -> str:
    """The heading above the state of the instance."""
    return "Health"


def health_lines(health: Health) -> str:
    """The state of the instance, one fact a line."""
    lines = [] if health.waiting or health.undelivered else ["no messages are waiting"]
    if health.waiting:
        lines.append(f"{counted(health.waiting, 'message')} waiting, the oldest for {health.oldest_seconds:,.0f} s")
    if health.undelivered:
        lines.append(f"{counted(health.undelivered, 'answer')} not posted yet")
    if health.escalated:
        lines.append(f"{counted(health.escalated, 'question')} waiting for a person")
    if health.given_up:
        lines.append(f":warning: {counted(health.given_up, 'message')} given up after repeated failures")
    lines += [
        f":warning: {escaped(title)}: {counted(number, 'document')} could not be read"
        for title, number in health.failed_documents.items()
    ]
    if health.complaints.unsafe:
        lines.append(f":warning: {counted(health.complaints.unsafe, 'answer')} reported as unsafe")
    lines += [
        f":warning: {escaped(shortened(page, SHOWN_CHARACTERS))}: reported as outdated {number} ×"
        for page, number in health.complaints.pages.items()
    ]
    if health.broken_plugins:
        lines.append(f":warning: plugins that fail or don't run: {escaped(', '.join(health.broken_plugins))}")
    lines += [
        f"{escaped(each.department)}: last round {each.state}" + (f", {each.verdict}" if each.verdict else "")
        for each in health.rounds
    ]
    return "\n".join(f"• {line}" for line in lines)


def greeting() -> str:
    """The first thing Mentee writes in a direct conversation."""
    return (
        "Hello! Ask me anything about your company's documents. I answer in a thread, with sources. "
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
        f"`{command} department` — departments you can ask; `{command} department NAME` — what one knows.\n"
        f"`{command} status` — how many messages are waiting, and your last questions.\n"
        f"`{command} news on` or `off` — whether I tell you what happens with your feedback.\n"
        f"`{command} channel` — for operators: how I behave in this channel.\n"
        "To ask where everyone sees the answer, mention me in the channel."
    )


def ask_what(command: str) -> str:
    """Shown to somebody who asks nothing."""
    return f"What would you like to know? For example: `{command} ask How many days of leave do I have?`"


def asked() -> str:
    """Shown at once; the answer follows."""
    return "I'm looking for the answer. It will appear here, just for you."


def busy() -> str:
    """Shown when a command cannot be carried out just now."""
    return "Many questions are waiting right now. Please try again in a minute."


def no_such_department(name: str) -> str:
    """Shown for a name that is no department the person may ask."""
    return f"You can't ask a department “{escaped(shortened(name, SHOWN_CHARACTERS))}”."


def working(waiting: int) -> str:
    """The first line of ``/mentee status``."""
    return "No messages are waiting." if not waiting else f"{counted(waiting, 'message')} before yours."


def examples_title() -> str:
    """The line above the questions a department suggests."""
    return "For example:"
