"""Installing the app in a workspace from the browser of its administrator: ``/slack/install`` and back from Slack.

The flow is Bolt's, with its state cookie. A workspace that ``slack.workspaces`` does not name gets nothing: its token
is revoked at once.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import structlog
from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from bot.domain.errors import MenteeError
from plugins.slack.client.web_api import LOGGER, call, tokens, web_client
from plugins.slack.copy import install as copy
from plugins.slack.inbound.http import send_response
from plugins.slack.settings import SlackSettings
from plugins.slack.setup.manifest import INSTALL_PATH, REDIRECT_PATH, redirect_url, scopes

if TYPE_CHECKING:
    from slack_bolt.oauth.async_callback_options import AsyncFailureArgs, AsyncSuccessArgs
    from slack_sdk.oauth.installation_store import Installation
    from starlette.types import Receive, Scope, Send

    from bot.config.settings import Settings
    from plugins.slack.workspaces.installations import Installations, States

AUTHORIZE_PATH = "/oauth/v2/authorize"

log = structlog.get_logger(__name__)


class WorkspaceRefusedError(MenteeError):
    """A workspace that may not have this instance's app."""

    status = 403


class Flow(AsyncOAuthFlow):
    """Bolt's flow, for the workspaces that an operator has named."""

    def __init__(self, slack: SlackSettings, settings: AsyncOAuthSettings) -> None:
        self._allowed = slack.workspaces
        self._web = web_client(slack, None)
        super().__init__(client=self._web, logger=LOGGER, settings=settings)

    async def run_installation(self, code: str) -> Installation | None:
        """Exchange Slack's code for a token.

        :raises WorkspaceRefusedError: the workspace is not among those allowed; its token is revoked.
        """
        installation = await super().run_installation(code)
        if installation is None or (installation.team_id in self._allowed and not installation.is_enterprise_install):
            return installation
        team = str(installation.team_id or installation.enterprise_id)
        log.warning("slack_install_refused", workspace=team)
        await call(self._web.auth_revoke, "auth.revoke", token=installation.bot_token)
        raise WorkspaceRefusedError(copy.not_allowed(team), hint=copy.how_to_allow(team))


class Installer:
    """An ASGI application for both addresses of the flow."""

    def __init__(self, settings: Settings, installations: Installations, states: States) -> None:
        slack = SlackSettings.of(settings)
        self._flow = Flow(slack, _oauth_settings(slack, redirect_url(settings), installations, states))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a GET has no body
        """Answer one request."""
        response = await self._response(scope)
        await send_response(send, response.status, response.body, response.headers)

    async def _response(self, scope: Scope) -> BoltResponse:
        if scope["method"] != "GET":
            return page(405, copy.start_again(), INSTALL_PATH)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request = AsyncBoltRequest(body="", query=scope["query_string"].decode("latin-1"), headers=headers)
        try:
            if scope["path"] == INSTALL_PATH:
                return await self._flow.handle_installation(request)
            return await self._flow.handle_callback(request)
        except MenteeError as error:
            return page(error.status, error.text, error.hint)


def page(status: int, text: str, hint: str = "") -> BoltResponse:
    """Return a page that says one thing."""
    body = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Mentee</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<main><h1>{html.escape(text)}</h1><p>{html.escape(hint)}</p></main></html>"
    )
    return BoltResponse(status=status, body=body, headers={"Content-Type": ["text/html; charset=utf-8"]})


def _oauth_settings(
    slack: SlackSettings, redirect: str, installations: Installations, states: States
) -> AsyncOAuthSettings:
    return AsyncOAuthSettings(
        client_id=slack.client_id,
        client_secret=tokens(slack).client_secret,
        scopes=list(scopes()),
        user_scopes=[],
        redirect_uri=redirect,
        install_path=INSTALL_PATH,
        install_page_rendering_enabled=False,
        redirect_uri_path=REDIRECT_PATH,
        callback_options=AsyncCallbackOptions(success=_installed, failure=_failed),
        authorization_url=urljoin(slack.api_url, AUTHORIZE_PATH),
        installation_store=installations,
        state_store=states,
        logger=LOGGER,
    )


async def _installed(args: AsyncSuccessArgs) -> BoltResponse:
    found = args.installation
    log.info("slack_installed", workspace=found.team_id)
    return page(200, copy.installed(found.team_name or found.team_id or ""), copy.what_next())


async def _failed(args: AsyncFailureArgs) -> BoltResponse:
    log.info("slack_install_failed", problem=args.reason)
    return page(args.suggested_status_code, copy.not_installed(args.reason), copy.start_again())
