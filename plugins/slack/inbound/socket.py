"""Socket Mode: no public address needed; Slack sends events over a WebSocket that we open.

Of the SDK's four clients the one on aiohttp has a short gap when Slack refreshes a socket (0.1 s) and is the quickest
to notice a dead one (20 s).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler

from bot.domain.errors import BusyError
from bot.observability.metrics import ACK_SECONDS
from plugins.slack.client.web_api import LOGGER, TokenRefusedError, call, web_client
from plugins.slack.items import NAME

if TYPE_CHECKING:
    from slack_sdk.socket_mode.aiohttp import SocketModeClient
    from slack_sdk.socket_mode.request import SocketModeRequest

    from plugins.slack.inbound.intake import Intake
    from plugins.slack.settings import SlackSettings

PING_SECONDS = 5.0
FIRST_CONNECTION_SECONDS = 10.0

log = structlog.get_logger(__name__)


class Socket:
    """The app's socket, connected anew whenever it is lost. Made and used inside one event loop.

    :param app_token: the app-level token (``xapp-…``).
    """

    def __init__(self, slack: SlackSettings, intake: Intake, app_token: str) -> None:
        self._web = web_client(slack, None)
        self._token = app_token
        self._handler = _TimedHandler(
            intake.app, app_token, logger=LOGGER, web_client=self._web, ping_interval=PING_SECONDS
        )
        self._connecting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; when Slack cannot be reached just now, keep trying beside the server.

        :raises SettingsError: Slack does not accept the token.
        """
        try:
            opened = await call(self._web.apps_connections_open, "apps.connections.open", app_token=self._token)
            self._handler.client.wss_uri = opened["url"]
        except TokenRefusedError as error:
            raise error.at_start() from error
        except BusyError as error:
            log.warning("slack_not_connected", problem=error.text)
        self._connecting = asyncio.create_task(self._handler.client.connect())  # type: ignore[no-untyped-call] # slack_sdk has no types there
        await asyncio.wait({self._connecting}, timeout=FIRST_CONNECTION_SECONDS)

    async def stop(self) -> None:
        """Close the socket; what was accepted is in the inbox, what was not acknowledged comes again."""
        client = self._handler.client
        await client.close()  # type: ignore[no-untyped-call] # as above
        tasks = (self._connecting, client.message_processor, client.current_session_monitor, client.message_receiver)
        open_tasks = [task for task in tasks if task is not None]
        for task in open_tasks:
            task.cancel()
        await asyncio.gather(*open_tasks, return_exceptions=True)

    def connected(self) -> bool:
        """Return whether the socket is open and answers pings."""
        client = self._handler.client
        session = client.current_session
        return session is not None and not session.closed and not client.stale


class _TimedHandler(AsyncSocketModeHandler):
    async def handle(self, client: SocketModeClient, req: SocketModeRequest) -> None:  # type: ignore[override] # as in the parent
        started = time.perf_counter()
        await super().handle(client, req)
        ACK_SECONDS.labels(NAME).observe(time.perf_counter() - started)
