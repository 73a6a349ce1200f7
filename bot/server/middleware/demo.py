"""Keeps a demo on its own machine, and says in every response that it is one.

On a demo, anyone who reaches the server is an operator. Nobody may reach it through a proxy or a tunnel, then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from bot.server.middleware.hosts import LOOPBACK
from bot.server.middleware.replies import refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

FORWARDING = ("forwarded", "via", "x-real-ip")
"""Headers that only proxies send, besides those that begin with ``x-forwarded-``."""

HEADER = "Mentee-Demo"
SAID = "anyone on this machine is an operator"


class DemoOnly:
    """Answers 403 to what came through a proxy; marks all responses, and the request's state for the pages' banner."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = SAID
            await send(message)

        scope.setdefault("state", {})["demo"] = True
        if _forwarded(scope):
            text = "This demo answers on its own machine only, and the request came through a proxy."
            await refuse(scope, receive, marked, 403, text, hint='Set web.sign_in = "password" and add people.')
        else:
            await self.app(scope, receive, marked)


def _forwarded(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    if any(name in FORWARDING or name.startswith("x-forwarded-") for name in headers):
        return True
    if scope.get("http_version") == "1.0":  # no browser speaks it; proxies do by default
        return True
    return "origin" in headers and not _is_local(headers["origin"])


def _is_local(origin: str) -> bool:
    if origin == "null":  # a form of our own pages, which tell no referrer; CrossSiteRefusal refuses those of others
        return True
    try:
        return urlsplit(origin).hostname in LOOPBACK
    except ValueError:
        return False
