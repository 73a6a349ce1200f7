"""Refuses host names that aren't this server's, for servers that sign everyone in.

Without it a page on any site could point its own name at 127.0.0.1 (DNS rebinding) and talk to a demo as its visitor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from bot.server.middleware.replies import refuse

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
        if scope["type"] == "lifespan" or _name(Headers(scope=scope).get("host", "")) in self.allowed:
            await self.app(scope, receive, send)
        else:
            names = ", ".join(sorted(self.allowed))
            await refuse(
                scope, receive, send, 421, "This demo answers to its own names only.", hint=f"Use one of: {names}."
            )


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
