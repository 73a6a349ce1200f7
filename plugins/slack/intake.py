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
from plugins.slack import events, modal, texts
from plugins.slack.acceptor import Acceptor
from plugins.slack.client import LOGGER, call, web_client
from plugins.slack.errands import Errands
from plugins.slack.events import NAME
from plugins.slack.home import CORRECT_ACTION
from plugins.slack.pane import Pane
from plugins.slack.render import VOTE_ACTION
from plugins.slack.slash import Slash
from plugins.slack.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable

    from slack_bolt.async_app import AsyncAck, AsyncBoltRequest
    from slack_bolt.response import BoltResponse
    from slack_sdk.web.async_client import AsyncWebClient

    from bot.app import Mentee
    from bot.messages import InboxItem

EVERYTHING = re.compile(".*")

log = structlog.get_logger(__name__)


class Intake:
    """Takes deliveries of either transport.

    :param client: gives the Web API client of the moment, to open the modal with.
    """

    def __init__(self, mentee: Mentee, client: Callable[[], AsyncWebClient]) -> None:
        self._mentee = mentee
        self._client = client
        self._threads = Threads(mentee.store)
        self._errands = Errands()
        self._acceptor = Acceptor(mentee.inbox)
        self._pane = Pane(mentee, client)
        self._slash = Slash(mentee, self._acceptor.accept)
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
        app.event("app_mention")(self._message)
        app.event("message")(self._message)
        app.event("reaction_added")(self._reaction)
        app.event("reaction_removed")(self._reaction)
        app.event("app_home_opened")(self._opened)
        app.event("assistant_thread_started")(self._thread_started)
        app.event(EVERYTHING)(_ignored)
        app.action(VOTE_ACTION)(self._press)
        app.action(CORRECT_ACTION)(self._correct)
        app.action(EVERYTHING)(_ignored)
        app.view(modal.CALLBACK)(self._submission)
        app.view(modal.CORRECT_CALLBACK)(self._correction)
        app.command(EVERYTHING)(self._command)  # by whatever name the workspace gave it
        return app

    async def _message(self, body: dict[str, Any]) -> None:
        heard = events.message(body)
        if heard is None:
            return
        about = heard.item.payload
        if heard.addressed or await asyncio.to_thread(
            self._threads.ours, about["team"], about["channel"], about["thread"]
        ):
            await self._acceptor.accept(heard.item)

    async def _reaction(self, body: dict[str, Any]) -> None:
        await self._accept(events.reaction(body))

    async def _press(self, body: dict[str, Any], ack: AsyncAck) -> None:
        item = events.press(body)
        accepted = await self._accept(item)
        await ack()
        if item is not None and accepted and item.payload["value"] == "down":
            self._errands.run("ask for a reason", partial(self._open_modal, body["trigger_id"], item))

    async def _submission(self, body: dict[str, Any], ack: AsyncAck) -> None:
        values = modal.submitted(body["view"])
        problems = modal.problems(values)
        if problems:
            await ack(response_action="errors", errors=problems)
            return
        await self._accept(events.submission(body, values))
        await ack()

    async def _correct(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack()
        user, answer_id = body["user"]["id"], body["actions"][0]["value"]
        self._errands.run("correction", partial(self._pane.open_correction, body["trigger_id"], user, answer_id))

    async def _correction(self, body: dict[str, Any], ack: AsyncAck) -> None:
        text = modal.submitted(body["view"])[modal.CORRECTION]
        if not text:
            await ack(response_action="errors", errors={modal.CORRECTION: texts.correction_missing()})
            return
        await self._accept(events.correction(body, text))
        await ack()

    async def _command(self, body: dict[str, Any], ack: AsyncAck) -> None:
        await ack(await self._slash.answer(body))

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

    async def _open_modal(self, trigger_id: str, item: InboxItem) -> None:
        """Ask for a reason. The vote is committed, so a modal that does not open loses nothing."""
        client = self._client()
        await call(client.views_open, "views.open", trigger_id=trigger_id, view=modal.reason_modal(item.payload))


async def _authorize(team_id: str | None, enterprise_id: str | None) -> AuthorizeResult:
    """Satisfy Bolt without asking Slack: no call may stand before an acknowledgement. We drop our own events."""
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)


async def _ignored(ack: AsyncAck) -> None:
    await ack()


async def _failed(error: Exception) -> None:
    """Log what kept a delivery out of the inbox, without its contents; Bolt answers 500, so Slack delivers again."""
    log.error("slack_delivery_not_accepted", problem=type(error).__name__)
