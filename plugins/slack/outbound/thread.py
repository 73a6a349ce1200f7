"""Posting, so that people see each answer once, whatever fails in between."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bot.domain.errors import BusyError
from plugins.slack.client.web_api import SlackRefusedError, call
from plugins.slack.outbound.blocks import BLOCKS_REFUSED, render

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.domain.deliveries import OutboxItem
    from plugins.slack.outbound.blocks import SlackMessage
    from plugins.slack.outbound.posted import PostedMessages
    from plugins.slack.outbound.rate_limits import RateLimits
    from plugins.slack.outbound.streaming import Showing, Streaming

STILL_STREAMING = "streaming_state_conflict"


class ThreadSender:
    """Posts outbox items into their thread.

    :param client: gives the Web API client of the moment.
    :param streaming: knows what this process shows of them already.
    """

    def __init__(
        self,
        client: Callable[[], AsyncWebClient],
        posted: PostedMessages,
        streaming: Streaming,
        limits: RateLimits,
    ) -> None:
        self._client = client
        self._posted = posted
        self._streaming = streaming
        self._limits = limits

    async def send(self, item: OutboxItem) -> str:
        """Post an item's messages, or complete the one that is shown, and return ``channel:ts`` of the last.

        After an earlier try, what is already there is found by our id in its metadata and not posted again.

        :raises BusyError: Slack asks to wait or cannot be reached.
        :raises SlackRefusedError: Slack refused a message for good.
        """
        channel = item.address["channel"]
        showing = await self._streaming.taken(item)
        item = replace(item, draft=showing.draft) if showing is not None else item
        there = await self._posted.of_delivery(item) if item.attempts or item.draft == {} else {}
        first, *rest = render(item)
        ts = await self._begun(item, first, showing, there.get(0))
        for part, message in enumerate(rest, start=1):
            ts = there.get(part) or await self._post(item, message)
        return f"{channel}:{ts}"

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
        async with self._limits.of(address).pace(address["channel"]):
            try:
                posted = await self._send(item, blocks=message.blocks, **arguments)
            except SlackRefusedError as error:
                if error.name not in BLOCKS_REFUSED:
                    raise
                # an old workspace may not know a block; reactions vote there
                posted = await self._send(item, **arguments | {"text": message.without_blocks().text})
        return str(posted["ts"])

    async def _send(self, item: OutboxItem, **arguments: Any) -> Any:
        return await call(self._client().chat_postMessage, "chat.postMessage", attempts=item.attempts, **arguments)
