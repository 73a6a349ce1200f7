"""The channel ``slack``: opens the transport, turns inbox items into questions and votes, posts answers."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import structlog

from bot.errors import BusyError, MenteeError
from plugins.slack.client import TokenRefusedError, call, tokens, web_client
from plugins.slack.delivery import Poster
from plugins.slack.ephemeral import deliver_ephemeral
from plugins.slack.errands import Errands
from plugins.slack.events import CORRECTION, GREETING, NAME, QUESTION
from plugins.slack.feedback import Feedback
from plugins.slack.intake import Intake
from plugins.slack.pane import Pane
from plugins.slack.questions import Questions
from plugins.slack.socket import Socket

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.messages import InboxItem, OutboxItem, Question

AGAIN_SECONDS = 5.0
DIRECT = "D"
"""What the ids of direct conversations begin with."""

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
        self._pane = Pane(mentee, self._client)
        self._errands = Errands()
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
        await self._errands.close()

    async def interpret(self, item: InboxItem) -> Question | None:
        """Turn a message into a question; record a vote or a reason, or greet, and return ``None``."""
        if item.kind == QUESTION:
            question = await self._questions.interpret(item)
            if question is not None:
                self._announce(question)
            return question
        if item.kind == GREETING:
            await self._pane.greet(item)
        else:
            await self._feedback.handle(item)
        if item.kind == CORRECTION:
            self._errands.run("App Home", partial(self._pane.publish_home, item.payload["user"]))
        return None

    async def deliver(self, item: OutboxItem) -> str:
        """Post the item and return ``channel:ts``; see :meth:`plugins.slack.delivery.Poster.deliver`.

        The answer to a command goes to its one person: :func:`plugins.slack.ephemeral.deliver_ephemeral`.
        """
        if "response_url" in item.address:
            return await deliver_ephemeral(item)
        reference = await self._poster.deliver(item)
        if item.kind == GREETING:  # Slack shows prompts below a conversation's latest message
            user, address = item.payload["user"], item.address
            suggest = partial(self._pane.suggest, user, address["channel"], address["thread_ts"])
            self._errands.run("suggested prompts", suggest)
        return reference

    def healthy(self) -> bool:
        """Return whether Slack has accepted our token and the socket, where there is one, is open."""
        return self._known and (self._socket is None or self._socket.connected())

    def _announce(self, question: Question) -> None:
        """Show that an answer is being made, and name a new thread of a direct conversation after its question."""
        thread = question.reply_to.get("thread_ts")
        if thread is None:
            return
        self._errands.run("status", partial(self._pane.show_status, question.place, thread))
        if question.place.startswith(DIRECT) and not question.history:
            self._errands.run("title", partial(self._pane.entitle, question.place, thread, question.text))

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
