"""What is said in and under an answer."""

from __future__ import annotations

from urllib.parse import urlsplit

from plugins.slack.texts.formats import LINK_CHARACTERS, SHOWN_CHARACTERS, escaped, shortened


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


def no_sources() -> str:
    """The line under what the model said without any document."""
    return ":warning: No sources: no document says this, so check it before you rely on it."


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


def put_off() -> str:
    """Below what is shown of an answer whose making was interrupted."""
    return "_I was interrupted. This answer will be completed here in a moment._"


def how_to_ask() -> str:
    """What somebody reads who mentions the bot without a question."""
    return "Ask me a question in the same message, for example: _How many days of leave do I have?_"
