"""What a message points to: messages forwarded with it, and the beginning of a thread that Mentee joins late.

Slack is asked for a thread once, when Mentee has answered nothing in it and hasn't taken its first message. One page of
15 messages is what apps outside Slack's Marketplace get, once a minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

import structlog

from bot.answering.threads.courtesy import courtesy
from bot.answering.threads.pointing import only_points
from bot.answering.threads.wording import leaning
from bot.domain.errors import BusyError, MenteeError
from bot.domain.questions import Attachment, Turn
from plugins.slack.client.web_api import call
from plugins.slack.copy import threads as copy
from plugins.slack.copy.formats import readable, shortened
from plugins.slack.items import message_key
from plugins.slack.workspaces.current import person_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.domain.deliveries import InboxItem
    from bot.storage.session import Store
    from plugins.slack.workspaces.threads import Threads

PAGE = 15
TRIES = 3
"""After so many tries of a question, it is answered without the messages that Slack fails to hand over."""
CHARACTERS = 2_000
"""Most that is taken of them."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a message asks, with what it points to.

    :param text: the message, or what it points to if it says nothing of its own.
    :param before: what it may lean on, as turns without an answer.
    :param unread: says that the thread couldn't be read.
    :param quotes: ids of the people whose messages ``text`` repeats, and the keys of these messages.
    """

    text: str
    before: tuple[Turn, ...] = ()
    unread: tuple[Attachment, ...] = ()
    quotes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Said:
    """What somebody said in Slack.

    :param author: the person's id, or ``""`` for an app.
    :param key: the message's key, or ``""`` where it is unknown.
    """

    text: str
    author: str
    key: str

    @classmethod
    def of(cls, message: Mapping[str, Any], me: str) -> _Said:
        """Read a Slack message: its ``text`` and ``user``, and the ``key`` and ``guest_of`` that we added."""
        user = str(message.get("user") or "")
        text = readable(str(message.get("text") or ""), me)
        return cls(
            text, person_id(user, str(message.get("guest_of") or "")) if user else "", str(message.get("key") or "")
        )


@dataclass(frozen=True, slots=True)
class Context:
    """Finds what messages point to.

    :param client: gives the Web API client of the moment.
    """

    store: Store
    threads: Threads
    client: Callable[[], AsyncWebClient]

    async def asked(self, item: InboxItem, text: str) -> Asked:
        """Return what a message asks.

        :param text: the message's own text, which may be empty.
        :raises BusyError: Slack does not hand over the thread just now.
        """
        me = item.payload["me"]
        shared = [each for each in map(_Said.of, item.payload.get("shared", ()), repeat(me)) if each.text]
        if shared:
            return _pointing(text, shared)
        addressed = bool(text) and item.payload.get("addressed", True)
        needs = addressed and not courtesy(text) and (only_points(text) or leaning(text) != "no")
        if not needs or await self.store.run(self._knows_thread, item):
            return Asked(text)
        try:
            said = _first(await self._thread(item), me)
        except BusyError as error:
            if item.attempts < TRIES:
                raise
            log.info("slack_thread_not_read", problem=error.text)
            said = []
        except MenteeError as error:
            log.info("slack_thread_not_read", problem=error.text)
            said = []
        if said:
            return _pointing(text, said)
        return Asked(text, unread=(Attachment(copy.the_thread(), problem=copy.thread_unread()),))

    def _knows_thread(self, item: InboxItem) -> bool:
        """Return whether the message begins its thread, or Mentee knows of the thread already."""
        payload = item.payload
        thread = payload["thread"]
        if payload["direct"] or thread is None or thread == payload.get("ts"):
            return True
        key = message_key(payload["team"], payload["channel"], thread)
        return self.threads.knows(key) or bool(self.threads.turns(payload["channel"], {thread}, before=""))

    async def _thread(self, item: InboxItem) -> Sequence[Mapping[str, Any]]:
        client, payload = self.client(), item.payload
        page = await call(
            client.conversations_replies, "conversations.replies", attempts=item.attempts,
            channel=payload["channel"], ts=payload["thread"], latest=payload["ts"], limit=PAGE,
        )  # fmt: skip
        earlier = [each for each in page["messages"] if float(each["ts"]) < float(payload["ts"])]
        return [{**each, **_about(each, payload)} for each in earlier]


def _about(message: Mapping[str, Any], payload: Mapping[str, Any]) -> dict[str, str]:
    """Return a message's key, and its author's workspace if it is another company's."""
    own = str(message.get("user_team") or message.get("team") or "")
    guest = payload.get("guests") and own != payload["team"]
    return {"key": message_key(payload["team"], payload["channel"], message["ts"]), "guest_of": own if guest else ""}


def _pointing(text: str, said: Sequence[_Said]) -> Asked:
    """Return the question with what others said. Each turn has one author, so that each can be erased alone."""
    if not only_points(text):
        room = CHARACTERS // len(said)
        before = (
            Turn(shortened(each.text, room), "", person_id=each.author, quotes=(each.key,) if each.key else ())
            for each in said
        )
        return Asked(text, before=tuple(before))
    quotes = dict.fromkeys(name for each in said for name in (each.author, each.key) if name)
    return Asked(shortened("\n\n".join(each.text for each in said), CHARACTERS), quotes=tuple(quotes))


def _first(messages: Sequence[Mapping[str, Any]], me: str) -> list[_Said]:
    """Return the first message that says something, if any: not ours, not deleted, and no thanks."""
    others = (
        _Said.of(each, me)
        for each in messages
        if each.get("user") != me and each.get("subtype") not in ("tombstone", "thread_broadcast")
    )
    return list(islice((each for each in others if not _says_nothing(each.text)), 1))


def _says_nothing(text: str) -> bool:
    return not text or bool(courtesy(text)) or only_points(text)
