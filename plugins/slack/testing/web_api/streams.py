"""Messages that change in the fake: streamed ones, and ``chat.update``.

From Slack's method pages; measured by others against the real Slack, and in no page: a stream keeps to the mode of its
first content (text or chunks), ends five minutes after its start, is kept as rich text, and cannot be edited or deleted
before it ends.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from plugins.slack.testing.judge import message_problems
from plugins.slack.testing.web_api.surfaces import SurfaceRefusedError
from plugins.slack.testing.wire import Post, Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from plugins.slack.testing.wire import Clock

MARKDOWN = 12_000
TITLE = 256
UPDATED_TEXT = 4_000
STATUSES = ("pending", "in_progress", "complete", "error")
CONTENT = ("markdown_text", "chunks")


class Streams:
    """The methods, on the messages of :class:`plugins.slack.testing.web_api.methods.WebApi`.

    ``rewritable`` is false for a Slack that lets nobody put other blocks in the place of rich text.

    :param posts: every message there is.
    :param find: returns one by channel and ``ts``, or refuses.
    :param user: the app's, as is ``bot_id``.
    """

    def __init__(
        self, posts: list[Post], find: Callable[[str, str], Post], clock: Clock, user: str, bot_id: str
    ) -> None:
        self.rewritable = True
        self._posts = posts
        self._find = find
        self._clock = clock
        self._user = user
        self._bot_id = bot_id

    @property
    def methods(self) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """The methods by name."""
        return {
            "chat.startStream": self._start,
            "chat.appendStream": self._append,
            "chat.stopStream": self._stop,
            "chat.update": self._update,
        }

    def end(self, post: Post, by: Literal["time", "reader"] = "time") -> None:
        """End a stream as Slack does after five minutes, or as its reader can."""
        assert post.stream is not None
        post.stream.open, post.stream.stopped = False, by == "reader"

    def _start(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel, thread = arguments["channel"], arguments["thread_ts"]
        if not channel.startswith("D"):
            for name in ("recipient_user_id", "recipient_team_id"):
                if not arguments.get(name):
                    raise SurfaceRefusedError(f"missing_{name}")
        post = Post(
            channel, self._clock.ts(), text="", thread_ts=thread, arguments=arguments, at=time.monotonic(),
            stream=Stream(), user=self._user, bot_id=self._bot_id,
        )  # fmt: skip
        self._take(post, arguments)
        self._posts.append(post)
        return {"channel": channel, "ts": post.ts}

    def _append(self, arguments: dict[str, Any]) -> dict[str, Any]:
        post = self._streaming(arguments)
        if not any(arguments.get(name) for name in CONTENT):
            raise SurfaceRefusedError("no_text")
        self._take(post, arguments)
        return {"channel": post.channel, "ts": post.ts}

    def _stop(self, arguments: dict[str, Any]) -> dict[str, Any]:
        post, below = self._streaming(arguments), arguments.get("blocks") or []
        problems = message_problems("below", below)
        if problems:
            raise SurfaceRefusedError(problems[0].partition(":")[0], *problems)
        self._take(post, arguments)
        assert post.stream is not None
        post.blocks = [*post.blocks, *below]
        post.metadata = arguments.get("metadata")
        post.stream.open = False
        return {"channel": post.channel, "ts": post.ts, "message": post.shape(with_metadata=True)}

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        post = self._find(arguments["channel"], arguments["ts"])
        text, blocks = arguments.get("text", ""), arguments.get("blocks") or []
        if post.bot_id is None:
            raise SurfaceRefusedError("cant_update_message")
        if post.streaming:
            raise SurfaceRefusedError("streaming_state_conflict")
        if post.stream is not None and not self.rewritable:
            raise SurfaceRefusedError("block_mismatch")
        problems = message_problems(text, blocks) + (["msg_too_long"] if len(text) > UPDATED_TEXT else [])
        if problems:
            raise SurfaceRefusedError(problems[0].partition(":")[0], *problems)
        post.text, post.blocks, post.metadata = text, blocks, arguments.get("metadata") or post.metadata
        return {"channel": post.channel, "ts": post.ts, "text": post.text}

    def _streaming(self, arguments: dict[str, Any]) -> Post:
        post = self._find(arguments["channel"], arguments["ts"])
        if post.stream is not None and post.stream.stopped:
            raise SurfaceRefusedError("stopped_by_user")
        if not post.streaming:
            raise SurfaceRefusedError("message_not_in_streaming_state")
        return post

    def _take(self, post: Post, arguments: Mapping[str, Any]) -> None:
        """Add content to a stream, all of it or nothing."""
        assert post.stream is not None
        given = [name for name in CONTENT if arguments.get(name)]
        if len(given) > 1:
            raise SurfaceRefusedError("cannot_provide_both_markdown_text_and_chunks")
        if not given:
            return
        if post.stream.mode not in ("", given[0]):
            raise SurfaceRefusedError("streaming_mode_mismatch")
        chunks = arguments.get("chunks") or [{"type": "markdown_text", "text": arguments["markdown_text"]}]
        _judge(chunks)
        post.stream.mode = given[0]
        for chunk in chunks:
            if chunk["type"] == "task_update":
                post.stream.tasks[chunk["id"]] = chunk
            else:
                post.stream.text += chunk["text"]
        post.text, post.blocks = post.stream.text, _blocks(post.stream)


def _judge(chunks: Sequence[Mapping[str, Any]]) -> None:
    for chunk in chunks:
        if chunk.get("type") == "markdown_text":
            if not 0 < len(chunk.get("text") or "") <= MARKDOWN:
                raise SurfaceRefusedError("msg_too_long" if chunk.get("text") else "no_text")
        elif chunk.get("type") != "task_update":
            raise SurfaceRefusedError("invalid_chunks", f"chunk type {chunk.get('type')!r}")
        elif not chunk.get("id") or not 0 < len(chunk.get("title") or "") <= TITLE or chunk["status"] not in STATUSES:
            raise SurfaceRefusedError("invalid_chunks", "a task without id, title of up to 256 or known status")


def _blocks(stream: Stream) -> list[dict[str, Any]]:
    """Return what is kept of a stream."""
    tasks = [
        {"type": "task_card", "task_id": task["id"], "title": task["title"], "status": task["status"]}
        for task in stream.tasks.values()
    ]
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": stream.text}]}
    return [*tasks, *([{"type": "rich_text", "elements": [section]}] if stream.text else [])]
