"""What was posted: which messages a delivery became, and which answer a message carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from plugins.slack.client.web_api import SlackRefusedError, call
from plugins.slack.items import NAME
from plugins.slack.outbound.blocks import EVENT_TYPE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.delivery.outbox import Outbox
    from bot.domain.deliveries import OutboxItem
    from bot.storage.session import Store

PAGE, PAGES = 200, 50
THREAD_GONE = frozenset({"thread_not_found", "message_not_found"})


class PostedMessages:
    """Looks up in Slack what was posted: our messages bear the delivery's id in their metadata.

    :param client: gives the Web API client of the moment.
    """

    def __init__(self, client: Callable[[], AsyncWebClient]) -> None:
        self._client = client

    async def of_delivery(self, item: OutboxItem) -> dict[int, str]:
        """Return the ``ts`` of an item's messages that are there, by part.

        :raises BusyError: Slack asks to wait or cannot be reached.
        """
        found: dict[int, str] = {}
        try:
            async for message in self._around(item):
                payload = _payload(message)
                if payload.get("outbox_id") == item.id:
                    found[int(payload["part"])] = str(message["ts"])
                elif _streams(message, item.id):
                    found[0] = str(message["ts"])
        except SlackRefusedError as error:
            if error.name not in THREAD_GONE:
                raise
        return found

    async def delivery_under(self, channel: str, ts: str) -> str | None:
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


class PostedAnswers:
    """Finds the answer that a message of ours carries."""

    def __init__(self, store: Store, outbox: Outbox, messages: PostedMessages) -> None:
        self._store = store
        self._outbox = outbox
        self._messages = messages

    async def under(self, channel: str, ts: str) -> str | None:
        """Return the answer posted there; Slack is asked where we do not know, as for the first part of a long one.

        :raises BusyError: Slack asks to wait or cannot be reached.
        """
        answer_id = await self._store.run(self._outbox.find_answer, NAME, f"{channel}:{ts}")
        if answer_id is not None:
            return answer_id
        try:
            outbox_id = await self._messages.delivery_under(channel, ts)
        except SlackRefusedError:
            return None
        found = await self._store.run(self._outbox.get, outbox_id) if outbox_id else None
        return found.item.answer_id if found else None


def _streams(message: Mapping[str, Any], item_id: str) -> bool:
    """Return whether a message is an item's stream: metadata comes only at its end, but its tasks bear our id."""
    tasks = [block for block in message.get("blocks", ()) if block.get("type") == "task_card"]
    return bool(message.get("bot_id")) and any(str(task.get("task_id")).startswith(f"{item_id}:") for task in tasks)


def _payload(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return our metadata of a message that an app posted; people cannot attach any."""
    metadata = message.get("metadata") or {}
    ours = bool(message.get("bot_id")) and metadata.get("event_type") == EVENT_TYPE
    return metadata.get("event_payload") or {} if ours else {}
