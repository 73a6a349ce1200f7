"""A limit on requests that are answered at the same time, event streams included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.server.middleware.replies import refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PROBES = ("/livez", "/readyz")
"""Always answered: a server that is restarted because it is busy loses what it was doing."""

RETRY_SECONDS = 5


class RequestLimit:
    """Answers 503 to requests over the limit, except to probes.

    :param limit: how many run at the same time.
    """

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self.app = app
        self.limit = limit
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] == "lifespan" or scope["path"] in PROBES:
            await self.app(scope, receive, send)
            return
        if self.running >= self.limit:
            text = "The server is answering as many requests as it can."
            hint = f"Try again in {RETRY_SECONDS} s."
            await refuse(scope, receive, send, 503, text, hint=hint, retry_after=RETRY_SECONDS)
            return
        self.running += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.running -= 1
