"""Workspaces beside the first: how the app comes into them by OAuth, and which conversations are theirs."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from aiohttp import web

from plugins.slack.testing.payloads import APP, TEAM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CLIENT_ID, CLIENT_SECRET = "1.2", "fake-client-secret"


class OAuthRefusedError(Exception):
    """A call that Slack refuses; its text is Slack's name of the error."""


class OAuth:
    """State of the workspaces.

    ``homes`` holds the workspace of each conversation that is not in the first one; ``tokens`` that of each token;
    ``token`` is that of the call under way.
    """

    def __init__(self, tokens: dict[str, str]) -> None:
        self.homes: dict[str, str] = {}
        self.tokens = tokens
        self.token = ""
        self._codes: dict[str, tuple[str, str]] = {}
        self._numbers = itertools.count(1)

    @property
    def methods(self) -> Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """The methods by name."""
        return {"oauth.v2.access": self._access, "auth.revoke": self._revoke}

    def home(self, channel: str) -> str:
        """Return the workspace of a conversation."""
        return self.homes.get(channel, TEAM)

    async def authorize(self, request: web.Request) -> web.StreamResponse:
        """Let an administrator approve: back to the app with a code, or with ``access_denied`` for ``cancel``."""
        asked = request.query
        given = {"error": "access_denied"} if "cancel" in asked else {"code": self._code(asked["team"], asked["scope"])}
        back = urlencode({**given, "state": asked["state"]})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    def _code(self, team: str, scope: str) -> str:
        code = f"code-{next(self._numbers)}"
        self._codes[code] = team, scope
        return code

    def _access(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if (arguments.get("client_id"), arguments.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise OAuthRefusedError("bad_client_secret")
        if arguments.get("code") not in self._codes:
            raise OAuthRefusedError("invalid_code")
        team, scope = self._codes.pop(arguments["code"])
        token = f"xoxb-{team}-{next(self._numbers)}"
        self.tokens[token] = team
        return {
            "access_token": token, "token_type": "bot", "scope": scope, "bot_user_id": "U0BOT", "app_id": APP,
            "team": {"id": team, "name": f"Workspace {team}"}, "enterprise": None, "is_enterprise_install": False,
            "authed_user": {"id": "U9ADMIN"},
        }  # fmt: skip

    def _revoke(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        self.tokens.pop(self.token)
        return {"revoked": True}
