"""The channel ``slack``: opens the transport, handles inbox items, posts outbox items."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from bot.domain.errors import BusyError, MenteeError, NotFoundError
from plugins.slack.client.web_api import TokenRefusedError, call, tokens, web_client
from plugins.slack.inbound.socket import Socket
from plugins.slack.items import NAME
from plugins.slack.setup.manifest import redirect_url
from plugins.slack.workspaces.current import meet, stamped
from plugins.slack.workspaces.encryption import TokenCipher

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from bot.config.settings import Settings
    from bot.domain.answers import AnswerEvent
    from bot.domain.deliveries import InboxItem, OutboxItem
    from bot.domain.questions import Question
    from bot.storage.session import Store
    from plugins.slack.client.background_tasks import BackgroundTasks
    from plugins.slack.inbound.intake import Intake
    from plugins.slack.outbound.router import Router
    from plugins.slack.outbound.streaming import Streaming
    from plugins.slack.settings import SlackSettings
    from plugins.slack.views.assistant import Assistant
    from plugins.slack.workspaces.current import Workspaces

AGAIN_SECONDS = 5.0

Handler = Callable[["InboxItem"], Awaitable["Question | None"]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelParts:
    """What the channel is made of.

    :param handlers: by kind of inbox item.
    :param open_intake: makes what takes deliveries from the socket, inside the event loop.
    """

    settings: Settings
    slack: SlackSettings
    store: Store
    workspaces: Workspaces
    handlers: Mapping[str, Handler]
    router: Router
    streaming: Streaming
    assistant: Assistant
    background: BackgroundTasks
    open_intake: Callable[[], Intake]


class SlackChannel:
    """Implements :class:`bot.domain.ports.Channel` for Slack, over Socket Mode or signed HTTP."""

    name = NAME

    def __init__(self, parts: ChannelParts) -> None:
        self._parts = parts
        self._intake: Intake | None = None
        self._socket: Socket | None = None
        self._known = False
        self._checking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Check the tokens and, for Socket Mode, connect. If Slack is unreachable, keep trying in the background.

        :raises SettingsError: a token is missing or not accepted; nothing stays open.
        """
        slack = self._parts.slack
        secrets = tokens(slack)
        if slack.workspaces:
            TokenCipher(slack)
        try:
            await self._check_token()
            if slack.transport == "socket":
                self._intake = self._parts.open_intake()
                self._socket = Socket(slack, self._intake, secrets.app)
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
        await self._parts.background.close()

    async def handle(self, item: InboxItem) -> Question | None:
        """Give an item to the handler of its kind, and return the question that it asks.

        What comes from a workspace that has uninstalled the app meanwhile is dropped; what is about an answer or a
        question that is unknown, or somebody else's, is ignored.
        """
        team, workspaces = str(item.payload.get("team", "")), self._parts.workspaces
        workspaces.enter(team)
        meet(str(item.payload.get("user", "")), str(item.payload.get("user_team", "")))
        if workspaces.several and not await self._parts.store.run(workspaces.installed, team):
            log.warning("slack_workspace_not_installed", workspace=team, item=item.id)
            return None
        try:
            question = await self._parts.handlers[item.kind](item)
        except NotFoundError as error:
            log.info("slack_item_ignored", kind=item.kind, item=item.id, problem=error.text)
            return None
        if question is None:
            return None
        self._parts.assistant.announce(question)
        return replace(question, reply_to=stamped(question.reply_to))

    def showing(self, question: Question) -> AbstractAsyncContextManager[Callable[[AnswerEvent], None]]:
        """Show an answer while it is made; see :meth:`plugins.slack.outbound.streaming.Streaming.showing`."""
        return self._parts.streaming.showing(question)

    async def deliver(self, item: OutboxItem) -> str:
        """Give an item to the sender of its kind, and return ``channel:ts`` of the message."""
        self._parts.workspaces.enter(str(item.address.get("team", "")))
        return await self._parts.router.send(item)

    def healthy(self) -> bool:
        """Return whether Slack has accepted our token and the socket, where there is one, is open."""
        return self._known and (self._socket is None or self._socket.connected())

    async def _check_token(self) -> None:
        """Ask Slack whether it accepts our token; when it cannot be reached, ask again in the background."""
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
        if self._parts.workspaces.several:
            redirect_url(self._parts.settings)
            await call(web_client(self._parts.slack, None).api_test, "api.test")
        else:
            await call(self._parts.workspaces.client().auth_test, "auth.test")
