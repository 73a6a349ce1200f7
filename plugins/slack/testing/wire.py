"""What the fake remembers: calls it received, messages it shows, deliveries it made."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from bot.testing import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One Web API call. ``at`` is :func:`time.monotonic`; ``answer`` names the error given, empty when it went well."""

    method: str
    arguments: Mapping[str, Any]
    at: float
    answer: str = ""


@dataclass(slots=True)
class Stream:
    """What makes a message a streamed one. ``mode`` is the kind of content it takes, ``stopped`` by its reader."""

    text: str = ""
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    mode: str = ""
    open: bool = True
    stopped: bool = False


@dataclass(slots=True)
class Post:
    """A message as people see it at this moment."""

    channel: str
    ts: str
    user: str
    text: str
    thread_ts: str | None = None
    blocks: list[dict[str, Any]] = field(default_factory=list)
    metadata: Any = None
    bot_id: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    at: float = 0.0
    ephemeral: bool = False
    stream: Stream | None = None
    team: str = ""
    """The author's workspace, if it is another company's."""

    @property
    def streaming(self) -> bool:
        """Whether the message is still growing."""
        return self.stream is not None and self.stream.open

    def shape(self, *, with_metadata: bool) -> dict[str, Any]:
        """Return the message as the Web API shows it."""
        shown: dict[str, Any] = {
            "type": "message",
            "user": self.user,
            **({"team": self.team} if self.team else {}),
            "ts": self.ts,
            "text": self.text,
            "blocks": self.blocks,
        }
        if self.thread_ts:
            shown["thread_ts"] = self.thread_ts
        if self.bot_id:
            shown |= {"bot_id": self.bot_id, "app_id": "A0FAKE"}
        if self.metadata and with_metadata:
            shown["metadata"] = self.metadata
        return shown

    def blocks_of(self, kind: str) -> list[dict[str, Any]]:
        """Return the blocks of one type."""
        return [block for block in self.blocks if block["type"] == kind]

    @property
    def shown(self) -> str:
        """Everything a reader reads, block after block."""
        return "\n".join(_readable(block) for block in self.blocks) or self.text

    @property
    def thumbs(self) -> Any:
        """The ``feedback_buttons`` element, or ``None``."""
        elements = (element for block in self.blocks_of("context_actions") for element in block["elements"])
        return next((element for element in elements if element["type"] == "feedback_buttons"), None)


@dataclass(slots=True)
class Delivery:
    """One event or interaction handed to the app, over either transport.

    :param status: the HTTP status, 200 for an acknowledged envelope, 0 while it is not acknowledged.
    :param seconds: from sending to the acknowledgement.
    :param body: what came back: the HTTP body or the envelope's response payload.
    """

    payload: dict[str, Any]
    kind: str
    status: int = 0
    seconds: float = 0.0
    body: Any = None
    attempts: int = 0

    @property
    def acknowledged(self) -> bool:
        """Return whether the app took it."""
        return self.status == 200

    @property
    def ts(self) -> str:
        """The ``ts`` of the message it is about."""
        return str(self.payload["event"]["ts"])


class Changes:
    """Lets tests wait for a condition instead of sleeping. Used from one event loop."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Say that something changed."""
        self._event.set()

    async def wait_until(self, condition: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
        """Return the first truthy value of ``condition``, evaluated after every change.

        :raises TimeoutError: it stayed falsy.
        """
        async with asyncio.timeout(seconds):
            while not (value := condition()):
                self._event.clear()
                await self._event.wait()
        return value


class Clock:
    """Gives message timestamps in Slack's form, each once, never going back."""

    def __init__(self) -> None:
        self._count = itertools.count(1)

    def ts(self) -> str:
        """Return a fresh ``ts``."""
        return f"{int(time.time())}.{next(self._count):06d}"


def _readable(block: Mapping[str, Any]) -> str:
    if block["type"] == "markdown":
        return str(block["text"])
    if block["type"] == "rich_text":
        return "".join(str(part["text"]) for section in block["elements"] for part in section["elements"])
    if block["type"] == "task_card":
        return str(block["title"])
    texts = [block["text"]["text"]] if isinstance(block.get("text"), dict) else []
    texts += [element["text"] for element in block.get("elements", ()) if isinstance(element.get("text"), str)]
    return "\n".join(texts)
