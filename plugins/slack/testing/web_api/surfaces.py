"""What the fake shows around messages: Home tabs, suggested prompts, thread titles, status lines, response URLs."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from plugins.slack.testing.judge import home_problems, message_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROMPTS = 4
LOADING_MESSAGES = 10
RESPONSES = 5
RESPONSE_SECONDS = 1_800
"""How often and how long after a command Slack takes posts to its response URL."""


class SurfaceRefusedError(Exception):
    """A call that Slack refuses; ``name`` is Slack's name of the error."""

    def __init__(self, name: str, *problems: str) -> None:
        super().__init__(name)
        self.name = name
        self.problems = problems


@dataclass(slots=True)
class Command:
    """A slash command that was typed or a button that was pressed, and what its response URL still takes.

    ``message`` is the one whose button it was, seen by one person alone.
    """

    user: str
    channel: str
    typed_at: float
    message: dict[str, Any] | None = None
    left: int = RESPONSES


class Surfaces:
    """State of the surfaces, and the Web API methods that draw them.

    ``agent_view`` is false for an app with the older ``assistant_view``; ``blocks_known`` false for a workspace that
    refuses blocks at response URLs.
    """

    def __init__(self) -> None:
        self.agent_view = True
        self.blocks_known = True
        self.homes: dict[str, dict[str, Any]] = {}
        self.prompts: dict[tuple[str, str | None], dict[str, Any]] = {}
        self.titles: dict[tuple[str, str], str] = {}
        self.statuses: list[dict[str, Any]] = []
        self._commands: dict[str, Command] = {}
        self._numbers = itertools.count(1)

    @property
    def methods(self) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """The methods by name."""
        return {
            "views.publish": self._publish,
            "assistant.threads.setSuggestedPrompts": self._suggest,
            "assistant.threads.setTitle": self._entitle,
            "assistant.threads.setStatus": self._set_status,
        }

    def command(self, user: str, channel: str, message: dict[str, Any] | None = None) -> str:
        """Note a typed command, or the pressed button of a message, and return the last part of its response URL."""
        number = str(next(self._numbers))
        self._commands[number] = Command(user, channel, time.monotonic(), message)
        return number

    def expire(self, number: str) -> None:
        """Let half an hour pass for a command."""
        self._commands[number].typed_at -= RESPONSE_SECONDS

    def respond(self, number: str, message: Mapping[str, Any]) -> dict[str, Any]:
        """Take a post to a response URL and return it as the person sees it, or the message that it takes away.

        :raises SurfaceRefusedError: it is used up or too old, or the message is not one that Slack shows.
        """
        command = self._commands.get(number)
        if command is None or time.monotonic() - command.typed_at >= RESPONSE_SECONDS:
            raise SurfaceRefusedError("expired_url")
        if command.left <= 0:
            raise SurfaceRefusedError("used_url")
        if message.get("delete_original") and command.message is not None:
            command.left -= 1
            return command.message
        blocks = message.get("blocks") or []
        problems = message_problems(message.get("text", ""), blocks)
        if problems or (blocks and not self.blocks_known):
            raise SurfaceRefusedError(problems[0].partition(":")[0] if problems else "invalid_blocks", *problems)
        command.left -= 1
        return {**message, "user": command.user, "channel": command.channel}

    def _publish(self, arguments: dict[str, Any]) -> dict[str, Any]:
        view = arguments["view"]
        problems = home_problems(view)
        if problems:
            raise SurfaceRefusedError("invalid_arguments", *problems)
        self.homes[arguments["user_id"]] = view
        return {"view": {"id": f"VHOME{len(self.homes):04d}", "hash": "h1", **view}}

    def _suggest(self, arguments: dict[str, Any]) -> dict[str, Any]:
        prompts, thread = arguments["prompts"], arguments.get("thread_ts")
        whole = all(prompt.get("title") and prompt.get("message") for prompt in prompts)
        if not 1 <= len(prompts) <= PROMPTS or not whole:
            raise SurfaceRefusedError(
                "invalid_arguments", f"{len(prompts)} prompts of 1..{PROMPTS}, each with both texts"
            )
        if not (self.agent_view and thread):  # an agent app that names a thread gets ok, and nothing is shown
            self.prompts[arguments["channel_id"], thread] = arguments
        return {}

    def _entitle(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self.titles[arguments["channel_id"], arguments["thread_ts"]] = arguments["title"]
        return {}

    def _set_status(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if len(arguments.get("loading_messages", ())) > LOADING_MESSAGES:
            raise SurfaceRefusedError("invalid_arguments", f"over {LOADING_MESSAGES} loading messages")
        self.statuses.append({key: arguments[key] for key in ("channel_id", "thread_ts", "status")} | arguments)
        return {}
