"""The channel ``slack``: opens the transport, turns inbox items into questions and votes, posts answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from bot.errors import BusyError, MenteeError
from plugins.slack.answers.delivery import Poster
from plugins.slack.answers.ephemeral import deliver_ephemeral
from plugins.slack.answers.live import Live
from plugins.slack.client import TokenRefusedError, call, tokens, web_client
from plugins.slack.conversations.addresses import shown_while_made
from plugins.slack.conversations.manners import KINDS, Manners
from plugins.slack.conversations.threads import NOTHING_POSTED
from plugins.slack.escalations import letters
from plugins.slack.escalations.desk import Desk
from plugins.slack.escalations.events import KINDS as ESCALATION_KINDS
from plugins.slack.events import CORRECTION, GREETING, NAME
from plugins.slack.install.manifest import redirect_url
from plugins.slack.surfaces.errands import Errands
from plugins.slack.surfaces.pane import Pane
from plugins.slack.surfaces.status import StatusLines
from plugins.slack.transport.intake import Intake
from plugins.slack.transport.socket import Socket
from plugins.slack.votes.feedback import Feedback
from plugins.slack.workspaces import Workspaces, stamped

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.messages import AnswerEvent, InboxItem, OutboxItem, Question

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
        self._workspaces = Workspaces(mentee.settings, mentee.store)
        self._checking: asyncio.Task[None] | None = None
        self._pane = Pane(mentee, self._client)
        self._status = StatusLines(self._client)
        self._live = Live(mentee, self._client, self._status)
        self._poster = Poster(self._client, self._live)
        self._errands = Errands()
        self._manners = Manners(mentee, self._poster, self._errands, self._client)
        self._feedback = Feedback(mentee, self._poster, self._client)
        self._desk = Desk(mentee, self._client)
        self._letters = letters.Letters(mentee, self._client)

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
        """Turn a message into a question; record a vote or a reason, or greet, and return ``None``.

        What comes from a workspace that has uninstalled the app meanwhile is dropped.
        """
        team = str(item.payload.get("team", ""))
        self._workspaces.enter(team)
        if self._workspaces.several and not await self._mentee.store.run(self._workspaces.installed, team):
            log.warning("slack_workspace_not_installed", workspace=team, item=item.id)
            return None
        if item.kind in KINDS:
            question = await self._manners.interpret(item)
            if question is not None:
                self._announce(question)
                return replace(question, reply_to=stamped(question.reply_to))
            return None
        if item.kind == GREETING:
            await self._pane.greet(item)
        elif item.kind in ESCALATION_KINDS:
            await self._desk.handle(item)
        else:
            await self._feedback.handle(item)
        if item.kind == CORRECTION:
            self._errands.run("App Home", partial(self._pane.publish_home, item.payload["user"]))
        return None

    def showing(self, question: Question) -> AbstractAsyncContextManager[Callable[[AnswerEvent], None]]:
        """Show an answer while it is made; see :meth:`plugins.slack.answers.live.Live.showing`."""
        return self._live.showing(question)

    async def deliver(self, item: OutboxItem) -> str:
        """Post the item and return ``channel:ts``; see :meth:`plugins.slack.answers.delivery.Poster.deliver`.

        The answer to a command goes to its one person: :func:`plugins.slack.answers.ephemeral.deliver_ephemeral`.
        """
        self._workspaces.enter(str(item.address.get("team", "")))
        if item.kind in letters.KINDS:
            letter = await self._letters.prepared(item)
            return await self._poster.deliver(letter) if letter is not None else NOTHING_POSTED
        if "response_url" in item.address:
            return await deliver_ephemeral(item)
        self._status.end(item.address["channel"], item.address["thread_ts"])
        reference = await self._manners.deliver(item)
        if reference is not None:
            return reference
        reference = await self._poster.deliver(item)
        self._manners.delivered(item)
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
        if thread is None or not shown_while_made(question.reply_to):
            return
        self._status.begin(question.place, thread)
        self._errands.run("status", partial(self._status.show, question.place, thread))
        if question.place.startswith(DIRECT) and not question.history:
            self._errands.run("title", partial(self._pane.entitle, question.place, thread, question.text))

    def _client(self) -> AsyncWebClient:
        return self._workspaces.client()

    async def _check_token(self) -> None:
        """Ask Slack whether it accepts our token; when it cannot be reached, ask again beside the server."""
        try:
            await self._test()
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
                await self._test()
            except MenteeError as error:
                log.warning("slack_not_reached", problem=error.text)
            else:
                self._known = True

    async def _test(self) -> None:
        """Ask about our token; with several workspaces each has its own, so only whether Slack answers at all."""
        if self._workspaces.several:
            redirect_url(self._mentee.settings)
            await call(web_client(self._mentee.settings, None).api_test, "api.test")
        else:
            await call(self._client().auth_test, "auth.test")
