"""Refuses requests that another site made a browser send (CSRF, cross-site event streams and WebSockets).

The algorithm is that of Go 1.25's ``CrossOriginProtection`` and Datasette's ``csrf.py``, widened to reads: trust
``Sec-Fetch-Site`` where the browser sends it, else compare ``Origin`` with ``Host``; a request with neither is no
browser's. A cross-site *navigation* (a link to the chat page) is the one thing let through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from bot.server.middleware.replies import refuse
from bot.server.problems.kinds import CROSS_SITE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

OWN = ("same-origin", "none")
DEFAULT_PORTS = {"http": 80, "https": 443}


class CrossSiteRefusal:
    """Answers 403 to what another site sent; no part of the application sees it.

    A ``Bearer`` request is exempt only without a ``Cookie``: then no browser lent it anybody's rights.

    :param trusted: further origins of this server, such as the public address in front of a proxy.
    """

    def __init__(self, app: ASGIApp, *, trusted: Sequence[str] = ()) -> None:
        self.app = app
        self.trusted = {host for origin in trusted if (host := _host_of(origin))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] not in ("http", "websocket") or self._allowed(scope):
            await self.app(scope, receive, send)
        else:
            hint = "Open Mentee in its own tab and try again."
            text = "The request came from another site."
            await refuse(scope, receive, send, CROSS_SITE.status, text, hint=hint, kind=CROSS_SITE)

    def _allowed(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        if headers.get("authorization", "").lower().startswith("bearer ") and "cookie" not in headers:
            return True
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and (site in OWN or _is_navigation(scope, headers)):
            return True
        if origin is None:
            return site is None
        host = _host_of(origin)
        if host is None:
            return False
        own = _host_of(f"{urlsplit(origin).scheme}://{headers.get('host', '')}")
        return host in self.trusted or (site is None and host == own)


def _is_navigation(scope: Scope, headers: Headers) -> bool:
    plain = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
    return plain and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"


def _host_of(origin: str) -> tuple[str, int] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port or DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError):
        return None
    return (parts.hostname, port) if parts.hostname else None
