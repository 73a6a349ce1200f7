"""The channel ``slack``: opens the transport, turns inbox items into questions and votes, posts answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from bot.errors import BusyError, MenteeError
from plugins.slack.client import TokenRefusedError, call, tokens, web_client
from plugins.slack.delivery import Poster
from plugins.slack.events import NAME, QUESTION
from plugins.slack.feedback import Feedback
from plugins.slack.intake import Intake
from plugins.slack.questions import Questions
from plugins.slack.socket import Socket

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.messages import InboxItem, OutboxItem, Question

AGAIN_SECONDS = 5.0

log = structlog.get_logger(__name__)


class SlackChannel:
    """Implements :class:`bot.protocols.Channel` for Slack, over Socket Mode or signed HTTP."""

    name = NAME

    def __init__(self, mentee: Mentee) -> None:
        self._mentee = mentee
        self._intake: Intake | None = None
        self._socket: Socket | None = None
        self._known = False
        self._checking: asyncio.Task[None] | None = None
        self._poster = Poster(self._client)
        self._questions = Questions(mentee, self._client)
        self._feedback = Feedback(mentee, self._poster, self._client)

    async def start(self) -> None:
        """Check the tokens and, for Socket Mode, connect. An unreachable Slack keeps nothing from starting.

        :raises SettingsError: a token is missing or not accepted; nothing stays open.
        """
        settings, secrets = self._mentee.settings, tokens(self._mentee.settings)
        try:
            await self._check_token()
            if settings.slack.transport == "socket":
                self._intake = Intake(self._mentee, self._client)
                self._socket = Socket(settings, self._intake, secrets.app)
                await self._socket.start()
        except MenteeError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop accepting messages."""
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        if self._socket is not None:
            await self._socket.stop()
        if self._intake is not None:
            await self._intake.close()

    async def interpret(self, item: InboxItem) -> Question | None:
        """Turn a message into a question; record a vote or a reason and return ``None``."""
        if item.kind == QUESTION:
            return await self._questions.interpret(item)
        await self._feedback.handle(item)
        return None

    async def deliver(self, item: OutboxItem) -> str:
        """Post the item in its thread and return ``channel:ts``; see :meth:`plugins.slack.delivery.Poster.deliver`."""
        return await self._poster.deliver(item)

    def healthy(self) -> bool:
        """Return whether Slack has accepted our token and the socket, where there is one, is open."""
        return self._known and (self._socket is None or self._socket.connected())

    def _client(self) -> AsyncWebClient:
        return web_client(self._mentee.settings, tokens(self._mentee.settings).bot)

    async def _check_token(self) -> None:
        """Ask Slack whether it accepts our token; when it cannot be reached, ask again beside the server."""
        try:
            await call(self._client().auth_test, "auth.test")
        except TokenRefusedError as error:
            raise error.at_start() from error
        except BusyError as error:
            log.warning("slack_not_reached", problem=error.text)
            self._checking = asyncio.create_task(self._check_token_later())
        else:
            self._known = True

    async def _check_token_later(self) -> None:
        while not self._known:
            await asyncio.sleep(AGAIN_SECONDS)
            try:
                await call(self._client().auth_test, "auth.test")
            except MenteeError as error:
                log.warning("slack_not_reached", problem=error.text)
            else:
                self._known = True
