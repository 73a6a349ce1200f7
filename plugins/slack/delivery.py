"""Posting, so that people see each answer once, whatever fails in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.slack.client import SlackRefusedError, call
from plugins.slack.render import EVENT_TYPE, render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.messages import OutboxItem
    from plugins.slack.render import SlackMessage

PAGE = 200
PAGES = 50
BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
THREAD_GONE = frozenset({"thread_not_found", "message_not_found"})
PLAIN_CHARACTERS = 35_000
"""Slack cuts texts above 40,000 characters."""


class Poster:
    """Posts outbox items.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, client: Callable[[], AsyncWebClient]) -> None:
        self._client = client

    async def deliver(self, item: OutboxItem) -> str:
        """Post an item's messages and return ``channel:ts`` of the last one.

        After an earlier try, what is already there is found by our id in its metadata and not posted again.

        :raises BusyError: Slack asks to wait or cannot be reached.
        :raises SlackRefusedError: Slack refused a message for good.
        """
        channel = item.address["channel"]
        there = await self._earlier(item) if item.attempts else {}
        ts = ""
        for part, message in enumerate(render(item)):
            ts = there.get(part) or await self._post(item, message)
        return f"{channel}:{ts}"

    async def outbox_id_of(self, channel: str, ts: str) -> str | None:
        """Return the id of the delivery that a message of ours came from, or ``None``."""
        client = self._client()
        page = await call(
            client.conversations_replies, "conversations.replies", channel=channel, ts=ts, limit=1,
            latest=ts, oldest=ts, inclusive=True, include_all_metadata=True,
        )  # fmt: skip
        for message in page["messages"]:
            if message["ts"] == ts and (payload := _payload(message)):
                return str(payload.get("outbox_id"))
        return None

    async def _post(self, item: OutboxItem, message: SlackMessage) -> str:
        address = item.address
        arguments: dict[str, Any] = {
            "channel": address["channel"],
            "thread_ts": address["thread_ts"],  # none for what roots a thread
            "text": message.text,
            "metadata": message.metadata,
            "unfurl_links": False,
            "unfurl_media": False,
        }
        client = self._client()
        try:
            posted = await call(
                client.chat_postMessage, "chat.postMessage", attempts=item.attempts, blocks=message.blocks, **arguments
            )
        except SlackRefusedError as error:
            if error.name not in BLOCKS_REFUSED:
                raise
            arguments["text"] = message.plain[
                :PLAIN_CHARACTERS
            ]  # an old workspace may not know a block; reactions vote there
            posted = await call(client.chat_postMessage, "chat.postMessage", attempts=item.attempts, **arguments)
        return str(posted["ts"])

    async def _earlier(self, item: OutboxItem) -> dict[int, str]:
        """Return the ``ts`` of this item's messages that are there already, by part."""
        found: dict[int, str] = {}
        try:
            async for message in self._around(item):
                payload = _payload(message)
                if payload.get("outbox_id") == item.id:
                    found[int(payload["part"])] = str(message["ts"])
        except SlackRefusedError as error:
            if error.name not in THREAD_GONE:
                raise
        return found

    async def _around(self, item: OutboxItem) -> AsyncIterator[Mapping[str, Any]]:
        """Yield the messages of the item's thread, or of its conversation when it roots a thread."""
        client, cursor, thread = self._client(), None, item.address["thread_ts"]
        method, name, where = (
            (client.conversations_replies, "conversations.replies", {"ts": thread})
            if thread
            else (client.conversations_history, "conversations.history", {})
        )
        for _ in range(PAGES):
            page = await call(
                method, name, attempts=item.attempts, channel=item.address["channel"],
                include_all_metadata=True, limit=PAGE, cursor=cursor, **where,
            )  # fmt: skip
            for message in page["messages"]:
                yield message
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return


def _payload(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return our metadata of a message that an app posted; people cannot attach any."""
    metadata = message.get("metadata") or {}
    ours = bool(message.get("bot_id")) and metadata.get("event_type") == EVENT_TYPE
    return metadata.get("event_payload") or {} if ours else {}
