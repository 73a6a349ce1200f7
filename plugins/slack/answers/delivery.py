"""Posting, so that people see each answer once, whatever fails in between."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot.errors import BusyError
from plugins.slack.answers.render import EVENT_TYPE, render
from plugins.slack.client import SlackRefusedError, call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.messages import OutboxItem
    from plugins.slack.answers.live import Live, Showing
    from plugins.slack.answers.render import SlackMessage

PAGE = 200
PAGES = 50
BLOCKS_REFUSED = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"})
THREAD_GONE = frozenset({"thread_not_found", "message_not_found"})
STILL_STREAMING = "streaming_state_conflict"
PLAIN_CHARACTERS = 35_000
"""Slack cuts texts above 40,000 characters."""


class Poster:
    """Posts outbox items.

    :param client: gives the Web API client of the moment.
    :param live: knows what this process shows of them already; whoever only looks up what was posted needs none.
    """

    def __init__(self, client: Callable[[], AsyncWebClient], live: Live | None = None) -> None:
        self._client = client
        self._live = live

    async def deliver(self, item: OutboxItem) -> str:
        """Post an item's messages, or complete the one that is shown, and return ``channel:ts`` of the last.

        After an earlier try, what is already there is found by our id in its metadata and not posted again.

        :raises BusyError: Slack asks to wait or cannot be reached.
        :raises SlackRefusedError: Slack refused a message for good.
        """
        channel = item.address["channel"]
        showing = await self._live.taken(item) if self._live is not None else None
        item = replace(item, draft=showing.draft) if showing is not None else item
        there = await self._earlier(item) if item.attempts or item.draft == {} else {}
        first, *rest = render(item)
        ts = await self._begun(item, first, showing, there.get(0))
        for part, message in enumerate(rest, start=1):
            ts = there.get(part) or await self._post(item, message)
        return f"{channel}:{ts}"

    async def posted(self, item: OutboxItem) -> list[str]:
        """Return the ``ts`` of every message that an item became and that is still there.

        :raises BusyError: Slack asks to wait or cannot be reached.
        """
        return list((await self._earlier(item)).values())

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

    async def _begun(self, item: OutboxItem, message: SlackMessage, showing: Showing | None, there: str | None) -> str:
        """Post an item's first message, or complete it where it is shown, and return its ``ts``.

        :param there: the message that an earlier try left.
        """
        if item.draft is None:
            return there or await self._post(item, message)
        ts = item.draft.get("ts", there)
        if ts is None:
            return await self._post(item, message)
        if there not in (None, ts):
            return there
        if showing is not None and showing.message is not None and await showing.message.finish(message):
            return str(ts)
        return await self._complete(item, message, ts)

    async def _complete(self, item: OutboxItem, message: SlackMessage, ts: str) -> str:
        """Write what is shown anew, or where Slack does not let us, post it instead; return its ``ts``."""
        client, where = self._client(), {"channel": item.address["channel"], "ts": ts}
        if (item.draft or {}).get("stream", True):
            with suppress(SlackRefusedError):  # it is over: by an earlier try, its reader, or after five minutes
                await call(client.chat_stopStream, "chat.stopStream", attempts=item.attempts, **where)
        try:
            await self._update(item, message, ts)
        except SlackRefusedError as error:
            if error.name == STILL_STREAMING:
                raise BusyError(error.text, retry_after=2.0**item.attempts) from None
        else:
            return ts
        with suppress(SlackRefusedError):
            await call(client.chat_delete, "chat.delete", attempts=item.attempts, **where)
        return await self._post(item, message)

    async def _update(self, item: OutboxItem, message: SlackMessage, ts: str) -> None:
        client = self._client()
        arguments = {"channel": item.address["channel"], "ts": ts, "text": message.text, "metadata": message.metadata}
        await call(client.chat_update, "chat.update", attempts=item.attempts, blocks=message.blocks, **arguments)

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
        pace = self._live.rates(address).posts[address["channel"]] if self._live is not None else nullcontext()
        async with pace:
            try:
                posted = await self._send(item, blocks=message.blocks, **arguments)
            except SlackRefusedError as error:
                if error.name not in BLOCKS_REFUSED:
                    raise
                # an old workspace may not know a block; reactions vote there
                posted = await self._send(item, **arguments | {"text": message.plain[:PLAIN_CHARACTERS]})
        return str(posted["ts"])

    async def _send(self, item: OutboxItem, **arguments: Any) -> Any:
        return await call(self._client().chat_postMessage, "chat.postMessage", attempts=item.attempts, **arguments)

    async def _earlier(self, item: OutboxItem) -> dict[int, str]:
        """Return the ``ts`` of this item's messages that are there already, by part."""
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


def _streams(message: Mapping[str, Any], item_id: str) -> bool:
    """Return whether a message is an item's stream: metadata comes only at its end, but its tasks bear our id."""
    tasks = [block for block in message.get("blocks", ()) if block.get("type") == "task_card"]
    return bool(message.get("bot_id")) and any(str(task.get("task_id")).startswith(f"{item_id}:") for task in tasks)


def _payload(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return our metadata of a message that an app posted; people cannot attach any."""
    metadata = message.get("metadata") or {}
    ours = bool(message.get("bot_id")) and metadata.get("event_type") == EVENT_TYPE
    return metadata.get("event_payload") or {} if ours else {}
