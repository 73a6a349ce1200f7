"""What is said in and under an answer."""

from __future__ import annotations

from urllib.parse import urlsplit

from plugins.slack.copy.formats import LINK_CHARACTERS, SHOWN_CHARACTERS, escaped, shortened

TITLE_CHARACTERS = 60


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
    return "*I found nothing certain. These pages come closest:*"


def no_sources() -> str:
    """The line under what the model said without any document."""
    return ":warning: No sources: no document supports this. Check it before you rely on it."


def weak_match() -> str:
    """The mark of a quotation, which is shown where no answer could be written."""
    return ":mag: Weak match: quoted from the closest page. It may not answer your question."


def source_line(number: int, heading: str, document: str, at: str = "") -> str:
    """One numbered source: where in which page, with the page's host or path. Slack's own markup, already safe.

    :param at: the address that opens the page at the sentence, if there is one.
    """
    parts = urlsplit(document)
    title = escaped(shortened(heading, SHOWN_CHARACTERS)) or "Source"
    where = f" — {escaped(shortened(document, SHOWN_CHARACTERS))}" if document else ""
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return f"[{number}] {title}{where}"
    shown = escaped(shortened(f"{parts.netloc}{parts.path}".rstrip("/"), SHOWN_CHARACTERS))
    addresses = (escaped(each).replace("|", "%7C").replace(" ", "%20") for each in (at, document) if each)
    address = min(addresses, key=lambda each: len(each) > LINK_CHARACTERS)
    return (
        f"[{number}] {title} — {shown}"
        if len(address) > LINK_CHARACTERS
        else f"[{number}] {title} — <{address}|{shown}>"
    )


def ask_in(title: str) -> str:
    """The button that asks the question again in another department; Slack allows 75 characters."""
    return f"Ask in {shortened(title, TITLE_CHARACTERS)}"


def curated() -> str:
    """The mark of an answer that a colleague wrote."""
    return ":bust_in_silhouette: Answered by a colleague: curated answer"


def similar(question: str) -> str:
    """Above a colleague's answer to a similar question."""
    return f":bust_in_silhouette: A colleague answered a similar question: _{escaped(shortened(question, 300))}_"


def put_off() -> str:
    """Below what is shown of an answer whose making was interrupted."""
    return "_I was interrupted. I'll complete this answer here in a moment._"


def withheld() -> str:
    """Instead of an answer whose permissions changed before it was delivered."""
    return "I can't show this answer here any more: who may read its sources changed while I wrote it. Ask again."


def how_to_ask() -> str:
    """What somebody reads who mentions the bot without a question."""
    return "Ask me a question in the same message, for example: _How many days of leave do I have?_"
