"""Dates, counts and other people's words, as every text shows them."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|([^<>]*))?>")
CHANNEL = re.compile(r"<#[A-Z0-9]+\|([^<>]*)>")
LINK = re.compile(r"<((?:https?|mailto):[^|<>]+)(?:\|([^<>]*))?>")

SHOWN_CHARACTERS = 100
"""Of a heading, of a path."""


LINK_CHARACTERS = 200
"""Longer addresses are shown without a link, so that nine sources and the text fit into one message."""


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


def readable(text: str, me: str) -> str:
    """Return a message's text as its writer saw it, without the mention of us."""
    text = MENTION.sub(lambda match: "" if match[1] == me else f"@{match[2] or match[1]}", text)
    text = CHANNEL.sub(lambda match: f"#{match[1]}", text)
    text = LINK.sub(lambda match: match[2] if match[2] and match[2] in match[1] else _link(match), text)
    return re.sub(r"[ \t]+", " ", html.unescape(text)).strip()


def _link(match: re.Match[str]) -> str:
    return f"{match[2]} ({match[1]})" if match[2] else match[1]
