"""Every text that people read in Slack."""

from __future__ import annotations

from urllib.parse import urlsplit

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


def correction_hint() -> str:
    """What becomes of a correction."""
    return "Support agents' corrections answer the next person at once; others are reviewed first."


def thanks(*, live: bool) -> str:
    """Told to the person who corrected an answer, and only to them."""
    if live:
        return "Thank you. Your correction is live: the next person who asks this gets it."
    return "Thank you. Your correction waits for a support agent to confirm it."


def escaped(text: str) -> str:
    """Return a text that Slack shows as it is: no mention, no link, no markup of Slack's own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def shortened(text: str, limit: int) -> str:
    """Return the text, cut to ``limit`` characters with an ellipsis where it is longer."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
