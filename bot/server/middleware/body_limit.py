"""A limit on request bodies, whether or not their length is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from bot.server.middleware.replies import refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class OverLimitError(Exception):
    """Ends the application's reading; the middleware has the last word on the response."""


class BodyLimit:
    """Answers 413 as soon as a body is known to be over the limit; at most the limit is ever read.

    :param limit: in bytes.
    """

    def __init__(self, app: ASGIApp, *, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self.limit:
            await self._refuse(scope, receive, send)
            return
        await self._count(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = 0
        over = started = False

        async def counted() -> Message:
            nonlocal read, over
            message = await receive()
            read += len(message.get("body", b""))
            if read > self.limit:
                over = True
                raise OverLimitError
            return message

        async def unless_over(message: Message) -> None:
            nonlocal started
            if not over:
                started = True
                await send(message)

        try:
            await self.app(scope, counted, unless_over)
        except OverLimitError:
            pass
        finally:
            if over and not started:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await refuse(scope, receive, send, 413, f"The request is over {self.limit:,} bytes.", hint="Send less at once.")
