"""Refuses host names that aren't this server's, for servers that sign everyone in.

Without it a page on any site could point its own name at 127.0.0.1 (DNS rebinding) and talk to a demo as its visitor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from bot.server.middleware.replies import refuse
from bot.server.pages.layout import STATIC_PATH

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class HostRefusal:
    """Answers 421 to a request that names another host.

    :param allowed: host names without ports.
    """

    def __init__(self, app: ASGIApp, *, allowed: Collection[str] = LOOPBACK) -> None:
        self.app = app
        self.allowed = allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        style = scope["type"] == "http" and scope["path"].startswith(f"{STATIC_PATH}/")  # for the refusal's page
        if scope["type"] == "lifespan" or style or _name(Headers(scope=scope).get("host", "")) in self.allowed:
            await self.app(scope, receive, send)
        else:
            names = sorted(self.allowed)
            text, hint = "This demo answers only under its own host names.", f"Use one of: {', '.join(names)}."
            await refuse(scope, receive, send, 421, text, hint=hint, home=_address(scope, names[0]))


def _address(scope: Scope, name: str) -> str:
    """Return the first page under one of this server's names, at the port that the request came to."""
    _, port = scope.get("server") or ("", None)
    return f"http://{name}:{port}/" if port else f"http://{name}/"


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
