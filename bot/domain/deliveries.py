"""Messages from channels and to channels, and their state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bot.domain.identifiers import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

InboxState = Literal["received", "leased", "done", "dead"]
OutboxState = Literal["draft", "pending", "leased", "sent", "dead"]


@dataclass(frozen=True, slots=True)
class InboxItem:
    """A message from a channel that is stored and waits to be handled.

    :param dedupe_key: the channel's id of the delivery (Slack's ``event_id``). A second delivery is dropped.
    :param message_key: id of the message itself, shared by all events about it.
    :param kind: what the payload is, in the channel's own terms.
    :param attempts: how often a worker has taken it, including this time: 1 the first time.
    :param given_up: whether too many workers died with it. Then it isn't answered; its sender is only told so.
    """

    channel: str
    kind: str
    payload: Mapping[str, Any]
    dedupe_key: str
    message_key: str | None = None
    id: str = field(default_factory=lambda: new_id("in"))
    attempts: int = 0
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A message to a channel. People must see it exactly once.

    :param address: where it goes, in the channel's own terms.
    :param attempts: earlier attempts. If there were any, the channel first looks for its earlier post.
    :param draft: what the channel already shows of it, in its own terms. ``{}`` if it started with an unknown result,
        ``None`` if it hasn't started.
    """

    channel: str
    kind: str
    address: Mapping[str, Any]
    payload: Mapping[str, Any]
    id: str = field(default_factory=lambda: new_id("out"))
    answer_id: str | None = None
    attempts: int = 0
    draft: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """An inbox item and how far it is.

    :param lost: whether the worker that took it is gone.
    """

    item: InboxItem
    state: InboxState
    received_at: datetime
    lost: bool = False

    @property
    def unfinished(self) -> bool:
        """Whether it is waiting or being handled."""
        return self.state in ("received", "leased")


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An outbox item and how far it is.

    :param reference: the channel's own name of the post, once it is sent.
    """

    item: OutboxItem
    state: OutboxState
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is left in a queue.

    :param leased: items that are being handled.
    :param dead: items that failed for good.
    :param oldest: when the oldest waiting or leased item arrived, or ``None`` if there is none.
    """

    waiting: int
    leased: int
    dead: int
    oldest: datetime | None

    @property
    def unfinished(self) -> int:
        """Items that are waiting or being handled."""
        return self.waiting + self.leased


def delivery_id(question_id: str) -> str:
    """Return the id of the outbox item with the reply to a question, the same however often it is answered."""
    return f"out_{question_id}"
