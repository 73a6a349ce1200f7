"""What we know of threads, from our own records: Slack limits how often they can be read back from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.access import quoted
from bot.domain.questions import HISTORY_TURNS, Turn
from plugins.slack.items import NAME, NOTHING_POSTED, message_key, private_thread

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from bot.delivery.inbox import Inbox
    from bot.delivery.outbox import Outbox
    from bot.domain.deliveries import InboxEntry
    from bot.storage.history import History


class Threads:
    """Looks up threads. Blocking: call it in a worker thread."""

    def __init__(self, history: History, inbox: Inbox, outbox: Outbox) -> None:
        self._history = history
        self._inbox = inbox
        self._outbox = outbox

    def ours(self, team: str, channel: str, thread: str, *, reader: str | None = None) -> bool:
        """Return whether we take part in the thread: somebody's question there is answered or still being handled.

        A thread in which nothing was posted, because a stray question found nothing, is not ours.

        :param reader: the one person who sees the answers, where only they do.
        """
        root = self._inbox.of_message(message_key(team, channel, thread))
        if root is not None and _took_part(root, reader):
            return True
        seen = {thread} if reader is None else {thread, private_thread(thread, reader)}
        asked = self._history.of_thread(NAME, seen, place=channel)
        posted = self._outbox.of_answers(NAME, [each.answer.id for each in asked])
        return any(each.reference != NOTHING_POSTED for each in posted)

    def knows(self, key: str) -> bool:
        """Return whether the message of that key is one that we took."""
        return self._inbox.of_message(key) is not None

    def repeated(self, session: Session, key: str) -> bool:
        """Return whether somebody forwarded the message of that key to us, or asked by pointing to it."""
        return quoted.repeats(session, key) or bool(self._inbox.holding(session, key))

    def turns(self, channel: str, threads: Collection[str], *, before: str) -> tuple[Turn, ...]:
        """Return the last turns of a thread, oldest first, without the question ``before`` itself.

        :param threads: the thread, and those of one reader in it whose turns may be known as well.
        """
        return self._history.turns(NAME, threads, place=channel, before=before, limit=HISTORY_TURNS)

    def was_posted(self, answer_id: str, channel: str) -> bool:
        """Return whether the answer was written for that channel: a vote on it cannot come from anywhere else."""
        return any(each.item.address.get("channel") == channel for each in self._outbox.of_answers(NAME, [answer_id]))

    def thread_of(self, answer_id: str, channel: str) -> str | None:
        """Return the thread of the channel in which an answer stands."""
        addresses = [each.item.address for each in self._outbox.of_answers(NAME, [answer_id])]
        return next((each.get("thread_ts") for each in addresses if each.get("channel") == channel), None)


def _took_part(root: InboxEntry, reader: str | None) -> bool:
    """Return whether asking this brought us into its thread, answered or not."""
    asked = root.item.payload
    shown = reader is None or asked.get("user") == reader
    return shown and (asked.get("addressed", True) or root.unfinished)
