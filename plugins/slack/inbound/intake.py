"""Bolt's app: takes deliveries of either transport, enters their workspace, and hands them to listeners.

Listeners only commit an inbox item and acknowledge; everything else happens later. An item that can't be committed is
not acknowledged, so Slack delivers again; a second delivery of the same event, or a second event of the same message,
is dropped by the inbox's keys.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult

from bot.observability.metrics import ACK_SECONDS
from plugins.slack.client.web_api import LOGGER, web_client
from plugins.slack.items import NAME

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from slack_bolt.async_app import AsyncAck, AsyncBoltContext, AsyncBoltRequest
    from slack_bolt.response import BoltResponse

    from plugins.slack.client.background_tasks import BackgroundTasks
    from plugins.slack.inbound.acceptor import Acceptor
    from plugins.slack.settings import SlackSettings
    from plugins.slack.workspaces.current import Workspaces
    from plugins.slack.workspaces.installations import Installations

EVERYTHING = re.compile(".*")

log = structlog.get_logger(__name__)


class Listeners(Protocol):
    """Listeners that belong together."""

    def register(self, app: AsyncApp) -> None:
        """Add them to the app."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeParts:
    """What the intake is made of. It closes ``acceptor`` and ``background`` at its end."""

    slack: SlackSettings
    workspaces: Workspaces
    installations: Installations
    acceptor: Acceptor
    background: BackgroundTasks
    listeners: Sequence[Listeners]


class Intake:
    """Takes deliveries."""

    def __init__(self, parts: IntakeParts) -> None:
        self._parts = parts
        self.app = self._build()

    async def dispatch(self, request: AsyncBoltRequest) -> BoltResponse:
        """Hand a request to its listener and return what Slack gets."""
        started = time.perf_counter()
        response = await self.app.async_dispatch(request)
        ACK_SECONDS.labels(NAME).observe(time.perf_counter() - started)
        return response

    async def close(self) -> None:
        """Cancel views that are still being drawn."""
        await self._parts.background.close()
        self._parts.acceptor.close()

    def _build(self) -> AsyncApp:
        app = AsyncApp(
            name="mentee",
            logger=LOGGER,
            client=web_client(self._parts.slack, None),
            authorize=_authorize,
            signing_secret="",
            process_before_response=True,  # the answer to Slack waits for the inbox item
            request_verification_enabled=False,  # inbound/http.py verifies; Bolt's own logs forged bodies
        )
        app.error(_failed)
        app.middleware(self._enter)
        for listeners in self._parts.listeners:
            listeners.register(app)
        app.event("app_uninstalled")(self._uninstalled)
        app.event("tokens_revoked")(self._revoked)
        app.event(EVERYTHING)(_ignored)
        app.action(EVERYTHING)(_ignored)
        return app

    async def _enter(self, context: AsyncBoltContext, next_: Callable[[], Awaitable[None]]) -> None:
        self._parts.workspaces.enter(context.team_id or "")
        await next_()

    async def _uninstalled(self, body: dict[str, Any]) -> None:
        """Forget a workspace that removed the app; the deliveries that still wait for it end as not installed."""
        team = str(body.get("team_id", ""))
        await self._parts.installations.async_delete_all(enterprise_id=None, team_id=team)
        log.warning("slack_app_uninstalled", workspace=team)

    async def _revoked(self, body: dict[str, Any]) -> None:
        if body["event"].get("tokens", {}).get("bot"):
            await self._uninstalled(body)


async def _authorize(team_id: str | None, enterprise_id: str | None) -> AuthorizeResult:
    """Satisfy Bolt without asking Slack: no call may stand before an acknowledgement. We drop our own events."""
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)


async def _ignored(ack: AsyncAck) -> None:
    await ack()


async def _failed(error: Exception) -> None:
    """Log what kept a delivery out of the inbox, without its contents; Bolt answers 500, so Slack delivers again."""
    log.error("slack_delivery_not_accepted", problem=type(error).__name__)
