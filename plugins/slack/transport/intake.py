"""The way in: Bolt's listeners, which only commit an inbox row and acknowledge. Everything else happens later.

A row that cannot be committed is not acknowledged, so Slack delivers again; a second delivery of the same event, or a
second event of the same message, is dropped by the inbox's keys.
"""

from __future__ import annotations

import asyncio
import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult

from bot.metrics import ACK_SECONDS
from plugins.slack import events
from plugins.slack.answers.delivery import Poster
from plugins.slack.client import LOGGER, web_client
from plugins.slack.conversations import arrivals, form
from plugins.slack.conversations.form import ChannelForm
from plugins.slack.conversations.listening import Listening
from plugins.slack.conversations.whispers import dismiss
from plugins.slack.escalations.listeners import EscalationListeners
from plugins.slack.events import NAME
from plugins.slack.install.store import Installations
from plugins.slack.surfaces.errands import Errands
from plugins.slack.surfaces.home import CORRECT_ACTION
from plugins.slack.surfaces.pane import Pane
from plugins.slack.surfaces.slash import Slash
from plugins.slack.transport.acceptor import Acceptor
from plugins.slack.votes.correcting import Correcting
from plugins.slack.votes.listeners import FeedbackListeners
from plugins.slack.votes.lookup import Lookup
from plugins.slack.workspaces import Workspaces

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from slack_bolt.async_app import AsyncAck, AsyncBoltContext, AsyncBoltRequest
    from slack_bolt.response import BoltResponse
    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.messages import InboxItem

EVERYTHING = re.compile(".*")

log = structlog.get_logger(__name__)


class Intake:
    """Takes deliveries of either transport.

    :param client: gives the Web API client of the moment, to open modals with.
    """

    def __init__(self, mentee: Mentee, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._client = client
        self._listening = Listening(mentee)
        self._errands = Errands()
        self._workspaces = Workspaces(mentee.settings, mentee.store)
        self._installations = Installations(mentee.store)
        self._acceptor = Acceptor(mentee)
        self._pane = Pane(mentee, client)
        self._slash = Slash(mentee, self._acceptor.accept, ChannelForm(mentee, client), self._errands)
        correcting = Correcting(mentee, Lookup(mentee, Poster(client)), client)
        self._feedback = FeedbackListeners(self._acceptor.accept, self._errands, correcting, client)
        self._escalations = EscalationListeners(mentee, self._acceptor.accept, self._errands, correcting)
        self.app = self._build()

    async def dispatch(self, request: AsyncBoltRequest) -> BoltResponse:
        """Hand a request to its listener and return what Slack gets."""
        started = time.perf_counter()
        response = await self.app.async_dispatch(request)
        ACK_SECONDS.labels(NAME).observe(time.perf_counter() - started)
        return response

    async def close(self) -> None:
        """Let go of views that are still being drawn."""
        await self._errands.close()
        self._acceptor.close()

    def _build(self) -> AsyncApp:
        app = AsyncApp(
            name="mentee",
            logger=LOGGER,
            client=web_client(self._mentee.settings, None),
            authorize=_authorize,
            signing_secret="",
            process_before_response=True,  # the answer to Slack waits for the inbox row
            request_verification_enabled=False,  # SlackRequests verifies; Bolt's own logs the body of a forged request
        )
        app.error(_failed)
        app.middleware(self._enter)
        app.event("app_mention")(self._message)
        app.event("message")(self._message)
        app.event("reaction_added")(self._reaction)
        app.event("reaction_removed")(self._reaction)
        app.event("app_home_opened")(self._opened)
        app.event("assistant_thread_started")(self._thread_started)
        app.event("app_uninstalled")(self._uninstalled)
        app.event("tokens_revoked")(self._revoked)
        app.event(EVERYTHING)(_ignored)
        app.action(CORRECT_ACTION)(self._correct)
        app.action(arrivals.SHARE_ACTION)(self._button)
        app.action(arrivals.ALONE_ACTION)(self._button)
        app.action(arrivals.DISCARD_ACTION)(self._discard)
        self._feedback.register(app)
        self._escalations.register(app)
        app.action(EVERYTHING)(_ignored)
        app.view(form.CALLBACK)(self._channel_settings)
        app.command(EVERYTHING)(self._command)  # by whatever name the workspace gave it
        return app

    async def _enter(self, context: AsyncBoltContext, next_: Callable[[], Awaitable[None]]) -> None:
        self._workspaces.enter(context.team_id or "")
        await next_()

    async def _uninstalled(self, body: dict[str, Any]) -> None:
        """Forget a workspace that took the app away; the deliveries that still wait for it end as not installed."""
        team = str(body.get("team_id", ""))
        await self._installations.async_delete_all(enterprise_id=None, team_id=team)
        log.warning("slack_app_uninstalled", workspace=team)

    async def _revoked(self, body: dict[str, Any]) -> None:
        if body["event"].get("tokens", {}).get("bot"):
            await self._uninstalled(body)

    async def _message(self, body: dict[str, Any]) -> None:
        deleted, edited = arrivals.deletion(body), arrivals.edit(body)
        if deleted is not None:
            if await asyncio.to_thread(self._listening.knows, deleted.payload["key"]):
                await self._acceptor.accept(deleted)
            return
        heard = edited or events.message(body)
        if heard is None or await self._escalations.between_people(heard):
            return
        plain = heard.addressed and edited is None  # needs no look into the database
        item = heard.item if plain else await asyncio.to_thread(self._listening.taken, heard)
        await self._accept(item)

    async def _reaction(self, body: dict[str, Any]) -> None:
        await self._accept(events.reaction(body))
        await self._escalations.check(body)

    async def _correct(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack()
        user, answer_id = body["user"]["id"], body["actions"][0]["value"]
        self._errands.run("correction", partial(self._pane.open_correction, body["trigger_id"], user, answer_id))

    async def _command(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack(await self._slash.answer(body))

    async def _button(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await self._accept(arrivals.button(body))
        await ack()

    async def _discard(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack()
        self._errands.run("discard", partial(dismiss, body.get("response_url", "")))

    async def _channel_settings(self, body: dict[str, Any], ack: AsyncAck) -> None:
        channel, values = form.entered(body["view"])
        problems = form.problems(values)
        if problems:
            await ack(response_action="errors", errors=problems)
            return
        await self._accept(arrivals.settings_entered(body, channel, values))
        await ack()

    async def _opened(self, body: dict[str, Any]) -> None:
        opened = events.opened(body)
        if opened is None:
            return
        if opened.tab == "home":
            self._errands.run("App Home", partial(self._pane.publish_home, opened.user))
        elif not await self._accept(opened.greeting):  # the first time, the prompts follow the greeting
            self._errands.run("suggested prompts", partial(self._pane.suggest, opened.user, opened.channel))

    async def _thread_started(self, body: dict[str, Any]) -> None:
        await self._accept(events.thread_started(body))

    async def _accept(self, item: InboxItem | None) -> bool:
        return item is not None and await self._acceptor.accept(item)


async def _authorize(team_id: str | None, enterprise_id: str | None) -> AuthorizeResult:
    """Satisfy Bolt without asking Slack: no call may stand before an acknowledgement. We drop our own events."""
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)


async def _ignored(ack: AsyncAck) -> None:
    await ack()


async def _failed(error: Exception) -> None:
    """Log what kept a delivery out of the inbox, without its contents; Bolt answers 500, so Slack delivers again."""
    log.error("slack_delivery_not_accepted", problem=type(error).__name__)
