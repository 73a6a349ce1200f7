"""Which of the messages in a channel are for us. Nothing else is stored."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from plugins.slack.items import EDIT, QUESTION, message_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.domain.deliveries import InboxItem
    from bot.storage.session import Store
    from plugins.slack.inbound.events import IncomingMessage
    from plugins.slack.workspaces.channels import Channels
    from plugins.slack.workspaces.threads import Threads

QUESTION_MARK = re.compile(r"[?\uff1f\u061f\u037e](?=[\s!\"'”’)*_~]|$)")
"""At a word's end: Latin, full-width, Arabic and Greek. Inside a link a question mark asks nothing."""
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
LINK = re.compile(r"<[^<>]*>|https?://\S+")
TO_SOMEBODY = re.compile(r"\s*<(?:@|!subteam\^|!here|!channel|!everyone)")


class Triggers:
    """Decides, before the acknowledgement, what is taken. Blocking: call it in a worker thread."""

    def __init__(self, store: Store, channels: Channels, threads: Threads) -> None:
        self._store = store
        self._channels = channels
        self._threads = threads

    def taken(self, message: IncomingMessage) -> InboxItem | None:
        """Return what is accepted of a message; ``None`` when it is not for us.

        An edit of a message that we never took counts as if it had just been written.
        """
        item = message.item
        if item.kind == EDIT:
            key = message_key(item.payload["team"], item.payload["channel"], item.payload["ts"])
            if self._threads.knows(key):
                return item
            item = replace(item, kind=QUESTION, message_key=key)
        return item if message.addressed or self._for_us(item.payload) else None

    def knows(self, message_key: str) -> bool:
        """Return whether the message is one that we took, or that somebody else forwarded or pointed to."""
        if self._threads.knows(message_key):
            return True
        with self._store.read() as session:
            return self._threads.repeated(session, message_key)

    def _for_us(self, about: Mapping[str, Any]) -> bool:
        """Return whether the channel's settings make a message that does not mention us ours to answer."""
        if to_others(about["text"]):
            return False
        settings = self._channels.get(about["channel"])
        if settings.answers == "never":
            return False
        if about["thread"] == about["ts"]:
            return settings.answers == "all" and asks(about["text"])
        reader = about["user"] if settings.private_first else None
        return settings.follow_ups and self._threads.ours(
            about["team"], about["channel"], about["thread"], reader=reader
        )


def asks(text: str) -> bool:
    """Return whether a message in Slack's markup asks something: a question mark at a word's end, outside code."""
    return QUESTION_MARK.search(LINK.sub(" ", CODE.sub(" ", text))) is not None


def to_others(text: str) -> bool:
    """Return whether a message that does not mention us begins by calling somebody else."""
    return TO_SOMEBODY.match(text) is not None
