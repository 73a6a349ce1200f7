"""Messages that grow while their answer is written: streamed by Slack, or posted and then edited.

Both show only what the guards have passed. ``sound`` says whether we know what readers see; after a call whose outcome
we do not know, the delivery writes the whole message anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slack_sdk.models.messages.chunk import TaskUpdateChunk

from plugins.slack.client.web_api import RateLimitedError, SlackRefusedError, call
from plugins.slack.copy import answers as copy
from plugins.slack.copy.formats import shortened
from plugins.slack.outbound.blocks import markdown_blocks, metadata, preview
from plugins.slack.outbound.markdown import safe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slack_sdk.web.async_chat_stream import AsyncChatStream
    from slack_sdk.web.async_client import AsyncWebClient

    from bot.domain.deliveries import OutboxItem
    from plugins.slack.outbound.blocks import SlackMessage
    from plugins.slack.outbound.rate_limits import WorkspaceLimits

CHARACTERS = 4_000
"""Shown before the end; a long answer is cut into messages only when it is complete, never before this many."""
TITLE_CHARACTERS = 256


class Streamed:
    """A message that Slack streams, with the steps so far as tasks; their ids begin with the delivery's."""

    streamed = True

    def __init__(self, stream: AsyncChatStream, item: OutboxItem, limits: WorkspaceLimits) -> None:
        self._stream = stream
        self._item = item
        self._limits = limits
        self._steps: Sequence[str] = ()
        self._shown: dict[str, str] = {}
        self._handed = ""
        self.sound = True

    @classmethod
    async def start(
        cls,
        client: AsyncWebClient,
        item: OutboxItem,
        limits: WorkspaceLimits,
        steps: Sequence[str],
        recipient: Mapping[str, str],
    ) -> Streamed:
        """Start the stream with the steps so far.

        :param recipient: who asked, as ``recipient_user_id`` and ``recipient_team_id``.
        :raises RateLimitedError: too many were started of late.
        :raises SlackRefusedError: Slack does not stream here; nothing is shown.
        :raises BusyError: it is not known whether the stream was started.
        """
        stream = await client.chat_stream(
            channel=item.address["channel"], thread_ts=item.address["thread_ts"],
            task_display_mode="timeline", buffer_size=1, **recipient,
        )  # fmt: skip
        message = cls(stream, item, limits)
        tasks = message._tasks(steps, writing=False)
        await call(stream.append, "chat.startStream", chunks=tasks)
        message._shown = {task.id: task.status for task in tasks}
        return message

    @property
    def ts(self) -> str:
        """The message's name in its conversation."""
        return str(self._stream.ts)

    async def show(self, text: str, steps: Sequence[str]) -> None:
        """Show the text and the steps so far.

        :raises SlackRefusedError: the stream is over: five minutes have passed, or its reader stopped it.
        :raises BusyError: Slack cannot be reached.
        """
        shown = safe(text).rstrip()[:CHARACTERS]
        more = shown[len(self._handed) :] if shown.startswith(self._handed) else ""
        tasks = self._tasks(steps, writing=bool(text))
        if not (more or tasks) or not await self._limits.appends.take():
            return
        self._handed += more
        try:
            await call(self._stream.append, "chat.appendStream", markdown_text=more or None, chunks=tasks or None)
        except RateLimitedError as error:  # the helper keeps the text and sends it with the next
            self._limits.appends.close(error.retry_after)
        except BaseException:
            self.sound = False
            raise
        else:
            self._shown |= {task.id: task.status for task in tasks}

    async def finish(self, message: SlackMessage) -> bool:
        """Complete the stream; ``False`` when the message does not go on from what is shown, or Slack refuses.

        :raises BusyError: Slack asks to wait or cannot be reached.
        """
        if not self.sound or not message.body.startswith(self._handed):
            return False
        try:
            await self._stop(message.body[len(self._handed) :], blocks=message.below or None, metadata=message.metadata)
        except SlackRefusedError:
            return False
        return True

    async def put_off(self) -> None:
        """End the stream, saying that the answer follows.

        :raises MenteeError: Slack does not take it.
        """
        await self._stop(f"\n\n{copy.put_off()}")

    async def _stop(self, text: str, **more: Any) -> None:
        tasks = self._tasks(self._steps, writing=True)
        await call(self._stream.stop, "chat.stopStream", markdown_text=text, chunks=tasks or None, **more)

    def _tasks(self, steps: Sequence[str], *, writing: bool) -> Sequence[TaskUpdateChunk]:
        """Return the tasks that change: a step ends with the next one, the last when the text begins."""
        self._steps = tuple(steps)
        statuses = ["complete"] * (len(steps) - 1) + ["complete" if writing else "in_progress"]
        tasks = [
            TaskUpdateChunk(id=f"{self._item.id}:{number}", title=shortened(step, TITLE_CHARACTERS), status=status)
            for number, (step, status) in enumerate(zip(steps, statuses, strict=True))
        ]
        return [task for task in tasks if self._shown.get(task.id) != task.status]


class Edited:
    """A message that is posted with the first words and edited as they become more."""

    streamed = False

    def __init__(self, client: AsyncWebClient, item: OutboxItem, limits: WorkspaceLimits, ts: str, shown: str) -> None:
        self._client = client
        self._item = item
        self._limits = limits
        self._shown = shown
        self.ts = ts

    @classmethod
    async def start(cls, client: AsyncWebClient, item: OutboxItem, limits: WorkspaceLimits, text: str) -> Edited:
        """Post the first words.

        :raises MenteeError: Slack does not take them (:func:`plugins.slack.client.web_api.call`).
        """
        shown = _growing(text)
        posted = await call(
            client.chat_postMessage, "chat.postMessage", channel=item.address["channel"], **_content(shown),
            thread_ts=item.address["thread_ts"], metadata=metadata(item, 0), unfurl_links=False, unfurl_media=False,
        )  # fmt: skip
        return cls(client, item, limits, str(posted["ts"]), shown)

    async def show(self, text: str, steps: Sequence[str]) -> None:  # noqa: ARG002 - steps are shown only before the first words
        """Show the text so far.

        :raises MenteeError: Slack does not take it.
        """
        shown = _growing(text)
        if shown == self._shown or not await self._limits.edits.take():
            return
        try:
            await self._update(shown)
        except RateLimitedError as error:
            self._limits.edits.close(error.retry_after)

    async def finish(self, message: SlackMessage) -> bool:  # noqa: ARG002 - the same call for both
        """Return ``False``: the whole message is written anew."""
        return False

    async def put_off(self) -> None:
        """Say that the answer follows.

        :raises MenteeError: Slack does not take it.
        """
        await self._update(f"{self._shown}\n\n{copy.put_off()}")

    async def _update(self, shown: str) -> None:
        await call(
            self._client.chat_update,
            "chat.update",
            channel=self._item.address["channel"],
            ts=self.ts,
            **_content(shown),
        )
        self._shown = shown


def _growing(text: str) -> str:
    return f"{safe(text).rstrip()[:CHARACTERS]} …"


def _content(shown: str) -> dict[str, Any]:
    return {"text": preview(shown), "blocks": markdown_blocks(shown)}
