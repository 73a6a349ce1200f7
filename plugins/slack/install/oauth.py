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

from bot.errors import MenteeError
from plugins.slack import INSTALL_PATH, REDIRECT_PATH
from plugins.slack.client import LOGGER, call, tokens, web_client
from plugins.slack.install.manifest import redirect_url, scopes
from plugins.slack.install.store import Installations, States
from plugins.slack.texts import install as texts
from plugins.slack.transport.requests import send_response

if TYPE_CHECKING:
    from slack_bolt.oauth.async_callback_options import AsyncFailureArgs, AsyncSuccessArgs
    from slack_sdk.oauth.installation_store import Installation
    from starlette.types import Receive, Scope, Send

    from bot.app import Mentee

AUTHORIZE_PATH = "/oauth/v2/authorize"

log = structlog.get_logger(__name__)


class WorkspaceRefusedError(MenteeError):
    """A workspace that may not have this instance's app."""

    status = 403


class Flow(AsyncOAuthFlow):
    """Bolt's flow, for the workspaces that an operator has named."""

    def __init__(self, mentee: Mentee) -> None:
        self._allowed = mentee.settings.slack.workspaces
        self._web = web_client(mentee.settings, None)
        super().__init__(client=self._web, logger=LOGGER, settings=_settings(mentee))

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
        raise WorkspaceRefusedError(texts.not_allowed(team), hint=texts.how_to_allow(team))


class Installer:
    """An ASGI application for both addresses of the flow."""

    def __init__(self, mentee: Mentee) -> None:
        self._flow = Flow(mentee)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - a GET has no body
        """Answer one request."""
        response = await self._response(scope)
        await send_response(send, response.status, response.body, response.headers)

    async def _response(self, scope: Scope) -> BoltResponse:
        if scope["method"] != "GET":
            return page(405, texts.start_again(), INSTALL_PATH)
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


def _settings(mentee: Mentee) -> AsyncOAuthSettings:
    settings = mentee.settings
    return AsyncOAuthSettings(
        client_id=settings.slack.client_id,
        client_secret=tokens(settings).client_secret,
        scopes=list(scopes()),
        user_scopes=[],
        redirect_uri=redirect_url(settings),
        install_path=INSTALL_PATH,
        install_page_rendering_enabled=False,
        redirect_uri_path=REDIRECT_PATH,
        callback_options=AsyncCallbackOptions(success=_installed, failure=_failed),
        authorization_url=urljoin(settings.slack.api_url, AUTHORIZE_PATH),
        installation_store=Installations(mentee.store),
        state_store=States(mentee.store),
        logger=LOGGER,
    )


async def _installed(args: AsyncSuccessArgs) -> BoltResponse:
    found = args.installation
    log.info("slack_installed", workspace=found.team_id)
    return page(200, texts.installed(found.team_name or found.team_id or ""), texts.what_next())


async def _failed(args: AsyncFailureArgs) -> BoltResponse:
    log.info("slack_install_failed", problem=args.reason)
    return page(args.suggested_status_code, texts.not_installed(args.reason), texts.start_again())
